// IndexContext: what Format::reindex() sees. Reads come from one snapshot of
// the database; what it puts becomes visible in one step after it returned.
// Used by one thread.
// @errors of all functions here: unavailable, corrupt, internal; others where
// said.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/byte_source.hpp"
#include "common/hash.hpp"
#include "common/result.hpp"
#include "model/package.hpp"

namespace longshore {

class PackageStore;
class Signer;
class SpoolWriter;
class Transaction;

/// A file with what it belongs to.
struct PackageFile {
    StoredFile file;
    StoredVersion version;  // without files
    std::int64_t package_id = 0;
    std::string package_name;
    std::string package_key;
};

struct DocumentOptions {
    std::string_view media_type = "application/octet-stream";
    /// Also as gzip, for whoever accepts Content-Encoding: gzip.
    bool gzip = false;
    /// After a generation without it, it is still served for so long.
    std::int64_t grace_ms = 0;
};

/// A document that is written piece by piece; put() takes it.
class DocumentWriter {
public:
    DocumentWriter(PackageStore& store, std::unique_ptr<SpoolWriter> file);
    ~DocumentWriter();
    DocumentWriter(DocumentWriter&&) noexcept;

    Result<void> write(std::string_view bytes);
    /// All of a source, or a part of it, hashed on the way.
    Result<void> copy(const ByteSource& source);
    Result<void> copy(const ByteSource& source, std::uint64_t offset,
                      std::uint64_t size);
    /// A part of a source whose bytes were hashed before: `state` is SHA-256
    /// of everything up to its end, this document's beginning included.
    Result<void> copy_hashed(const ByteSource& source, std::uint64_t offset,
                             std::uint64_t size, const HashState& state);

    std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    /// SHA-256 of what was written so far, to go on from.
    HashState state() const noexcept { return hash_.state(); }

private:
    friend class IndexContext;
    PackageStore* store_;
    std::unique_ptr<SpoolWriter> file_;
    Hash hash_;
    std::uint64_t size_bytes_ = 0;
};

class IndexContext {
public:
    struct Parts {
        Transaction& transaction;
        PackageStore& store;
        const Repository& repository;
        std::string_view scope;
        std::string_view base_url;  // "" where the format has no links
        std::int64_t now_ms = 0;
        Signer* signing = nullptr;
    };
    explicit IndexContext(const Parts& parts);
    ~IndexContext();

    const Repository& repository() const noexcept { return parts_.repository; }
    std::string_view base_url() const noexcept { return parts_.base_url; }
    std::int64_t now_ms() const noexcept { return parts_.now_ms; }
    Signer* signing() const noexcept { return parts_.signing; }

    // Reads.

    /// With versions, files and tags.
    Result<std::optional<StoredPackage>> package(std::string_view key);
    /// Packages alone, after the key `last`.
    Result<std::vector<StoredPackage>> packages(std::string_view prefix,
                                                std::size_t n,
                                                std::string_view last);
    /// Files of packages with ids above `after`, in order of id: that of their
    /// publishing.
    Result<std::vector<PackageFile>> files(std::size_t n, std::int64_t after);
    /// The same by buckets of ids, each with a number that grows when one of
    /// its files is added, changed or removed; in order.
    struct Bucket {
        std::int64_t number = 0;
        std::int64_t revision = 0;
    };
    Result<std::vector<Bucket>> buckets();
    Result<std::vector<PackageFile>> files_of(const Bucket& bucket);
    /// Files by path, also loose ones.
    Result<std::vector<StoredFile>> files_in(std::string_view prefix,
                                             std::size_t n,
                                             std::string_view last);
    /// Bytes of a stored file. @errors not_found
    Result<std::unique_ptr<ByteSource>> open(const Digest& digest);

    // The present generation.

    /// Identity encoding. nullopt: there is none.
    std::optional<Document> previous(std::string_view path) const;
    Result<std::unique_ptr<ByteSource>> open_previous(const Document& document);

    // The next one.

    Result<Document> put(std::string_view path, std::string_view bytes,
                         const DocumentOptions& options = {});
    Result<DocumentWriter> writer();
    Result<Document> put(std::string_view path, DocumentWriter document,
                         const DocumentOptions& options = {});
    /// A document of this generation at another path too; its bytes are
    /// there once.
    void put(std::string_view path, const Document& document,
             const DocumentOptions& options = {});
    /// The generation after the next one will begin with a copy of most of
    /// this document, which was put: it may be made ahead.
    void copy_ahead(const Document& document);
    /// The document stays as it is, with its encodings.
    void keep(std::string_view path);

    /// What was put and kept, for the one that commits it.
    struct Next;
    Next& next() noexcept { return *next_; }

private:
    Result<Document> place(std::string_view path, std::string_view encoding,
                           DocumentWriter document,
                           const DocumentOptions& options);
    Document add(std::string_view path, Document document,
                 const DocumentOptions& options);

    Parts parts_;
    std::unique_ptr<Next> next_;
};

}  // namespace longshore
