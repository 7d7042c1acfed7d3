// PackageStore: files on their way into a repository, and documents made from
// packages. A file begins in the spool, under a name that nginx or this class
// chose, and becomes a blob or a document by one rename; until then nobody
// sees it. Thread-safe.
// @errors of all functions here: unavailable, internal; others where said.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/byte_source.hpp"
#include "common/digest.hpp"
#include "common/result.hpp"
#include "store/digest_locks.hpp"

namespace longshore {

/// A file of the spool that is being written. Used by one thread at a time;
/// removed with its writer unless finish() was called.
class SpoolWriter {
public:
    virtual ~SpoolWriter() = default;

    virtual Result<void> write(std::string_view bytes) = 0;
    /// Appends `size` bytes of it; between two files without a way through
    /// memory. @errors corrupt (it has less)
    virtual Result<void> copy(const ByteSource& source, std::uint64_t offset,
                              std::uint64_t size) = 0;
    /// No more bytes. `durable`: they are on disk when the call returns.
    /// Returns the file's name in the spool.
    virtual Result<std::string> finish(bool durable) = 0;
};

class PackageStore {
public:
    explicit PackageStore(std::shared_ptr<DigestLocks> locks)
        : locks_(std::move(locks)) {}
    virtual ~PackageStore() = default;

    /// Shared with the BlobStore of the same root.
    DigestLocks& locks() noexcept { return *locks_; }

    virtual Result<std::unique_ptr<SpoolWriter>> create() = 0;

    /// Any thread may read what these return. @errors not_found
    virtual Result<std::unique_ptr<ByteSource>> open_spool(
        std::string_view name) = 0;
    virtual Result<std::unique_ptr<ByteSource>> open_blob(
        const Digest& digest) = 0;
    virtual Result<std::unique_ptr<ByteSource>> open_document(
        const Digest& digest) = 0;

    /// Makes the spool's file, whose bytes are durable and have the digest,
    /// the blob of that name; durable when the call returns.
    /// @errors not_found: no such file in the spool
    virtual Result<void> adopt_blob(std::string_view name,
                                    const Digest& digest) = 0;

    /// The same for a document; not durable before sync().
    virtual Result<void> adopt_document(std::string_view name,
                                        const Digest& digest) = 0;

    /// Removes a document's file; no error if there is none.
    virtual Result<void> remove_document(const Digest& digest) = 0;

    /// A writer will soon begin with the first bytes of this document: copies
    /// it ahead, in a thread, so that SpoolWriter::copy() need not. One copy
    /// for an owner, the latest; none if there is no room.
    virtual void copy_ahead(std::string_view owner, const Digest& document) = 0;

    /// Removes a file of the spool, if it is there.
    virtual void drop(std::string_view name) noexcept = 0;

    /// Makes everything written so far durable (syncfs).
    virtual Result<void> sync() = 0;

private:
    std::shared_ptr<DigestLocks> locks_;
};

/// On a local file system, the same root as the blob store's, whose locks it
/// is given. @errors unavailable, not_found
Result<std::unique_ptr<PackageStore>> open_package_store(
    const std::string& root, std::shared_ptr<DigestLocks> locks);

}  // namespace longshore
