// What one run of the load generator is asked to do, read from the command
// line. Immutable once parsed, shared by all threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longshore::load {

enum class Mode { kGet, kPush, kHold };

/// How a blob travels: `kMonolithic` POST then PUT with the body, `kSingle`
/// one POST with the digest, `kStream` POST, one PATCH, PUT, `kChunked` the
/// same in PATCHes of `chunk_bytes`, `kDav` one PUT to a path.
enum class PushStyle { kMonolithic, kSingle, kStream, kChunked, kDav };

/// One blob to push: the body file with its first bytes replaced by `prefix`.
struct Blob {
    std::string digest;
    std::string prefix;
};

struct Options {
    Mode mode = Mode::kGet;
    std::uint16_t port = 0;
    int connections = 64;
    int threads = 1;

    // get and hold; connections take the targets in turn, from `first` on, so
    // that no two ask for the same one before the list is used up.
    std::string method = "GET";
    std::vector<std::string> targets;
    std::uint64_t first = 0;
    std::vector<std::string> headers;
    double seconds = 1.0;
    int expect_status = 200;
    // Body bytes (of HEAD: Content-Length) every answer must have; -1 is any.
    std::int64_t expect_length = -1;
    // By how many bytes it may be longer or shorter: the boundary of a
    // multipart answer may have another length each time.
    std::int64_t length_slack = 0;
    // hold: body bytes that each connection reads per second; 0 is at once.
    std::uint64_t rate = 0;

    // push
    PushStyle style = PushStyle::kMonolithic;
    std::string repository;
    std::string body_file;
    std::uint64_t body_bytes = 0;
    std::uint64_t chunk_bytes = 5U << 20U;
    std::vector<Blob> blobs;
    // The last bytes of every body wait until standard input ends; 0 is none.
    std::uint64_t hold_back = 0;
};

/// True where a run stops half-way, says so and waits for standard input.
inline bool stops_half_way(const Options& options) {
    return options.rate > 0 || options.hold_back > 0;
}

/// Reads argv; on a mistake writes one line to stderr and returns false.
bool parse_options(int argc, char** argv, Options& options);

}  // namespace longshore::load
