#include "archive/reader.hpp"

#include <array>
#include <random>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "archive/budget.hpp"
#include "archive/decoder.hpp"
#include "archive/entry_name.hpp"
#include "archive/feed.hpp"
#include "archive/header_check.hpp"
#include "archive/raw_archive.hpp"
#include "archive/stream.hpp"
#include "archive/tar_check.hpp"
#include "archive/zip_check.hpp"
#include "common/siphash.hpp"

namespace longshore {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kHeadBytes = 512;

Error bad(std::string how) {
    return {Code::invalid_argument, std::move(how)};
}

/// A stream whose begin was read to see what it is.
class HeadedStream final : public ByteStream {
public:
    HeadedStream(std::string head, std::unique_ptr<ByteStream> rest)
        : head_(std::move(head)), rest_(std::move(rest)) {}

    Result<std::size_t> read(std::span<char> into) override {
        if (at_ == head_.size()) {
            return rest_->read(into);
        }
        auto size = head_.copy(into.data(), into.size(), at_);
        at_ += size;
        return size;
    }

    std::uint64_t skip(std::uint64_t bytes) override {
        return at_ == head_.size() ? rest_->skip(bytes) : 0;
    }

private:
    std::string head_;
    std::size_t at_ = 0;
    std::unique_ptr<ByteStream> rest_;
};

bool is_zip(std::string_view head) {
    return head.starts_with("PK\x03\x04"sv) || head.starts_with("PK\x05\x06"sv);
}

Kind container_of(std::string_view head) {
    if (head.starts_with("!<arch>\n"sv)) {
        return Kind::ar;
    }
    return Kind::tar;
}

/// lzma has no magic number: properties, a dictionary of whole 64 KiB.
bool may_be_lzma(std::string_view head) {
    return head.starts_with("\x5d\0\0"sv) && head.size() > 13 &&
           (head.size() < kHeadBytes || head.substr(257, 5) != "ustar"sv);
}

Error not_allowed(Kind kind) {
    return bad("archive is " + std::string(kind_name(kind)) +
               ", which is not accepted here");
}

/// Names seen so far, by a hash that nobody can aim at.
class Names {
public:
    Names() {
        std::random_device random;
        for (auto& byte : key_) {
            byte = static_cast<std::uint8_t>(random());
        }
    }

    /// False if it was there; two folders are the same folder.
    bool add(const std::string& path, bool folder) {
        SipHash hash(key_);
        hash.update(path);
        auto name = hash.finish()[0];
        if (folder) {
            folders_.insert(name);
            return files_.count(name) == 0;
        }
        return folders_.count(name) == 0 && files_.insert(name).second;
    }

private:
    SipHash::Key key_{};
    std::unordered_set<std::uint64_t> files_;
    std::unordered_set<std::uint64_t> folders_;
};

}  // namespace

class ArchiveReader::Impl {
public:
    /// `outer` is the reader around this one, if there is one.
    Impl(const ArchiveLimits& limits, std::shared_ptr<ArchiveBudget> budget,
         std::shared_ptr<Impl> outer)
        : limits_(limits),
          budget_(std::move(budget)),
          outer_(std::move(outer)),
          outer_number_(outer_ ? outer_->number_ : 0),
          depth_(outer_ ? outer_->depth_ + 1 : 0) {}

    Result<void> open_zip(const ByteSource& source);
    Result<void> open_stream(std::unique_ptr<ByteStream> stream, Kinds allowed);
    Result<bool> next(ArchiveEntry& entry);
    Result<std::string> read_entry(std::uint64_t max_bytes);
    Result<void> read_entry(const ByteSink& sink);

    /// The entry's next bytes; none at its end.
    Result<std::string_view> data();

    /// Remembers an error for ever.
    template <typename T>
    Result<T> keep(Result<T> result) {
        if (!result && !failed_) {
            failed_ = result.error();
        }
        return result;
    }

    const ArchiveLimits& limits() const { return limits_; }
    const std::shared_ptr<ArchiveBudget>& budget() const { return budget_; }
    unsigned depth() const { return depth_; }
    bool in_entry() const { return in_entry_; }

private:
    Result<void> usable() const;
    Result<bool> advance(ArchiveEntry& entry);
    Result<bool> step(ArchiveEntry& entry);
    Result<void> check_ahead(std::uint64_t begin);
    Result<void> check_end(std::uint64_t begin);
    Result<void> name_of_zip(ArchiveEntry& entry);
    Result<bool> accept(ArchiveEntry& entry);
    Result<void> check_names(ArchiveEntry& entry) const;

    ArchiveLimits limits_;
    std::shared_ptr<ArchiveBudget> budget_;
    std::shared_ptr<Impl> outer_;
    std::uint64_t outer_number_;
    unsigned depth_;
    Kind container_ = Kind::tar;
    std::unique_ptr<Feed> feed_;
    const ByteSource* zip_ = nullptr;
    std::vector<ZipRecord> zip_entries_;
    std::unique_ptr<RawArchive> raw_;  // after what it reads from
    Names names_;
    std::optional<Error> failed_;
    std::uint64_t number_ = 0;  // of headers read
    std::optional<std::uint64_t> size_;
    std::uint64_t data_read_ = 0;
    bool in_entry_ = false;  // there may be data left
    bool ended_ = false;
};

Result<void> ArchiveReader::Impl::open_zip(const ByteSource& source) {
    container_ = Kind::zip;
    zip_ = &source;
    LS_TRY(entries, check_zip(source, limits_, *budget_));
    zip_entries_ = std::move(entries);
    if (zip_entries_.empty()) {
        ended_ = true;
        return {};
    }
    LS_TRY(raw, RawArchive::open_zip(source, *budget_));
    raw_ = std::move(raw);
    return {};
}

Result<void> ArchiveReader::Impl::open_stream(
    std::unique_ptr<ByteStream> stream, Kinds allowed) {
    std::string head(kHeadBytes, '\0');
    LS_TRY(size, read_full(*stream, head));
    head.resize(size);
    if (head.empty()) {
        return bad("archive is empty");
    }
    auto compression = compression_of(head);
    if (compression == Kind::plain && allowed.has(Kind::lzma) &&
        may_be_lzma(head)) {
        compression = Kind::lzma;
    }
    stream = std::make_unique<HeadedStream>(std::move(head), std::move(stream));
    if (!allowed.has(compression)) {
        return not_allowed(compression);
    }
    if (compression != Kind::plain) {
        stream =
            std::make_unique<Decoder>(std::move(stream), compression,
                                      limits_.max_decoder_bytes, budget_.get());
    }
    feed_ = std::make_unique<Feed>(std::move(stream));
    LS_TRY(begin, feed_->peek());
    if (begin.empty()) {
        return bad("archive is empty");
    }
    container_ = container_of(begin);
    if (is_zip(begin) || !allowed.has(container_)) {
        return not_allowed(is_zip(begin) ? Kind::zip : container_);
    }
    feed_->begin_header(0, limits_.max_header_bytes);
    LS_TRY(raw, RawArchive::open(*feed_, container_));
    raw_ = std::move(raw);
    return {};
}

/// No error so far, and the readers around this one stand where they stood.
Result<void> ArchiveReader::Impl::usable() const {
    if (failed_) {
        return *failed_;
    }
    for (const auto* inner = this; inner->outer_; inner = inner->outer_.get()) {
        if (inner->outer_->number_ != inner->outer_number_) {
            return bad("the archive around this one was read on");
        }
    }
    return {};
}

Result<bool> ArchiveReader::Impl::next(ArchiveEntry& entry) {
    LS_CHECK(usable());
    if (ended_) {
        return false;
    }
    ArchiveBudget::Running running(*budget_);
    return keep(advance(entry));
}

/// To the next entry that is shown.
Result<bool> ArchiveReader::Impl::advance(ArchiveEntry& entry) {
    for (;;) {
        LS_TRY(more, step(entry));
        in_entry_ = more;
        ended_ = !more;
        if (!more) {
            return false;
        }
        LS_CHECK(budget_->entry());
        LS_CHECK(budget_->time());
        LS_TRY(shown, accept(entry));
        if (shown) {
            return true;
        }
    }
}

/// What must not even be given to libarchive.
Result<void> ArchiveReader::Impl::check_ahead(std::uint64_t begin) {
    if (container_ == Kind::ar) {
        auto offset = begin == 0 ? kArMagicBytes : begin;
        LS_TRY(header, feed_->at(offset, kArHeaderBytes));
        return check_ar(header, limits_);
    }
    return {};
}

/// One header.
Result<bool> ArchiveReader::Impl::step(ArchiveEntry& entry) {
    if (in_entry_) {
        LS_CHECK(raw_->skip_data());
    }
    auto begin = raw_->position();
    LS_CHECK(check_ahead(begin));
    if (feed_ && number_ > 0) {
        feed_->begin_header(begin, limits_.max_header_bytes);
    }
    ++number_;
    data_read_ = 0;
    LS_TRY(more, raw_->next(entry));
    std::string_view header;
    if (feed_) {
        header = feed_->end_header(raw_->position());
    }
    if (!more) {
        LS_CHECK(check_end(begin));
        return false;
    }
    if (container_ == Kind::tar) {
        LS_CHECK(check_tar(header));
    } else if (container_ == Kind::zip) {
        LS_CHECK(name_of_zip(entry));
    }
    size_ = entry.size;
    return true;
}

/// The archive ended where its format says, and nothing follows but padding.
/// What follows would be read by some readers and not by others; a tar that
/// just stops may have lost entries.
Result<void> ArchiveReader::Impl::check_end(std::uint64_t begin) {
    if (container_ == Kind::zip) {
        if (number_ != zip_entries_.size() + 1) {
            return bad("zip has entries that are not in its directory");
        }
        return {};
    }
    auto end = raw_->position();
    if (container_ == Kind::tar && end - begin < 1024) {
        return bad("archive is cut short: no end of a tar");
    }
    LS_TRY(alone, container_ == Kind::ar ? feed_->ends_at(end)
                                         : feed_->only_zeros_from(end));
    if (!alone) {
        return bad("archive is followed by other data");
    }
    return {};
}

/// The name as it is in the zip, which libarchive must have seen as well.
Result<void> ArchiveReader::Impl::name_of_zip(ArchiveEntry& entry) {
    if (number_ > zip_entries_.size()) {
        return bad("zip has entries that are not in its directory");
    }
    const auto& record = zip_entries_[static_cast<std::size_t>(number_ - 1)];
    LS_TRY(name, zip_name(*zip_, record.offset));
    bool ascii = true;
    for (char c : name) {
        ascii = ascii && c > 0 && c != '\\';
    }
    // libarchive adds the "/" of a folder where it is missing.
    auto seen = std::string_view(entry.path);
    if (entry.type == EntryType::folder && !name.ends_with('/') &&
        seen.ends_with('/')) {
        seen.remove_suffix(1);
    }
    if (ascii && seen != name) {
        return bad("zip has an entry with two names");
    }
    entry.path = std::move(name);
    if (entry.type == EntryType::file) {
        entry.size = record.size;
    }
    return {};
}

Result<void> ArchiveReader::Impl::check_names(ArchiveEntry& entry) const {
    LS_TRY(path, entry_name(entry.path, limits_));
    entry.path = std::move(path);
    if (entry.type == EntryType::hardlink) {
        LS_TRY(target, entry_name(entry.target, limits_));
        entry.target = std::move(target);
    }
    if (entry.type == EntryType::symlink) {
        LS_CHECK(link_text(entry.target, limits_));
    }
    return {};
}

/// Whether the entry is shown; its names are in their one spelling then.
Result<bool> ArchiveReader::Impl::accept(ArchiveEntry& entry) {
    if (auto named = check_names(entry); !named) {
        if (limits_.bad_names == BadNames::skip &&
            named.error().code == Code::invalid_argument) {
            return false;
        }
        return std::move(named).error();
    }
    if (entry.type == EntryType::symlink &&
        limits_.far_links == FarLinks::refuse &&
        leads_out(entry.path, entry.target)) {
        return bad("archive has a link that leads out of it");
    }
    if (entry.path.empty()) {
        return false;
    }
    if (limits_.duplicates == Duplicates::refuse &&
        !names_.add(entry.path, entry.type == EntryType::folder)) {
        return bad("archive has two entries of one name");
    }
    return true;
}

Result<std::string_view> ArchiveReader::Impl::data() {
    LS_CHECK(usable());
    ArchiveBudget::Running running(*budget_);
    while (in_entry_) {
        LS_TRY(piece, keep(raw_->data()));
        LS_CHECK(keep(budget_->time()));
        if (!piece) {
            in_entry_ = false;
            if (size_ && *size_ != data_read_) {
                return keep(Result<std::string_view>(
                    bad("archive entry is not of the size it says")));
            }
            break;
        }
        data_read_ += piece->size();
        if (size_ && data_read_ > *size_) {
            return keep(Result<std::string_view>(
                bad("archive entry is not of the size it says")));
        }
        if (container_ == Kind::zip) {
            LS_CHECK(keep(budget_->decompressed(piece->size())));
        }
        if (!piece->empty()) {
            return *piece;
        }
    }
    return std::string_view();
}

Result<void> ArchiveReader::Impl::read_entry(const ByteSink& sink) {
    for (;;) {
        LS_TRY(piece, data());
        if (piece.empty()) {
            return {};
        }
        LS_CHECK(sink(piece));
    }
}

Result<std::string> ArchiveReader::Impl::read_entry(std::uint64_t max_bytes) {
    auto room = std::min(max_bytes, limits_.max_memory_bytes);
    Error too_large{Code::too_large, "archive entry is larger than " +
                                         std::to_string(room) + " bytes"};
    std::string out;
    if (in_entry_ && size_) {
        if (*size_ > room) {
            return too_large;
        }
        out.reserve(static_cast<std::size_t>(*size_));
    }
    LS_CHECK(read_entry([&](std::string_view piece) -> Result<void> {
        if (piece.size() > room - out.size()) {
            return too_large;
        }
        out += piece;
        return {};
    }));
    return out;
}

/// The data of an entry, for a reader within the reader.
class ArchiveReader::EntryStream final : public ByteStream {
public:
    explicit EntryStream(std::shared_ptr<Impl> outer)
        : outer_(std::move(outer)) {}

    Result<std::size_t> read(std::span<char> into) override {
        if (piece_.empty()) {
            LS_TRY(piece, outer_->data());
            piece_ = piece;
        }
        auto size = piece_.copy(into.data(), into.size());
        piece_.remove_prefix(size);
        return size;
    }

    std::uint64_t skip(std::uint64_t /*bytes*/) override { return 0; }

private:
    std::shared_ptr<Impl> outer_;
    std::string_view piece_;
};

ArchiveReader::ArchiveReader(std::shared_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

Result<ArchiveReader> ArchiveReader::open(const ByteSource& source,
                                          Kinds allowed,
                                          const ArchiveLimits& limits) {
    auto budget = std::make_shared<ArchiveBudget>(limits, source.size());
    ArchiveBudget::Running running(*budget);
    auto impl = std::make_shared<Impl>(limits, budget, nullptr);
    std::array<char, 4> magic{};
    LS_TRY(size, source.read_at(0, magic));
    if (is_zip({magic.data(), size})) {
        if (!allowed.has(Kind::zip)) {
            return not_allowed(Kind::zip);
        }
        LS_CHECK(impl->open_zip(source));
    } else {
        LS_CHECK(impl->open_stream(
            std::make_unique<SourceStream>(source, budget.get()), allowed));
    }
    return ArchiveReader(std::move(impl));
}

Result<bool> ArchiveReader::next(ArchiveEntry& entry) {
    return impl_->next(entry);
}

Result<std::string> ArchiveReader::read_entry(std::uint64_t max_bytes) {
    return impl_->read_entry(max_bytes);
}

Result<void> ArchiveReader::read_entry(const ByteSink& sink) {
    return impl_->read_entry(sink);
}

Result<ArchiveReader> ArchiveReader::open_nested(Kinds allowed) {
    if (impl_->depth() >= impl_->limits().max_nesting) {
        return Error{Code::too_large,
                     "archive has archives within it deeper than " +
                         std::to_string(impl_->limits().max_nesting)};
    }
    if (!impl_->in_entry()) {
        return bad("archive entry was read already");
    }
    ArchiveBudget::Running running(*impl_->budget());
    auto inner =
        std::make_shared<Impl>(impl_->limits(), impl_->budget(), impl_);
    LS_CHECK(inner->open_stream(std::make_unique<EntryStream>(impl_), allowed));
    return ArchiveReader(std::move(inner));
}

Result<std::optional<std::string>> find_entry(
    const ByteSource& source, Kinds allowed,
    const std::function<bool(const ArchiveEntry&)>& wanted,
    std::uint64_t max_bytes, const ArchiveLimits& limits) {
    LS_TRY(reader, ArchiveReader::open(source, allowed, limits));
    std::optional<std::string> found;
    ArchiveEntry entry;
    for (;;) {
        LS_TRY(more, reader.next(entry));
        if (!more) {
            return found;
        }
        if (entry.type != EntryType::file || !wanted(entry)) {
            continue;
        }
        if (found) {
            return bad("archive has two entries where one is wanted");
        }
        LS_TRY(contents, reader.read_entry(max_bytes));
        found = std::move(contents);
    }
}

}  // namespace longshore
