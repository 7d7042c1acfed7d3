#include "registry/blobs.hpp"

#include <array>
#include <utility>

#include "common/protocol.hpp"
#include "store/package_store.hpp"

namespace longshore {
namespace {

static_assert(static_cast<std::uint8_t>(Extra::md5) == kMd5 &&
              static_cast<std::uint8_t>(Extra::sha1) == kSha1 &&
              static_cast<std::uint8_t>(Extra::sha512) == kSha512 &&
              static_cast<std::uint8_t>(Extra::blake2b_256) == kBlake2b256);

struct Row {
    std::uint8_t bit;
    std::string_view prefix;
    std::string Digests::*member;
};
constexpr std::array kRows = {
    Row{kMd5, "md5:", &Digests::md5},
    Row{kSha1, "sha1:", &Digests::sha1},
    Row{kSha512, "sha512:", &Digests::sha512},
    Row{kBlake2b256, "blake2b-256:", &Digests::blake2b_256},
};

// Bits of `wanted` that are not there yet.
std::uint8_t missing(const Digests& digests, std::uint8_t wanted) noexcept {
    std::uint8_t bits = 0;
    for (const auto& row : kRows) {
        if ((wanted & row.bit) != 0 && (digests.*row.member).empty()) {
            bits = static_cast<std::uint8_t>(bits | row.bit);
        }
    }
    return bits;
}

void add(Digests& digests, std::string_view text) {
    for (const auto& row : kRows) {
        if (text.starts_with(row.prefix)) {
            digests.*row.member = text.substr(row.prefix.size());
        }
    }
}

constexpr std::size_t kChunk = std::size_t{256} << 10;

// Calls `take` with the source's bytes, piece by piece.
template <typename Take>
Result<void> each_chunk(const ByteSource& source, Take take) {
    std::string buffer(kChunk, '\0');
    for (std::uint64_t offset = 0; offset < source.size();) {
        LS_TRY(got, source.read_at(offset, buffer));
        if (got == 0) {
            return Error{Code::corrupt, "a file ended before its end"};
        }
        LS_CHECK(take(std::string_view(buffer.data(), got)));
        offset += got;
    }
    return {};
}

}  // namespace

Digests read_digests(const std::vector<std::string_view>& texts) {
    Digests digests;
    for (auto text : texts) {
        add(digests, text);
    }
    return digests;
}

StagedBlob::StagedBlob(PackageStore& store, std::string name,
                       const Digest& digest, std::uint64_t size_bytes,
                       Digests digests)
    : store_(&store),
      name_(std::move(name)),
      digest_(digest),
      size_bytes_(size_bytes),
      digests_(std::move(digests)) {}

StagedBlob::~StagedBlob() {
    drop();
}

StagedBlob::StagedBlob(StagedBlob&& other) noexcept
    : store_(other.store_),
      name_(std::exchange(other.name_, {})),
      digest_(other.digest_),
      size_bytes_(other.size_bytes_),
      digests_(std::move(other.digests_)),
      held_(std::move(other.held_)) {}

StagedBlob& StagedBlob::operator=(StagedBlob&& other) noexcept {
    if (this != &other) {
        drop();
        store_ = other.store_;
        name_ = std::exchange(other.name_, {});
        digest_ = other.digest_;
        size_bytes_ = other.size_bytes_;
        digests_ = std::move(other.digests_);
        held_ = std::move(other.held_);
    }
    return *this;
}

void StagedBlob::drop() noexcept {
    if (!name_.empty()) {
        store_->drop(name_);
        name_.clear();
    }
}

Result<void> StagedBlob::adopt() {
    if (store_ == nullptr) {
        return {};
    }
    held_ = std::make_shared<DigestLocks::Held>(store_->locks().share(digest_));
    if (name_.empty()) {
        LS_TRY(stored, store_->open_blob(digest_));
        static_cast<void>(stored);
        return {};
    }
    LS_CHECK(store_->adopt_blob(name_, digest_));
    name_.clear();
    return {};
}

Result<std::unique_ptr<ByteSource>> StagedBlob::open() const {
    if (store_ == nullptr) {
        return Error{Code::not_found, "the blob was never filled"};
    }
    return name_.empty() ? store_->open_blob(digest_)
                         : store_->open_spool(name_);
}

BlobWriter::BlobWriter(PackageStore& store, std::unique_ptr<SpoolWriter> file,
                       std::uint8_t extra)
    : store_(&store),
      file_(std::move(file)),
      hash_(Algorithm::sha256),
      extra_(extra) {}

BlobWriter::~BlobWriter() = default;
BlobWriter::BlobWriter(BlobWriter&&) noexcept = default;

Result<void> BlobWriter::write(std::string_view bytes) {
    hash_.update(bytes);
    extra_.update(bytes.data(), bytes.size());
    size_bytes_ += bytes.size();
    return file_->write(bytes);
}

Result<StagedBlob> BlobWriter::finish() {
    Digests digests;
    for (const auto& text : extra_.finish()) {
        add(digests, text);
    }
    LS_TRY(name, file_->finish(true));
    return StagedBlob(*store_, std::move(name), hash_.digest(), size_bytes_,
                      std::move(digests));
}

Result<StagedBlob> Blobs::stage(const Request& request, std::uint8_t extra) {
    if (request.body_kind != BodyKind::spool) {
        return stage(request.body, extra);
    }
    Digest digest;
    if (!Digest::parse(request.body_digest, digest)) {
        return Error{Code::internal, "a spooled body without its digest"};
    }
    StagedBlob blob(store_, std::string(request.upload_id), digest,
                    request.body_size, read_digests(request.body_digests));
    auto bits = missing(blob.digests(), extra);
    if (bits == 0) {
        return blob;
    }
    ExtraHashes hashes(bits);
    LS_TRY(source, blob.open());
    LS_CHECK(each_chunk(*source, [&](std::string_view bytes) -> Result<void> {
        hashes.update(bytes.data(), bytes.size());
        return {};
    }));
    for (const auto& text : hashes.finish()) {
        add(blob.digests_, text);
    }
    return blob;
}

Result<StagedBlob> Blobs::stage(std::string_view bytes, std::uint8_t extra) {
    LS_TRY(out, writer(extra));
    LS_CHECK(out.write(bytes));
    return out.finish();
}

StagedBlob Blobs::existing(const StoredFile& file) {
    return StagedBlob(store_, "", file.digest, file.size_bytes, file.digests);
}

Result<BlobWriter> Blobs::writer(std::uint8_t extra) {
    LS_TRY(file, store_.create());
    return BlobWriter(store_, std::move(file), extra);
}

Result<std::unique_ptr<ByteSource>> Blobs::open(const Request& request) {
    if (request.body_kind == BodyKind::spool) {
        return store_.open_spool(request.upload_id);
    }
    return std::unique_ptr<ByteSource>(
        std::make_unique<MemorySource>(request.body));
}

Result<std::unique_ptr<ByteSource>> Blobs::open(const Digest& digest) {
    return store_.open_blob(digest);
}

Result<std::string> Blobs::read_all(const ByteSource& source,
                                    std::uint64_t max_bytes) {
    if (source.size() > max_bytes) {
        return Error{Code::too_large,
                     "there are " + std::to_string(source.size()) +
                         " bytes, at most " + std::to_string(max_bytes) +
                         " are read"};
    }
    std::string bytes;
    bytes.reserve(static_cast<std::size_t>(source.size()));
    LS_CHECK(each_chunk(source, [&](std::string_view part) -> Result<void> {
        bytes += part;
        return {};
    }));
    return bytes;
}

}  // namespace longshore
