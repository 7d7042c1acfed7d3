#include "registry/index_context.hpp"

#include <algorithm>
#include <limits>

#include "archive/compress.hpp"
#include "db/packages.hpp"
#include "registry/index_next.hpp"
#include "registry/package_rows.hpp"
#include "store/package_store.hpp"

namespace longshore {
namespace {

constexpr std::size_t kChunk = std::size_t{256} << 10;
// Below this a packet holds it anyway.
constexpr std::size_t kLeastCompressed = 512;
constexpr auto kLastId = std::numeric_limits<std::int64_t>::max();

std::vector<PackageFile> package_files(std::vector<db::IndexRow> rows) {
    std::vector<PackageFile> files;
    files.reserve(rows.size());
    for (auto& row : rows) {
        files.push_back({std::move(row.file), std::move(row.version),
                         row.package_id, std::move(row.package_name),
                         std::move(row.package_key)});
    }
    return files;
}

}  // namespace

DocumentWriter::DocumentWriter(PackageStore& store,
                               std::unique_ptr<SpoolWriter> file)
    : store_(&store), file_(std::move(file)), hash_(Algorithm::sha256) {}
DocumentWriter::~DocumentWriter() = default;
DocumentWriter::DocumentWriter(DocumentWriter&&) noexcept = default;

Result<void> DocumentWriter::write(std::string_view bytes) {
    hash_.update(bytes);
    size_bytes_ += bytes.size();
    return file_->write(bytes);
}

Result<void> DocumentWriter::copy(const ByteSource& source) {
    return copy(source, 0, source.size());
}

Result<void> DocumentWriter::copy(const ByteSource& source,
                                  std::uint64_t offset, std::uint64_t size) {
    std::string buffer(std::min<std::uint64_t>(kChunk, size), '\0');
    while (size > 0) {
        auto wanted = std::min<std::uint64_t>(size, buffer.size());
        LS_TRY(got, source.read_at(offset, {buffer.data(), wanted}));
        if (got == 0) {
            return Error{Code::corrupt, "a document ended before its end"};
        }
        LS_CHECK(write({buffer.data(), got}));
        offset += got;
        size -= got;
    }
    return {};
}

Result<void> DocumentWriter::copy_hashed(const ByteSource& source,
                                         std::uint64_t offset,
                                         std::uint64_t size,
                                         const HashState& state) {
    LS_CHECK(file_->copy(source, offset, size));
    size_bytes_ += size;
    hash_ = Hash(state);
    return {};
}

IndexContext::IndexContext(const Parts& parts)
    : parts_(parts), next_(std::make_unique<Next>()) {}
IndexContext::~IndexContext() = default;

Result<std::optional<StoredPackage>> IndexContext::package(
    std::string_view key) {
    return rows::whole_package(parts_.transaction, parts_.repository.id, key);
}

Result<std::vector<StoredPackage>> IndexContext::packages(
    std::string_view prefix, std::size_t n, std::string_view last) {
    return db::list_packages(parts_.transaction, parts_.repository.id, prefix,
                             n, last);
}

Result<std::vector<PackageFile>> IndexContext::files(std::size_t n,
                                                     std::int64_t after) {
    LS_TRY(found, db::index_rows(parts_.transaction, parts_.repository.id, n,
                                 after, kLastId));
    return package_files(std::move(found));
}

Result<std::vector<IndexContext::Bucket>> IndexContext::buckets() {
    LS_TRY(found, db::file_buckets(parts_.transaction, parts_.repository.id));
    std::vector<Bucket> buckets;
    buckets.reserve(found.size());
    for (const auto& one : found) {
        buckets.push_back({one.number, one.revision});
    }
    return buckets;
}

Result<std::vector<PackageFile>> IndexContext::files_of(const Bucket& bucket) {
    auto first = bucket.number * db::kBucketFiles;
    LS_TRY(found, db::index_rows(parts_.transaction, parts_.repository.id,
                                 static_cast<std::size_t>(db::kBucketFiles),
                                 first - 1, first + db::kBucketFiles - 1));
    return package_files(std::move(found));
}

Result<std::vector<StoredFile>> IndexContext::files_in(std::string_view prefix,
                                                       std::size_t n,
                                                       std::string_view last) {
    return db::list_files(parts_.transaction, parts_.repository.id, prefix, n,
                          last);
}

Result<std::unique_ptr<ByteSource>> IndexContext::open(const Digest& digest) {
    return parts_.store.open_blob(digest);
}

std::optional<Document> IndexContext::previous(std::string_view path) const {
    for (const auto& row : next_->present) {
        if (row.document.path == path && row.document.encoding.empty()) {
            return row.document;
        }
    }
    return std::nullopt;
}

Result<std::unique_ptr<ByteSource>> IndexContext::open_previous(
    const Document& document) {
    return parts_.store.open_document(document.digest);
}

Result<Document> IndexContext::put(std::string_view path,
                                   std::string_view bytes,
                                   const DocumentOptions& options) {
    LS_TRY(plain, writer());
    LS_CHECK(plain.write(bytes));
    LS_TRY(document, place(path, "", std::move(plain), options));
    if (options.gzip && bytes.size() >= kLeastCompressed) {
        auto packed = compress(Encoding::gzip, bytes);
        LS_TRY(out, writer());
        LS_CHECK(out.write(packed));
        LS_TRY(unused, place(path, "gzip", std::move(out), options));
        static_cast<void>(unused);
    }
    return document;
}

Result<DocumentWriter> IndexContext::writer() {
    LS_TRY(file, parts_.store.create());
    return DocumentWriter(parts_.store, std::move(file));
}

Result<Document> IndexContext::put(std::string_view path,
                                   DocumentWriter document,
                                   const DocumentOptions& options) {
    return place(path, "", std::move(document), options);
}

void IndexContext::put(std::string_view path, const Document& document,
                       const DocumentOptions& options) {
    add(path, document, options);
}

void IndexContext::copy_ahead(const Document& document) {
    next_->ahead.push_back(document);
}

void IndexContext::keep(std::string_view path) {
    next_->kept.emplace(path);
}

Result<Document> IndexContext::place(std::string_view path,
                                     std::string_view encoding,
                                     DocumentWriter document,
                                     const DocumentOptions& options) {
    Document made;
    made.encoding = encoding;
    made.digest = document.hash_.digest();
    made.size_bytes = document.size_bytes_;
    LS_TRY(name, document.file_->finish(false));
    auto adopted = parts_.store.adopt_document(name, made.digest);
    if (!adopted) {
        parts_.store.drop(name);
        return std::move(adopted).error();
    }
    return add(path, std::move(made), options);
}

Document IndexContext::add(std::string_view path, Document document,
                           const DocumentOptions& options) {
    db::DocumentRow row;
    row.document = std::move(document);
    row.document.path = path;
    row.document.media_type = options.media_type;
    row.document.modified_at_ms = parts_.now_ms;
    row.scope = parts_.scope;
    row.variant = parts_.base_url;
    row.grace_ms = options.grace_ms;
    for (const auto& old : next_->present) {
        if (old.document.path != path ||
            old.document.encoding != row.document.encoding) {
            continue;
        }
        // What did not change keeps its date, so clients keep their copy; what
        // did gets another second, which is all that a date can tell.
        auto before = old.document.modified_at_ms;
        bool same = old.document.digest.text() == row.document.digest.text();
        row.document.modified_at_ms =
            same ? before
                 : std::max(parts_.now_ms, before - before % 1000 + 1000);
    }
    next_->put.push_back(row);
    return row.document;
}

}  // namespace longshore
