#include "archive/zip_check.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "common/bytes.hpp"

namespace longshore {
namespace {

constexpr std::string_view kHeaderMark = "PK\x03\x04";
constexpr std::string_view kRecordMark = "PK\x01\x02";
constexpr std::string_view kEndMark = "PK\x05\x06";
constexpr std::string_view kEnd64Mark = "PK\x06\x06";
constexpr std::string_view kLocatorMark = "PK\x06\x07";
constexpr std::string_view kDescriptorMark = "PK\x07\x08";
constexpr std::size_t kHeaderBytes = 30;
constexpr std::size_t kRecordBytes = 46;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocatorBytes = 20;
constexpr std::size_t kMaxCommentBytes = 0xffff;
constexpr std::uint64_t kNone32 = 0xffffffff;

// General purpose flags, APPNOTE 4.4.4.
constexpr unsigned kEncrypted = 1U << 0 | 1U << 6 | 1U << 13;
constexpr unsigned kSizesFollow = 1U << 3;
constexpr unsigned kUtf8 = 1U << 11;

constexpr unsigned kStored = 0;
constexpr unsigned kDeflated = 8;

Error bad(const std::string& how) {
    return {Code::invalid_argument, "zip " + how};
}

Result<void> fetch(const ByteSource& source, std::uint64_t offset,
                   std::span<char> into) {
    LS_TRY(got, source.read_at(offset, into));
    if (got != into.size()) {
        return bad("is cut short");
    }
    return {};
}

template <std::size_t Size>
std::string_view text(const std::array<char, Size>& bytes) {
    return {bytes.data(), Size};
}

/// What a header and a directory record say of one entry.
struct Facts {
    unsigned flags = 0;
    unsigned method = 0;
    std::uint64_t crc = 0;
    std::uint64_t packed = 0;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;  // of the header itself
    bool large = false;       // has 64-bit sizes
    std::string name;
};

/// Reads the extra fields: 64-bit sizes into `facts` where its own are
/// 0xffffffff; a second name must be the first one again.
Result<void> read_extra(std::string_view extra, bool in_directory,
                        Facts& facts) {
    ByteReader in(extra);
    while (in.left() >= 4) {
        auto id = in.u16();
        auto field = in.raw(in.u16());
        if (in.failed()) {
            return bad("has a damaged extra field");
        }
        ByteReader value(field);
        if (id == 0x0001) {
            if (facts.large) {
                return bad("has two sizes of one entry");
            }
            facts.large = true;
            for (auto* number : {&facts.size, &facts.packed, &facts.offset}) {
                bool last = number == &facts.offset;
                if (*number == kNone32 && (!last || in_directory)) {
                    *number = value.u64();
                }
            }
            if (value.failed()) {
                return bad("has a damaged extra field");
            }
        } else if (id == 0x7075) {  // Info-ZIP Unicode Path
            value.raw(5);
            if (value.raw(value.left()) != facts.name) {
                return bad("has two names of one entry");
            }
        }
    }
    // Some writers fill up with a few bytes that make no field.
    return {};
}

Result<Facts> read_header(const ByteSource& source, std::uint64_t offset) {
    std::array<char, kHeaderBytes> fixed{};
    LS_CHECK(fetch(source, offset, fixed));
    ByteReader in(text(fixed));
    if (in.raw(4) != kHeaderMark) {
        return bad("has no entry where its directory says");
    }
    Facts facts;
    in.u16();  // version needed
    facts.flags = in.u16();
    facts.method = in.u16();
    in.u32();  // time
    facts.crc = in.u32();
    facts.packed = in.u32();
    facts.size = in.u32();
    std::size_t name = in.u16();
    std::size_t extra = in.u16();
    facts.offset = offset;
    facts.bytes = kHeaderBytes + name + extra;
    std::string rest(name + extra, '\0');
    LS_CHECK(fetch(source, offset + kHeaderBytes, rest));
    facts.name = rest.substr(0, name);
    LS_CHECK(read_extra(std::string_view(rest).substr(name), false, facts));
    return facts;
}

/// The directory, read in pieces.
class Directory {
public:
    Directory(const ByteSource& source, std::uint64_t begin, std::uint64_t end)
        : source_(source), next_(begin), end_(end) {}

    std::uint64_t left() const { return end_ - next_ + in_.size() - at_; }

    /// Valid until the next call.
    Result<std::string_view> take(std::size_t size) {
        if (size > left()) {
            return bad("directory is cut short");
        }
        if (in_.size() - at_ < size) {
            in_.erase(0, at_);
            at_ = 0;
            auto more = static_cast<std::size_t>(std::min<std::uint64_t>(
                std::max(size, kPiece) - in_.size(), end_ - next_));
            auto kept = in_.size();
            in_.resize(kept + more);
            LS_CHECK(fetch(source_, next_, std::span(in_).subspan(kept)));
            next_ += more;
        }
        auto bytes = std::string_view(in_).substr(at_, size);
        at_ += size;
        return bytes;
    }

private:
    static constexpr std::size_t kPiece = 64 * 1024;

    const ByteSource& source_;
    std::uint64_t next_;
    std::uint64_t end_;
    std::string in_;
    std::size_t at_ = 0;
};

Result<Facts> read_record(Directory& directory) {
    LS_TRY(fixed, directory.take(kRecordBytes));
    ByteReader in(fixed);
    if (in.raw(4) != kRecordMark) {
        return bad("directory is damaged");
    }
    Facts facts;
    in.u32();  // versions
    facts.flags = in.u16();
    facts.method = in.u16();
    in.u32();  // time
    facts.crc = in.u32();
    facts.packed = in.u32();
    facts.size = in.u32();
    std::size_t name = in.u16();
    std::size_t extra = in.u16();
    std::size_t comment = in.u16();
    auto disk = in.u16();
    in.u16();  // internal attributes
    in.u32();  // external attributes
    facts.offset = in.u32();
    if (disk != 0) {
        return bad("has several parts");
    }
    LS_TRY(rest, directory.take(name + extra + comment));
    facts.name = rest.substr(0, name);
    LS_CHECK(read_extra(rest.substr(name, extra), true, facts));
    return facts;
}

Result<void> same(const Facts& record, const Facts& header) {
    if (record.name != header.name) {
        return bad("has an entry with two names");
    }
    constexpr unsigned kMeaning = kEncrypted | kUtf8;
    if (record.method != header.method ||
        (record.flags & kMeaning) != (header.flags & kMeaning)) {
        return bad("has an entry with two ways to read it");
    }
    if ((record.flags & kEncrypted) != 0) {
        return bad("has an encrypted entry");
    }
    if (record.method != kStored && record.method != kDeflated) {
        return bad("has an entry that is neither stored nor deflated");
    }
    if (record.method == kStored && record.packed != record.size) {
        return bad("has a stored entry with two sizes");
    }
    // Who writes without going back leaves the numbers out.
    bool later = (header.flags & kSizesFollow) != 0;
    auto agree = [later](std::uint64_t said, std::uint64_t truth) {
        return said == truth || (later && (said == 0 || said == kNone32));
    };
    if (!agree(header.crc, record.crc) || !agree(header.size, record.size) ||
        !agree(header.packed, record.packed)) {
        return bad("has an entry with two sizes or checksums");
    }
    return {};
}

/// Bytes of the descriptor after the data, which says again what the record
/// says; it is told from data by nothing else.
Result<std::uint64_t> descriptor_bytes(const ByteSource& source,
                                       const Facts& record, bool large,
                                       std::uint64_t offset) {
    std::string bytes(24, '\0');
    LS_TRY(got, source.read_at(offset, bytes));
    bytes.resize(got);
    for (bool wide : {large, !large}) {
        for (bool marked : {true, false}) {
            ByteReader in(bytes);
            bool fits = !marked || in.raw(4) == kDescriptorMark;
            fits = fits && in.u32() == record.crc;
            fits = fits && (wide ? in.u64() : in.u32()) == record.packed;
            fits = fits && (wide ? in.u64() : in.u32()) == record.size;
            if (fits && !in.failed()) {
                return std::uint64_t{marked ? 4U : 0U} + (wide ? 20 : 12);
            }
        }
    }
    return bad("has an entry without the sizes that should follow it");
}

/// Where directory and number of entries are.
struct End {
    std::uint64_t entries = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/// The 64-bit end record before the end record at `offset`, if there is one.
Result<std::optional<End>> read_end64(const ByteSource& source,
                                      std::uint64_t offset) {
    if (offset < kLocatorBytes + kEnd64Bytes) {
        return std::optional<End>();
    }
    auto locator_offset = offset - kLocatorBytes;
    std::array<char, kLocatorBytes> locator{};
    LS_CHECK(fetch(source, locator_offset, locator));
    ByteReader where(text(locator));
    if (where.raw(4) != kLocatorMark) {
        return std::optional<End>();
    }
    auto disk = where.u32();
    auto place = where.u64();
    if (disk != 0 || where.u32() > 1 || place > locator_offset - kEnd64Bytes) {
        return bad("has a damaged end");
    }
    std::array<char, kEnd64Bytes> fixed{};
    LS_CHECK(fetch(source, place, fixed));
    ByteReader in(text(fixed));
    bool marked = in.raw(4) == kEnd64Mark;
    auto size = in.u64();
    in.u32();  // versions
    auto disks = std::uint64_t{in.u32()} + in.u32();
    auto entries_here = in.u64();
    End end;
    end.entries = in.u64();
    auto directory_bytes = in.u64();
    end.begin = in.u64();
    end.end = place;
    if (!marked || size != locator_offset - place - 12 || disks != 0 ||
        entries_here != end.entries || end.begin > place ||
        directory_bytes != place - end.begin) {
        return bad("has a damaged end");
    }
    return std::optional<End>(end);
}

/// The one end record's place in the last bytes of the zip.
Result<std::size_t> find_end(std::string_view tail) {
    std::optional<std::size_t> found;
    for (auto at = tail.find(kEndMark); at != std::string_view::npos;
         at = tail.find(kEndMark, at + 1)) {
        // The mark within the last comment is a second end to some readers.
        if (found) {
            return bad("has two ends");
        }
        if (tail.size() - at >= kEndBytes) {
            ByteReader in(tail.substr(at + kEndBytes - 2, 2));
            if (at + kEndBytes + in.u16() == tail.size()) {
                found = at;
            }
        }
    }
    if (!found) {
        return bad("has no end, or something after it");
    }
    return *found;
}

Result<End> read_end(const ByteSource& source) {
    auto size = source.size();
    auto tail_bytes = static_cast<std::size_t>(
        std::min<std::uint64_t>(size, kEndBytes + kMaxCommentBytes));
    std::string tail(tail_bytes, '\0');
    LS_CHECK(fetch(source, size - tail_bytes, tail));
    LS_TRY(place, find_end(tail));
    auto offset = size - tail_bytes + place;
    ByteReader in(std::string_view(tail).substr(place + 4));
    auto disks = unsigned{in.u16()} + in.u16();
    std::uint64_t entries_here = in.u16();
    std::uint64_t entries = in.u16();
    std::uint64_t directory_bytes = in.u32();
    std::uint64_t begin = in.u32();
    LS_TRY(large, read_end64(source, offset));
    if (large) {
        auto agree = [](std::uint64_t said, std::uint64_t truth,
                        std::uint64_t none) {
            return said == truth || said == none;
        };
        if (!agree(entries, large->entries, 0xffff) ||
            !agree(entries_here, large->entries, 0xffff) ||
            !agree(directory_bytes, large->end - large->begin, kNone32) ||
            !agree(begin, large->begin, kNone32)) {
            return bad("has two directories");
        }
        return *large;
    }
    if (disks != 0 || entries_here != entries) {
        return bad("has several parts");
    }
    if (begin > offset || directory_bytes != offset - begin) {
        return bad("directory is not where its end says");
    }
    return End{entries, begin, offset};
}

Result<ZipRecord> check_entry(const ByteSource& source, const Facts& record) {
    LS_TRY(header, read_header(source, record.offset));
    LS_CHECK(same(record, header));
    auto size = source.size();
    auto begin = record.offset + header.bytes;
    if (record.packed > size || begin > size - record.packed) {
        return bad("is cut short");
    }
    ZipRecord entry{record.offset, begin + record.packed, record.size};
    if ((header.flags & kSizesFollow) != 0) {
        LS_TRY(more, descriptor_bytes(source, record, header.large, entry.end));
        entry.end += more;
    }
    return entry;
}

}  // namespace

Result<std::vector<ZipRecord>> check_zip(const ByteSource& source,
                                         const ArchiveLimits& limits,
                                         ArchiveBudget& budget) {
    LS_TRY(end, read_end(source));
    if (end.entries > limits.max_entries) {
        return Error{Code::too_large, "archive has more entries than " +
                                          std::to_string(limits.max_entries)};
    }
    // Before the number of entries is believed: it sizes the vector.
    if (end.entries > (end.end - end.begin) / kRecordBytes) {
        return bad("directory is cut short");
    }
    std::vector<ZipRecord> entries;
    entries.reserve(static_cast<std::size_t>(end.entries));
    Directory directory(source, end.begin, end.end);
    std::uint64_t promised = 0;
    for (std::uint64_t i = 0; i < end.entries; ++i) {
        LS_TRY(record, read_record(directory));
        if (record.name.size() > limits.max_path_bytes) {
            return Error{Code::too_large,
                         "archive entry's name is longer than " +
                             std::to_string(limits.max_path_bytes)};
        }
        LS_TRY(entry, check_entry(source, record));
        entries.push_back(entry);
        LS_CHECK(budget.promised(record.size));
        promised += record.size;
        LS_CHECK(budget.promised(promised));
        LS_CHECK(budget.time());
    }
    if (directory.left() != 0) {
        return bad("directory has more than its end says");
    }
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return a.offset < b.offset; });
    std::uint64_t reached = 0;
    for (const auto& entry : entries) {
        if (entry.offset != reached) {
            return bad(entry.offset < reached ? "has entries that overlap"
                                              : "has bytes between entries");
        }
        reached = entry.end;
    }
    if (reached != end.begin) {
        return bad("has bytes before its directory");
    }
    return entries;
}

Result<std::string> zip_name(const ByteSource& source, std::uint64_t offset) {
    LS_TRY(facts, read_header(source, offset));
    return std::move(facts.name);
}

}  // namespace longshore
