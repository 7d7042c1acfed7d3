#include "load/options.hpp"

#include <getopt.h>
#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

namespace longshore::load {
namespace {

constexpr const char* kUsage =
    "bench_load get  --port P --target /path [--target …] | --targets FILE\n"
    "                [--first N] [--method HEAD] [--header 'Name: value']\n"
    "                [--seconds S]\n"
    "                [--status N] [--length BYTES [--slack BYTES]]\n"
    "                (goes on past S seconds until there were as many answers\n"
    "                as connections; takes the targets in turn from the Nth)\n"
    "bench_load push --port P --repository NAME --body FILE --plan FILE\n"
    "                --style monolithic|single|stream|chunked|dav\n"
    "                [--chunk BYTES] [--hold-back BYTES]\n"
    "                (--hold-back: one line when of each body only so many\n"
    "                bytes are left to send, those when its standard input\n"
    "                ends)\n"
    "bench_load hold --port P --target /path [--rate BYTES] [--status N]\n"
    "                (one answer for each connection, a line, and all stay\n"
    "                open until its standard input ends; --rate: the line\n"
    "                comes when every answer has begun, each connection reads\n"
    "                so many bytes a second, a second line tells how many\n"
    "                answers were still under way at the end)\n"
    "all: [--connections N] [--threads N]; answers on 127.0.0.1 only.\n"
    "A plan has one line '<digest> <prefix>' per blob: the blob is the body\n"
    "file with its first bytes replaced by the prefix.\n";

bool fail(const std::string& what) {
    std::fprintf(stderr, "bench_load: %s\n", what.c_str());
    return false;
}

bool to_number(const char* text, std::int64_t low, std::int64_t high,
               std::int64_t& out) {
    char* end = nullptr;
    errno = 0;
    const long long value = std::strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < low ||
        value > high) {
        return fail(std::string("expected a number from ") +
                    std::to_string(low) + " to " + std::to_string(high) +
                    ", found '" + text + "'");
    }
    out = value;
    return true;
}

bool to_style(const std::string& text, PushStyle& out) {
    if (text == "monolithic") {
        out = PushStyle::kMonolithic;
    } else if (text == "single") {
        out = PushStyle::kSingle;
    } else if (text == "stream") {
        out = PushStyle::kStream;
    } else if (text == "chunked") {
        out = PushStyle::kChunked;
    } else if (text == "dav") {
        out = PushStyle::kDav;
    } else {
        return fail("unknown --style '" + text + "'");
    }
    return true;
}

bool read_plan(const std::string& path, std::vector<Blob>& out) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        Blob blob;
        if (!(words >> blob.digest >> blob.prefix)) {
            return fail("plan " + path + ": a line has not two words");
        }
        out.push_back(std::move(blob));
    }
    if (out.empty()) {
        return fail("plan " + path + ": no blobs");
    }
    return true;
}

bool read_targets(const std::string& path, std::vector<std::string>& out) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        out.push_back(line);
    }
    return !out.empty() || fail("targets " + path + ": none");
}

bool check(Options& options) {
    if (options.port == 0) {
        return fail("--port is missing");
    }
    if (options.rate > 0 && options.mode != Mode::kHold) {
        return fail("--rate is of hold only");
    }
    if (options.hold_back > 0 && options.mode != Mode::kPush) {
        return fail("--hold-back is of push only");
    }
    if (stops_half_way(options) && options.threads > 1) {
        return fail("--rate and --hold-back work with one thread");
    }
    if (options.mode != Mode::kPush) {
        return !options.targets.empty() || fail("--target is missing");
    }
    struct stat facts {};
    if (::stat(options.body_file.c_str(), &facts) != 0) {
        return fail("--body: " + std::string(std::strerror(errno)));
    }
    options.body_bytes = static_cast<std::uint64_t>(facts.st_size);
    if (options.repository.empty()) {
        return fail("--repository is missing");
    }
    if (options.blobs.empty()) {
        return fail("--plan is missing");
    }
    for (const Blob& blob : options.blobs) {
        if (blob.prefix.size() > options.body_bytes ||
            blob.prefix.size() > options.chunk_bytes) {
            return fail("a prefix is longer than the body or a chunk");
        }
    }
    return true;
}

constexpr std::array<option, 20> kNames = {{
    {"port", required_argument, nullptr, 'p'},
    {"connections", required_argument, nullptr, 'c'},
    {"threads", required_argument, nullptr, 't'},
    {"method", required_argument, nullptr, 'm'},
    {"target", required_argument, nullptr, 'u'},
    {"header", required_argument, nullptr, 'H'},
    {"seconds", required_argument, nullptr, 'd'},
    {"status", required_argument, nullptr, 's'},
    {"length", required_argument, nullptr, 'l'},
    {"slack", required_argument, nullptr, 'L'},
    {"style", required_argument, nullptr, 'y'},
    {"repository", required_argument, nullptr, 'r'},
    {"body", required_argument, nullptr, 'b'},
    {"plan", required_argument, nullptr, 'P'},
    {"chunk", required_argument, nullptr, 'k'},
    {"targets", required_argument, nullptr, 'U'},
    {"first", required_argument, nullptr, 'f'},
    {"rate", required_argument, nullptr, 'R'},
    {"hold-back", required_argument, nullptr, 'B'},
    {nullptr, 0, nullptr, 0},
}};
constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();

template <typename T>
bool set_number(const char* text, std::int64_t min, std::int64_t max, T& out) {
    std::int64_t number = 0;
    if (!to_number(text, min, max, number)) {
        return false;
    }
    out = static_cast<T>(number);
    return true;
}

// One option of kNames.
bool set_option(int choice, const char* text, Options& options) {
    switch (choice) {
        case 'p':
            return set_number(text, 1, 65535, options.port);
        case 'c':
            return set_number(text, 1, 100000, options.connections);
        case 't':
            return set_number(text, 1, 256, options.threads);
        case 'm':
            options.method = text;
            return true;
        case 'u':
            options.targets.emplace_back(text);
            return true;
        case 'H':
            options.headers.emplace_back(text);
            return true;
        case 'd':
            options.seconds = std::strtod(text, nullptr);
            return options.seconds > 0 || fail("--seconds must be above 0");
        case 's':
            return set_number(text, 100, 599, options.expect_status);
        case 'l':
            return set_number(text, 0, kAny, options.expect_length);
        case 'L':
            return set_number(text, 0, kAny, options.length_slack);
        case 'y':
            return to_style(text, options.style);
        case 'r':
            options.repository = text;
            return true;
        case 'b':
            options.body_file = text;
            return true;
        case 'P':
            return read_plan(text, options.blobs);
        case 'k':
            return set_number(text, 1, kAny, options.chunk_bytes);
        case 'U':
            return read_targets(text, options.targets);
        case 'f':
            return set_number(text, 0, kAny, options.first);
        case 'R':
            return set_number(text, 1, kAny, options.rate);
        case 'B':
            return set_number(text, 1, kAny, options.hold_back);
        default:
            return false;
    }
}

bool set_mode(const std::string& name, Mode& mode) {
    if (name == "get") {
        mode = Mode::kGet;
    } else if (name == "push") {
        mode = Mode::kPush;
    } else if (name == "hold") {
        mode = Mode::kHold;
    } else {
        return false;
    }
    return true;
}

}  // namespace

bool parse_options(int argc, char** argv, Options& options) {
    if (argc < 2 || !set_mode(argv[1], options.mode)) {
        std::fputs(kUsage, stderr);
        return false;
    }
    optind = 2;
    int choice = 0;
    while ((choice = ::getopt_long(argc, argv, "", kNames.data(), nullptr)) !=
           -1) {
        if (!set_option(choice, optarg, options)) {
            return false;
        }
    }
    return check(options);
}

}  // namespace longshore::load
