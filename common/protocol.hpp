// The seam: what nginx asks and what the daemon decides. Binary, versioned in
// byte 0, drawn in docs/protocol.md. Decoded messages are views into the
// received bytes and live as long as those. Both sides treat a message that
// does not decode as lost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.hpp"

namespace longshore {

inline constexpr std::uint8_t kProtocolVersion = 3;

/// Most headers, keys, drops or lines that one message holds: a larger count
/// is garbage to the reader and must not become an allocation. Who may have
/// more to say sends several messages, or a gap in the numbers.
inline constexpr std::size_t kMaxItems = 4096;

struct HeaderField {
    std::string_view name;
    std::string_view value;
};

enum class QuestionType : std::uint8_t { ask = 1, received = 2, tally = 3 };

/// How the bytes of a body come to the daemon.
enum class BodyKind : std::uint8_t {
    none = 0,
    memory = 1,  // in `body`
    blob = 2,    // already durable in the blob store under `digest`
    spool = 3,   // durable in the spool file named `upload_id`
};

/// nginx → daemon, `ask` and `received`. Received carries the whole Ask
/// again plus the ticket of the Receive decision: the daemon keeps nothing
/// between the two, and another daemon may take the second.
struct Question {
    QuestionType type = QuestionType::ask;
    std::uint64_t id = 0;              // echoed by the Decision
    std::string_view method;           // "GET"
    std::string_view target;           // raw, below the mount, with query
    std::string_view prefix;           // the mount, "" or "/artifacts"
    std::string_view scheme;           // "http" or "https"
    std::string_view host;             // Host header or :authority
    std::string_view peer;             // client address, text
    std::string_view request_id;       // greps in both logs
    std::string_view client_cert;      // SHA-256 fingerprint hex, or empty
    std::vector<HeaderField> headers;  // the chosen ones, see question.cpp
    std::int64_t body_bytes = 0;       // announced; -1: unknown (chunked)
    bool guarded = false;              // `registry_auth on` here

    // received only
    std::string_view ticket;  // opaque bytes of the Receive decision
    BodyKind body_kind = BodyKind::none;
    std::uint64_t size_bytes = 0;  // bytes received
    std::string_view digest;       // text; what nginx computed over the bytes
    std::vector<std::string_view> digests;  // spool: "md5:<hex>" …, as asked
    std::string_view upload_id;  // session that ended with this body, or ""
    std::string_view body;       // memory only
};

/// One line of a Tally: how often nginx answered from its cache since the
/// last Tally, per repository and action. For answers that are `counted`: how
/// often they were sent.
struct TallyLine {
    std::string_view repository;
    std::string_view reference;  // tag or digest that was asked for
    std::uint64_t count = 0;
};

struct Tally {
    std::vector<TallyLine> lines;
};

enum class DecisionType : std::uint8_t {
    serve = 1,
    reply = 2,
    receive = 3,
    redirect = 4,
    deny = 5,
    // 6 is reserved for fetch
    proceed = 7,  // the request may do what its route does
};

/// What a Receive wants done with the body.
enum class ReceiveInto : std::uint8_t {
    memory = 1,  // keep it, send it inline
    upload = 2,  // write it to upload `upload_id` of `repository`, finish it
    spool = 3,   // write it to a file of the spool, with its digests
};

/// Bits of Decision::algorithms, and how Question::digests spells them:
/// "md5:", "sha1:", "sha512:", "blake2b-256:", then lower-case hex.
inline constexpr std::uint8_t kMd5 = 1;
inline constexpr std::uint8_t kSha1 = 2;
inline constexpr std::uint8_t kSha512 = 4;
inline constexpr std::uint8_t kBlake2b256 = 8;

/// Where the file lies that a Serve names by its digest.
enum class Area : std::uint8_t {
    blobs = 0,      // layout::blob_data
    documents = 1,  // layout::document_data
};

/// daemon → nginx. Which members mean something depends on `type`.
struct Decision {
    DecisionType type = DecisionType::reply;
    std::uint64_t id = 0;

    // For the log and the metrics; every decision.
    std::string_view repository;
    std::string_view format;     // "oci"
    std::string_view action;     // "pull" "push" "delete" "admin" or ""
    std::string_view reference;  // tag, digest, package file …
    std::string_view error;      // the format's error code, or ""

    // reply, deny, redirect; serve uses the headers too
    std::uint16_t status = 200;
    std::vector<HeaderField> headers;
    std::string_view body;      // reply, deny
    std::string_view location;  // redirect

    // serve; receive uses digest (the one expected, may be empty)
    std::string_view digest;
    std::string_view media_type;
    std::uint64_t size_bytes = 0;
    Area area = Area::blobs;

    // serve, reply: every sending of this answer is counted in the Tally
    // under `repository` and `reference`
    bool counted = false;

    // receive
    ReceiveInto into = ReceiveInto::memory;
    std::uint64_t max_bytes = 0;
    std::uint8_t algorithms = 0;  // spool: digests besides SHA-256
    std::string_view upload_id;
    std::string_view ticket;

    // cache: 0 means "do not keep". nginx may answer this question again
    // from memory until ttl_ms passed or one of `keys` is dropped.
    std::uint32_t ttl_ms = 0;
    std::vector<std::string_view> keys;

    // grant: 0 means none. For that long nginx may take it for granted that
    // the same credential may do `action` (pull, push, delete) on
    // `repository`, until one of `grant_keys` is dropped. Not of a redirect
    // or deny.
    std::uint32_t grant_ms = 0;
    std::vector<std::string_view> grant_keys;

    // keys that this write made stale: dropped before the answer leaves
    std::vector<std::string_view> drops;
};

/// What PUB carries: `sequence` grows by one per message of one `epoch` (one
/// daemon life). A gap or a new epoch means: forget everything. A message
/// without keys is the heartbeat and repeats the last sequence.
struct Invalidation {
    std::uint64_t epoch = 0;
    std::uint64_t sequence = 0;
    std::vector<std::string_view> keys;
};

/// PUB endpoint that belongs to a ROUTER endpoint.
inline std::string invalidation_endpoint(std::string_view endpoint) {
    return std::string(endpoint) + ".pub";
}

std::string encode(const Question& question);
std::string encode(const Tally& tally);
std::string encode(const Decision& decision);
std::string encode(const Invalidation& invalidation);

/// Type of a message to the daemon, nullopt for another version or type.
std::optional<QuestionType> question_type(std::string_view message) noexcept;

std::optional<Question> decode_question(std::string_view message);
std::optional<Tally> decode_tally(std::string_view message);
std::optional<Decision> decode_decision(std::string_view message);
std::optional<Invalidation> decode_invalidation(std::string_view message);

/// A key names something whose change makes cached answers or grants stale;
/// "," cannot occur in a name or a reference.
namespace key {
/// as a drop: every cached answer; for a write that made more keys stale than
/// a message holds
inline constexpr std::string_view kEverything = "*";
/// a tag or digest of a repository: manifest answers depend on it
inline std::string manifest(std::string_view name, std::string_view reference) {
    return "m," + std::string(name) + "," + std::string(reference);
}
/// the set of blobs linked into a repository got smaller
inline std::string blobs(std::string_view name) {
    return "b," + std::string(name);
}
/// bytes of the store were found damaged and taken away: no file that was
/// opened before is to be sent again
inline constexpr std::string_view kStored = "s";
/// what a repository says about one package
inline std::string package(std::string_view repository, std::string_view name) {
    return "n," + std::string(repository) + "," + std::string(name);
}
/// what a repository says about itself and all its packages
inline std::string repository(std::string_view name) {
    return "r," + std::string(name);
}
/// any change of permissions, groups or visibility: every grant depends on it
inline constexpr std::string_view kPolicy = "p";
/// this principal's credentials or state, by its number
inline std::string principal(std::int64_t id) {
    return "p," + std::to_string(id);
}
}  // namespace key

}  // namespace longshore
