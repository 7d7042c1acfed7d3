// Blobs of packages: what a handler works with instead of files. A StagedBlob
// lies in the spool, seen by nobody, until the Publisher makes it a blob in
// the write that names it; one that is dropped before leaves nothing. The
// body of a request is read through a ByteSource, whether nginx kept it in
// memory or in the spool.
// @errors of all functions here: unavailable, internal; others where said.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/byte_source.hpp"
#include "common/extra_hashes.hpp"
#include "common/hash.hpp"
#include "common/result.hpp"
#include "http/request.hpp"
#include "model/package.hpp"

namespace longshore {

class PackageStore;
class SpoolWriter;

/// A file of the spool with its digests. Moves; used by one thread.
class StagedBlob {
public:
    StagedBlob() = default;
    StagedBlob(PackageStore& store, std::string name, const Digest& digest,
               std::uint64_t size_bytes, Digests digests);
    ~StagedBlob();
    StagedBlob(StagedBlob&& other) noexcept;
    StagedBlob& operator=(StagedBlob&& other) noexcept;

    const Digest& digest() const noexcept { return digest_; }
    std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    const Digests& digests() const noexcept { return digests_; }

    /// Makes it a blob, durable when the call returns; until this object is
    /// gone the garbage collector keeps away from it. For the Publisher.
    /// @errors not_found: one that was stored already is gone since
    Result<void> adopt();

    /// Its bytes, also after adopt(). @errors not_found: it was never filled
    Result<std::unique_ptr<ByteSource>> open() const;

private:
    friend class Blobs;
    void drop() noexcept;

    PackageStore* store_ = nullptr;
    std::string name_;  // empty: adopted, or never there
    Digest digest_;
    std::uint64_t size_bytes_ = 0;
    Digests digests_;
    std::shared_ptr<void> held_;  // from the collector
};

/// Writes a StagedBlob piece by piece, hashing on the way.
class BlobWriter {
public:
    BlobWriter(PackageStore& store, std::unique_ptr<SpoolWriter> file,
               std::uint8_t extra);
    ~BlobWriter();
    BlobWriter(BlobWriter&&) noexcept;

    Result<void> write(std::string_view bytes);
    std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    /// No more bytes; they are durable when the call returns.
    Result<StagedBlob> finish();

private:
    PackageStore* store_;
    std::unique_ptr<SpoolWriter> file_;
    Hash hash_;
    ExtraHashes extra_;
    std::uint64_t size_bytes_ = 0;
};

class Blobs {
public:
    explicit Blobs(PackageStore& store) : store_(store) {}

    /// The request's body as it is. Digests that nginx was not asked for, and
    /// which `extra` (bits of Extra) wants, are made now. A body that was
    /// staged is gone from the request.
    Result<StagedBlob> stage(const Request& request, std::uint8_t extra = 0);

    /// Bytes that a handler made.
    Result<StagedBlob> stage(std::string_view bytes, std::uint8_t extra = 0);

    /// The blob of a file that is stored already, to be published at another
    /// path too.
    StagedBlob existing(const StoredFile& file);

    Result<BlobWriter> writer(std::uint8_t extra = 0);

    /// The request's body; lives as long as the request.
    Result<std::unique_ptr<ByteSource>> open(const Request& request);

    /// A blob of the store. @errors not_found
    Result<std::unique_ptr<ByteSource>> open(const Digest& digest);

    /// All of a source that is at most `max_bytes` long. @errors too_large
    static Result<std::string> read_all(const ByteSource& source,
                                        std::uint64_t max_bytes);

private:
    PackageStore& store_;
};

/// "md5:<hex>" … of the seam as Digests; what is not known is left out.
Digests read_digests(const std::vector<std::string_view>& texts);

}  // namespace longshore
