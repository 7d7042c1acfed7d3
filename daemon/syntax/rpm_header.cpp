#include "syntax/rpm_header.hpp"

#include <algorithm>
#include <array>

namespace longshore {
namespace {

constexpr std::string_view kMagic("\x8e\xad\xe8\x01\0\0\0\0", 8);
constexpr std::size_t kIntro = 16;  // magic, counts of entries and of bytes
constexpr std::size_t kEntry = 16;
// Tags below are for the header itself: 61 to 63 are regions.
constexpr std::uint32_t kFirstTag = 100;
constexpr std::uint32_t kLocales = 100;
constexpr std::uint32_t kRegionFrom = 61;
constexpr std::uint32_t kRegionTo = 63;

enum Type : std::uint32_t {
    kChar = 1,
    kInt8 = 2,
    kInt16 = 3,
    kInt32 = 4,
    kInt64 = 5,
    kString = 6,
    kBinary = 7,
    kStrings = 8,
    kTranslated = 9,
};
// Bytes of one value, 0 for strings.
constexpr std::array<std::uint32_t, 10> kWidths = {0, 1, 1, 2, 4,
                                                   8, 0, 1, 0, 0};

Error broken(const char* why) {
    return {Code::invalid_argument, std::string("RPM header: ") + why};
}

std::uint64_t big_endian(std::string_view bytes) noexcept {
    std::uint64_t value = 0;
    for (const char c : bytes) {
        value = value << 8 | static_cast<std::uint8_t>(c);
    }
    return value;
}

std::uint32_t word(std::string_view bytes, std::size_t at) noexcept {
    return static_cast<std::uint32_t>(big_endian(bytes.substr(at, 4)));
}

Result<std::string> read_exactly(const ByteSource& source, std::uint64_t offset,
                                 std::size_t size) {
    if (offset > source.size() || size > source.size() - offset) {
        return broken("ends before its length");
    }
    std::string bytes(size, '\0');
    LS_TRY(read, source.read_at(offset, bytes));
    if (read != size) {
        return broken("ends before its length");
    }
    return bytes;
}

bool is_text(std::uint32_t type) noexcept {
    return type == kString || type == kStrings || type == kTranslated;
}

}  // namespace

Result<RpmHeader> RpmHeader::read(const ByteSource& source,
                                  std::uint64_t offset,
                                  const RpmLimits& limits) {
    LS_TRY(intro, read_exactly(source, offset, kIntro));
    if (std::string_view(intro).substr(0, kMagic.size()) != kMagic) {
        return broken("does not begin with its magic");
    }
    const std::size_t entries = word(intro, 8);
    const std::size_t store = word(intro, 12);
    if (entries > limits.entries || store > limits.store) {
        return Error{Code::too_large,
                     "RPM header: more than " + std::to_string(limits.entries) +
                         " tags or " + std::to_string(limits.store) + " bytes"};
    }
    RpmHeader header;
    LS_TRY(index, read_exactly(source, offset + kIntro, entries * kEntry));
    LS_TRY(bytes, read_exactly(source, offset + kIntro + index.size(), store));
    header.store_ = std::move(bytes);
    LS_CHECK(header.take_index(index));
    return header;
}

std::uint64_t RpmHeader::size() const noexcept {
    return kIntro + index_size_ + store_.size();
}

// A value lies in the store, where its type may lie, and after `end`, which
// it moves to its own end.
Result<void> RpmHeader::check(const Entry& entry, std::string_view store,
                              std::size_t& end) {
    if (entry.tag < kFirstTag || entry.type == 0 ||
        entry.type >= kWidths.size() || entry.count == 0 ||
        entry.offset > store.size() || entry.offset < end) {
        return broken("a tag that cannot be");
    }
    const auto rest = store.substr(entry.offset);
    const std::size_t width = kWidths[entry.type];
    if (width > 0) {
        if (entry.count > rest.size() / width ||
            (entry.type != kBinary && entry.offset % width != 0)) {
            return broken("a value outside of the header");
        }
        end = entry.offset + entry.count * width;
        return {};
    }
    if (entry.type == kString && entry.count != 1) {
        return broken("several strings where one may be");
    }
    std::size_t size = 0;
    for (std::uint32_t i = 0; i < entry.count; ++i) {
        const auto zero = rest.find('\0', size);
        if (zero == std::string_view::npos) {
            return broken("a string without its end");
        }
        size = zero + 1;
    }
    end = entry.offset + size;
    return {};
}

// The first tag of a header may say that it and what follows are one piece,
// the one that digests are made of; its own data are after the piece's.
Result<std::size_t> RpmHeader::region_entries(const Entry& first) const {
    if (first.tag < kRegionFrom || first.tag > kRegionTo) {
        return std::size_t{0};
    }
    if (first.type != kBinary || first.count != kEntry ||
        first.offset > store_.size() || store_.size() - first.offset < kEntry) {
        return broken("a region that is none");
    }
    const auto trailer = std::string_view(store_).substr(first.offset, kEntry);
    const std::size_t back = std::uint32_t{0} - word(trailer, 8);
    if (word(trailer, 4) != kBinary || word(trailer, 12) != kEntry ||
        back == 0 || back % kEntry != 0 || back > index_size_) {
        return broken("a region with an end that is none");
    }
    return back / kEntry;
}

Result<void> RpmHeader::take_index(std::string_view index) {
    index_size_ = index.size();
    const auto entry = [&](std::size_t which) {
        const auto at = which * kEntry;
        return Entry{word(index, at), word(index, at + 4), word(index, at + 8),
                     word(index, at + 12)};
    };
    const auto count = index.size() / kEntry;
    if (count == 0) {
        return broken("empty");
    }
    const auto first = entry(0);
    LS_TRY(region, region_entries(first));
    std::size_t end = 0;
    entries_.reserve(count);
    for (std::size_t i = region > 0 ? 1 : 0; i < count; ++i) {
        entries_.push_back(entry(i));
        LS_CHECK(check(entries_.back(), store_, end));
        if (i + 1 == region) {
            if (end > first.offset) {
                return broken("a region that goes beyond its end");
            }
            end = first.offset + kEntry;
        }
    }
    const auto by_tag = [](const Entry& a, const Entry& b) {
        return a.tag < b.tag;
    };
    std::sort(entries_.begin(), entries_.end(), by_tag);
    const auto twice = std::adjacent_find(
        entries_.begin(), entries_.end(),
        [](const Entry& a, const Entry& b) { return a.tag == b.tag; });
    if (twice != entries_.end()) {
        return broken("the same tag twice");
    }
    return {};
}

const RpmHeader::Entry* RpmHeader::find(std::uint32_t tag) const noexcept {
    const auto found = std::lower_bound(
        entries_.begin(), entries_.end(), tag,
        [](const Entry& entry, std::uint32_t t) { return entry.tag < t; });
    return found == entries_.end() || found->tag != tag ? nullptr : &*found;
}

bool RpmHeader::has(std::uint32_t tag) const noexcept {
    return find(tag) != nullptr;
}

std::vector<std::string_view> RpmHeader::texts(std::uint32_t tag) const {
    std::vector<std::string_view> out;
    const auto* entry = find(tag);
    if (entry == nullptr || !is_text(entry->type)) {
        return out;
    }
    out.reserve(entry->count);
    auto rest = std::string_view(store_).substr(entry->offset);
    for (std::uint32_t i = 0; i < entry->count; ++i) {
        out.push_back(rest.substr(0, rest.find('\0')));
        rest.remove_prefix(out.back().size() + 1);
    }
    return out;
}

std::string_view RpmHeader::text(std::uint32_t tag,
                                 std::string_view locale) const {
    const auto values = texts(tag);
    if (values.empty()) {
        return {};
    }
    if (find(tag)->type == kTranslated) {
        const auto locales = texts(kLocales);
        const auto found = std::find(locales.begin(), locales.end(), locale);
        const auto which = static_cast<std::size_t>(found - locales.begin());
        if (found != locales.end() && which < values.size()) {
            return values[which];
        }
    }
    return values.front();
}

std::uint64_t RpmHeader::integer(const Entry& entry,
                                 std::size_t which) const noexcept {
    const std::size_t width = kWidths[entry.type];
    return big_endian(
        std::string_view(store_).substr(entry.offset + which * width, width));
}

std::vector<std::uint64_t> RpmHeader::numbers(std::uint32_t tag) const {
    std::vector<std::uint64_t> out;
    const auto* entry = find(tag);
    if (entry == nullptr || entry->type < kChar || entry->type > kInt64) {
        return out;
    }
    out.reserve(entry->count);
    for (std::uint32_t i = 0; i < entry->count; ++i) {
        out.push_back(integer(*entry, i));
    }
    return out;
}

std::optional<std::uint64_t> RpmHeader::number(std::uint32_t tag) const {
    const auto* entry = find(tag);
    if (entry == nullptr || entry->type < kChar || entry->type > kInt64) {
        return std::nullopt;
    }
    return integer(*entry, 0);
}

std::string_view RpmHeader::binary(std::uint32_t tag) const {
    const auto* entry = find(tag);
    if (entry == nullptr || entry->type != kBinary) {
        return {};
    }
    return std::string_view(store_).substr(entry->offset, entry->count);
}

}  // namespace longshore
