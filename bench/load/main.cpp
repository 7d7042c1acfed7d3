// bench_load: one load generator for every row of the benchmark. Prints one
// JSON object on stdout (runs that stop half-way one more, when they do); exit
// status 0 when every answer was as expected, 1 when one was not (the object's
// `error` says which), 2 on wrong arguments.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "load/options.hpp"
#include "load/task.hpp"
#include "load/worker.hpp"

namespace longshore::load {
namespace {

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) +
               static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string json_text(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + "\"";
}

Outcome sum(const std::vector<std::unique_ptr<Worker>>& workers) {
    Outcome all;
    for (const auto& worker : workers) {
        const Outcome& one = worker->outcome();
        all.units += one.units;
        all.requests += one.requests;
        all.body_in += one.body_in;
        all.body_out += one.body_out;
        all.reconnects += one.reconnects;
        if (all.first_ns == 0 ||
            (one.first_ns != 0 && one.first_ns < all.first_ns)) {
            all.first_ns = one.first_ns;
        }
        all.last_ns = std::max(all.last_ns, one.last_ns);
        all.latency.merge(one.latency);
        if (all.error.empty()) {
            all.error = one.error;
        }
    }
    return all;
}

void print(const Outcome& all,
           const std::vector<std::unique_ptr<Worker>>& workers) {
    std::size_t under_way = 0;
    for (const auto& worker : workers) {
        under_way += worker->under_way();
    }
    const double seconds =
        all.last_ns > all.first_ns
            ? static_cast<double>(all.last_ns - all.first_ns) / 1e9
            : 0.0;
    const double rate = seconds > 0 ? 1.0 / seconds : 0.0;
    const auto us = [&all](double percent) {
        return static_cast<double>(all.latency.percentile(percent)) / 1e3;
    };
    std::printf(
        "{\"units\": %llu, \"requests\": %llu, \"body_in\": %llu, "
        "\"body_out\": %llu, \"reconnects\": %llu, \"seconds\": %.6f, "
        "\"units_per_s\": %.3f, \"mb_per_s\": %.3f, \"p50_us\": %.1f, "
        "\"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, "
        "\"client_cpu_s\": %.6f, \"under_way\": %zu, \"error\": %s}\n",
        static_cast<unsigned long long>(all.units),
        static_cast<unsigned long long>(all.requests),
        static_cast<unsigned long long>(all.body_in),
        static_cast<unsigned long long>(all.body_out),
        static_cast<unsigned long long>(all.reconnects), seconds,
        static_cast<double>(all.units) * rate,
        static_cast<double>(all.body_in + all.body_out) * rate / 1e6, us(50),
        us(90), us(99), static_cast<double>(all.latency.max()) / 1e3,
        cpu_seconds(), under_way, json_text(all.error).c_str());
    std::fflush(stdout);
}

// The line that says: all are in the middle of a body.
void run_half_way(Worker& worker) {
    worker.run_half_way(STDIN_FILENO, [&worker] {
        std::printf("{\"under_way\": %zu, \"error\": \"\"}\n",
                    worker.under_way());
        std::fflush(stdout);
    });
}

int run(const Options& options) {
    raise_descriptor_limit();
    Shared shared;
    std::atomic<bool> stop{false};
    std::vector<std::unique_ptr<Worker>> workers;
    const int threads = std::min(options.threads, options.connections);
    for (int i = 0; i < threads; ++i) {
        const int share = options.connections / threads +
                          (i < options.connections % threads ? 1 : 0);
        workers.push_back(
            std::make_unique<Worker>(options, shared, stop, share));
        if (!workers.back()->connect_all()) {
            print(sum(workers), workers);
            return 1;
        }
    }
    const std::uint64_t deadline =
        now_ns() + static_cast<std::uint64_t>(options.seconds * 1e9);
    if (stops_half_way(options)) {
        run_half_way(*workers.front());
    } else if (threads == 1) {
        workers.front()->run(deadline);
    } else {
        std::vector<std::thread> running;
        running.reserve(workers.size());
        for (auto& worker : workers) {
            running.emplace_back(
                [&worker, deadline] { worker->run(deadline); });
        }
        for (std::thread& thread : running) {
            thread.join();
        }
    }
    const Outcome all = sum(workers);
    print(all, workers);
    if (options.mode == Mode::kHold && options.rate == 0 && all.error.empty()) {
        char drop = 0;
        while (::read(STDIN_FILENO, &drop, 1) > 0) {
        }
    }
    return all.error.empty() ? 0 : 1;
}

}  // namespace
}  // namespace longshore::load

int main(int argc, char** argv) {
    longshore::load::Options options;
    if (!longshore::load::parse_options(argc, argv, options)) {
        return 2;
    }
    return longshore::load::run(options);
}
