// Micro-benchmarks of the shared-memory cache where it lives: an nginx module
// of its own, so that nginx's slab, its lock and its pools are the real ones.
// `bench_micro ARGUMENT…;` in the main part of nginx.conf sets up two zones;
// the process then runs Google Benchmark instead of serving, and ends.
// bench/micro/run writes that configuration and starts nginx.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <benchmark/benchmark.h>

#include "common/protocol.hpp"
#include "ngx_module/cache.hpp"
#include "ngx_module/ngx.hpp"
#include "ngx_module/str.hpp"

extern "C" {
extern ngx_module_t bench_micro_nginx_module;
}

namespace longshore {
namespace {

constexpr std::size_t kMany = 10000;
constexpr ngx_msec_t kHour = 3'600'000;
constexpr std::size_t kPoolBytes = 16 << 10;

// Filled while the configuration is read, before anything is timed.
ngx_shm_zone_t* large_zone = nullptr;  // room for kMany manifests and more
ngx_shm_zone_t* small_zone = nullptr;  // full after a few hundred
std::vector<std::string>* arguments = nullptr;

// As nginx composes it: host, mount, target.
std::string key_of(std::size_t number) {
    return "registry.example.com\n/v2/library/alpine/manifests/3." +
           std::to_string(number);
}

// What `range(0)` names: a cached manifest of 2 KiB by tag.
class Manifest {
public:
    Manifest() {
        reply_.status = 200;
        reply_.media_type = "application/vnd.oci.image.manifest.v1+json";
        reply_.headers =
            "Docker-Content-Digest: sha256:e3b0c44298fc1c149afbf4c8996fb92427"
            "ae41e4649b934ca495991b7852b855\r\nETag: \"sha256:e3b0c44298fc1c1"
            "49afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\r\n";
        reply_.repository = "library/alpine";
        reply_.reference = "3";
        reply_.body = body_;
    }
    void put(Cache& cache, std::size_t number, const std::string& key) const {
        const std::string depends =
            key::manifest("library/alpine", "3." + std::to_string(number));
        const std::string_view keys[] = {depends};
        cache.insert(key, reply_, keys, kHour, cache.clock());
    }
    const CachedReply& reply() const noexcept { return reply_; }

private:
    const std::string body_ = std::string(2000, 'x');
    CachedReply reply_;
};

// A request's pool, given back after each look-up.
class Pool {
public:
    Pool() : pool_(ngx_create_pool(kPoolBytes, ngx_cycle->log)) {}
    ~Pool() { ngx_destroy_pool(pool_); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    ngx_pool_t* get() noexcept { return pool_; }
    void reset() noexcept { ngx_reset_pool(pool_); }

private:
    ngx_pool_t* pool_;
};

std::vector<std::string> keys_of(std::size_t count) {
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < count; ++i) {
        keys.push_back(key_of(i));
    }
    return keys;
}

// `count` manifests in the large zone, looked up in an order in which the
// processor cannot foresee the next.
std::vector<std::string> fill(std::size_t count) {
    const Manifest manifest;
    std::vector<std::string> keys = keys_of(count);
    Cache& cache = *Cache::of(large_zone);
    for (std::size_t i = 0; i < count; ++i) {
        manifest.put(cache, i, keys[i]);
    }
    return keys;
}

std::size_t after(std::size_t place, std::size_t count) noexcept {
    return (place + 7919) % count;  // a prime: all are visited
}

void look_up(benchmark::State& state, const std::vector<std::string>& keys) {
    Cache& cache = *Cache::of(large_zone);
    Pool pool;
    CachedReply found;
    std::size_t place = 0;
    for (auto _ : state) {
        if (!cache.find({keys[place]}, pool.get(), found)) {
            state.SkipWithError("not found");
            break;
        }
        benchmark::DoNotOptimize(found);
        pool.reset();
        place = after(place, keys.size());
    }
    if (found.body.size() != 2000) {
        state.SkipWithError("found something else");
    }
}

void cache_hit(benchmark::State& state) {
    look_up(state, fill(static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(cache_hit)->Arg(1)->Arg(kMany);

// Another process that does nothing but look up, until this is destroyed. It
// is told, not killed: killed with the lock in hand it would keep it.
class Neighbour {
public:
    explicit Neighbour(const std::vector<std::string>& keys) {
        void* shared =
            ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED) {
            return;
        }
        phase_ = new (shared) std::atomic<int>(kStarting);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::_exit(run(keys));
        }
        while (pid_ > 0 && phase_->load() == kStarting) {
            ::usleep(100);
        }
    }
    ~Neighbour() {
        if (phase_ == nullptr) {
            return;
        }
        phase_->store(kOver);
        // nginx's own handler may have been faster: then there is none.
        while (pid_ > 0 && ::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
        ::munmap(phase_, sizeof(std::atomic<int>));
    }
    Neighbour(const Neighbour&) = delete;
    Neighbour& operator=(const Neighbour&) = delete;

    bool runs() const noexcept { return pid_ > 0; }

private:
    static constexpr int kStarting = 0;
    static constexpr int kRunning = 1;
    static constexpr int kOver = 2;

    int run(const std::vector<std::string>& keys) {
        ngx_pid = ngx_getpid();  // what the lock's word holds
        Cache& cache = *Cache::of(large_zone);
        Pool pool;
        CachedReply found;
        std::size_t place = 0;
        phase_->store(kRunning);
        while (phase_->load(std::memory_order_relaxed) != kOver) {
            cache.find({keys[place]}, pool.get(), found);
            pool.reset();
            place = after(place, keys.size());
        }
        return 0;
    }

    std::atomic<int>* phase_ = nullptr;
    pid_t pid_ = -1;
};

// The lock with somebody else at it: the worst case of two workers.
void cache_hit_while_another_looks_up(benchmark::State& state) {
    const auto keys = fill(kMany);
    const Neighbour neighbour(keys);
    if (!neighbour.runs()) {
        state.SkipWithError("no second process");
        return;
    }
    look_up(state, keys);
}
BENCHMARK(cache_hit_while_another_looks_up)->UseRealTime();

void cache_miss(benchmark::State& state) {
    fill(kMany);
    Cache& cache = *Cache::of(large_zone);
    const std::string absent = key_of(kMany + 1);
    Pool pool;
    CachedReply found;
    for (auto _ : state) {
        if (cache.find({absent}, pool.get(), found)) {
            state.SkipWithError("found what is not there");
            break;
        }
    }
}
BENCHMARK(cache_miss);

// The same tag again: frees and takes the same piece of the slab.
void cache_insert_again(benchmark::State& state) {
    const Manifest manifest;
    Cache& cache = *Cache::of(large_zone);
    const std::string key = key_of(0);
    const std::string depends = key::manifest("library/alpine", "3.0");
    const std::string_view keys[] = {depends};
    for (auto _ : state) {
        cache.insert(key, manifest.reply(), keys, kHour, cache.clock());
    }
}
BENCHMARK(cache_insert_again);

// Into a full zone: each insert throws out the one not used for longest.
void cache_insert_with_eviction(benchmark::State& state) {
    const Manifest manifest;
    Cache& cache = *Cache::of(small_zone);
    const auto keys = keys_of(kMany);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        manifest.put(cache, i, keys[i]);
    }
    const std::string depends = key::manifest("library/alpine", "3.0");
    const std::string_view depend_keys[] = {depends};
    const std::uint64_t before = cache.counters.cache_evictions.load();
    std::size_t place = 0;
    for (auto _ : state) {
        cache.insert(keys[place], manifest.reply(), depend_keys, kHour,
                     cache.clock());
        place = (place + 1) % keys.size();
    }
    const std::uint64_t evicted =
        cache.counters.cache_evictions.load() - before;
    if (evicted < static_cast<std::uint64_t>(state.iterations())) {
        state.SkipWithError("the zone was not full");
    }
}
BENCHMARK(cache_insert_with_eviction);

void cache_drop(benchmark::State& state) {
    Cache& cache = *Cache::of(large_zone);
    const std::string dropped = key::manifest("library/alpine", "3.0");
    for (auto _ : state) {
        cache.drop(dropped);
    }
}
BENCHMARK(cache_drop);

// nginx's side

ngx_shm_zone_t* add_zone(ngx_conf_t* cf, std::string_view name,
                         std::size_t size) noexcept {
    ngx_str_t text = loan(name);
    ngx_shm_zone_t* zone =
        ngx_shared_memory_add(cf, &text, size, &bench_micro_nginx_module);
    if (zone != nullptr) {
        zone->init = Cache::init_zone;
    }
    return zone;
}

char* set_bench_micro(ngx_conf_t* cf, ngx_command_t* /*command*/,
                      void* /*conf*/) noexcept {
    static char failed[] = "has no zones";
    static std::vector<std::string> words;
    const auto* given = static_cast<ngx_str_t*>(cf->args->elts);
    for (ngx_uint_t i = 0; i < cf->args->nelts; ++i) {
        words.emplace_back(view(given[i]));
    }
    arguments = &words;
    large_zone = add_zone(cf, "bench_large", 128 << 20);
    small_zone = add_zone(cf, "bench_small", 1 << 20);
    return large_zone != nullptr && small_zone != nullptr ? NGX_CONF_OK
                                                          : failed;
}

ngx_int_t run_benchmarks(ngx_cycle_t* /*cycle*/) noexcept {
    if (arguments == nullptr || ngx_process != NGX_PROCESS_SINGLE) {
        return NGX_OK;
    }
    std::vector<char*> words;
    for (auto& word : *arguments) {
        words.push_back(word.data());
    }
    int count = static_cast<int>(words.size());
    words.push_back(nullptr);
    benchmark::Initialize(&count, words.data());
    int status = 2;
    if (!benchmark::ReportUnrecognizedArguments(count, words.data())) {
        status = benchmark::RunSpecifiedBenchmarks() > 0 ? 0 : 1;
    }
    std::fflush(nullptr);
    ::_exit(status);
}

ngx_command_t commands[] = {
    {ngx_string("bench_micro"), NGX_MAIN_CONF | NGX_DIRECT_CONF | NGX_CONF_ANY,
     set_bench_micro, 0, 0, nullptr},
    ngx_null_command,
};

ngx_core_module_t context = {ngx_string("bench_micro"), nullptr, nullptr};

}  // namespace
}  // namespace longshore

// What nginx looks for in a module's file.
extern "C" {
ngx_module_t bench_micro_nginx_module = {
    NGX_MODULE_V1,
    &longshore::context,
    longshore::commands,
    NGX_CORE_MODULE,
    nullptr,                    // init master
    nullptr,                    // init module
    longshore::run_benchmarks,  // init process
    nullptr,                    // init thread
    nullptr,                    // exit thread
    nullptr,                    // exit process
    nullptr,                    // exit master
    NGX_MODULE_V1_PADDING,
};

extern ngx_module_t* ngx_modules[];
ngx_module_t* ngx_modules[] = {&bench_micro_nginx_module, nullptr};

static char module_name[] = "bench_micro_nginx_module";
extern char* ngx_module_names[];
char* ngx_module_names[] = {module_name, nullptr};

extern char* ngx_module_order[];
char* ngx_module_order[] = {nullptr};
}
