// What a strand (strand.hpp) writes the bytes of a body to. Nothing of nginx
// in here: but for close(), which the event loop may call once nothing is in
// flight, the calls run in a thread of the pool, one at a time, because they
// wait for the disk.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/digest.hpp"

namespace longshore {

enum class SessionResult : std::uint8_t {
    ok,
    unknown,     // there is no such session (any more)
    busy,        // another request writes to it
    committed,   // its bytes are a blob already, committed_digest() says which
    mismatch,    // the bytes do not have the digest named
    no_storage,  // nothing can be stored now: try later
    failed,      // see error_number()
};

/// What is done with the file once every buffer is written.
enum class Finish : std::uint8_t {
    none,
    keep,    // for a later request; where there is none: discard
    revert,  // to what it was before this request
    discard,
    commit,
    confirm,  // of what is committed already
};

class StrandFile {
public:
    StrandFile() = default;
    virtual ~StrandFile() = default;
    StrandFile(const StrandFile&) = delete;
    StrandFile& operator=(const StrandFile&) = delete;

    /// Comes before each append(), works once.
    virtual SessionResult prepare() = 0;

    /// Hashes and writes the next bytes, each once.
    virtual SessionResult append(const void* bytes, std::size_t size) = 0;

    /// Ends it so; `so_far` is `ok` or the step that failed, and then
    /// everything but `confirm` means revert. `digest`: what the bytes must
    /// have, of a commit.
    virtual SessionResult finish(Finish finish, const Digest& digest,
                                 SessionResult so_far) = 0;

    /// Gives up descriptors and locks.
    virtual void close() noexcept = 0;
};

}  // namespace longshore
