#include "archive/tar_check.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

namespace longshore {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kSizeAt = 124;
constexpr std::size_t kSizeBytes = 12;
constexpr std::size_t kTypeAt = 156;

// Sizes from here on have no place in a header's eleven octal digits.
constexpr std::uint64_t kLargest = 1ULL << 33;

Error bad(const std::string& how) {
    return {Code::invalid_argument, "tar header " + how};
}

/// A number of a header: octal digits between spaces and NULs, or GNU's
/// binary form, whose first bit is set.
std::optional<std::uint64_t> number(std::string_view field) {
    std::uint64_t value = 0;
    auto first = static_cast<unsigned char>(field.front());
    if (first >= 0x80) {
        if (first != 0x80) {
            return std::nullopt;  // negative, or beyond all sizes
        }
        for (char c : field.substr(1)) {
            if (value >> 56 != 0) {
                return std::nullopt;
            }
            value = value << 8 | static_cast<unsigned char>(c);
        }
        return value;
    }
    auto begin = field.find_first_not_of(' ');
    field =
        field.substr(begin == std::string_view::npos ? field.size() : begin);
    auto digits = field.substr(0, field.find_first_not_of("01234567"));
    using namespace std::string_view_literals;
    if (field.substr(digits.size()).find_first_not_of(" \0"sv) !=
        std::string_view::npos) {
        return std::nullopt;
    }
    for (char c : digits) {
        value = value << 3 | static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

std::optional<std::uint64_t> decimal(std::string_view text) {
    if (text.empty() || text.size() > 19) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    for (char c : text) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

/// What the headers before the entry's own say of it.
struct Said {
    bool path = false;
    bool link = false;
    std::optional<std::uint64_t> size;
    bool records = false;

    Result<void> once(bool& seen, std::string_view value, const char* what) {
        if (seen) {
            return bad(std::string("says two ") + what);
        }
        if (value.find('\0') != std::string_view::npos) {
            return bad(std::string("has a NUL in ") + what);
        }
        seen = true;
        return {};
    }

    Result<void> record(std::string_view key, std::string_view value) {
        if (key == "path") {
            return once(path, value, "names");
        }
        if (key == "linkpath") {
            return once(link, value, "links");
        }
        if (key == "size") {
            auto said = decimal(value);
            if (size || !said) {
                return bad("says no size, or two");
            }
            size = said;
        }
        if (key.starts_with("GNU.sparse.")) {
            return bad("is of a sparse file");
        }
        return {};
    }
};

/// Records of a pax header: "<length> <key>=<value>\n", one after the other.
Result<void> read_records(std::string_view body, bool global, Said& said) {
    while (!body.empty()) {
        auto space = body.find(' ');
        auto length = decimal(body.substr(0, space));
        if (space == std::string_view::npos || !length ||
            *length > body.size() || *length < space + 2 ||
            body[*length - 1] != '\n') {
            return bad("has a damaged pax record");
        }
        auto record = body.substr(space + 1, *length - space - 2);
        auto equals = record.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return bad("has a damaged pax record");
        }
        auto key = record.substr(0, equals);
        // What names one entry has no meaning for all that follow.
        if (global && (key == "path" || key == "linkpath" || key == "size" ||
                       key.starts_with("GNU."))) {
            return bad("names all entries alike");
        }
        LS_CHECK(said.record(key, record.substr(equals + 1)));
        body.remove_prefix(*length);
    }
    return {};
}

/// A long name or link of GNU's: text, then at least one NUL.
Result<void> read_long(std::string_view body, bool link, Said& said) {
    auto text = body.substr(0, body.find('\0'));
    if (body.find_first_not_of('\0', text.size()) != std::string_view::npos) {
        return bad("has a NUL in its name");
    }
    return said.once(link ? said.link : said.path, text,
                     link ? "links" : "names");
}

Result<void> read_special(char type, std::string_view body, Said& said) {
    switch (type) {
        case 'L':
        case 'K':
            return read_long(body, type == 'K', said);
        case 'g':
            return read_records(body, true, said);
        case 'x':
        case 'X':
            if (said.records) {
                return bad("has two sets of pax records");
            }
            said.records = true;
            return read_records(body, false, said);
        default:
            return {};
    }
}

Result<void> check_own(char type, std::uint64_t size, const Said& said) {
    if (type == 'S') {
        return bad("is of a sparse file");
    }
    if (type == '1' && said.size.value_or(size) != 0) {
        // To some readers a hard link has contents, to others it has none.
        return bad("is of a link with contents");
    }
    if (said.size && *said.size != size && *said.size < kLargest) {
        return bad("says two sizes");
    }
    return {};
}

bool is_special(char type) {
    return std::string_view("xXgLKA").find(type) != std::string_view::npos;
}

}  // namespace

Result<void> check_tar(std::string_view headers) {
    Said said;
    while (headers.size() >= kBlock) {
        auto block = headers.substr(0, kBlock);
        headers.remove_prefix(kBlock);
        auto size = number(block.substr(kSizeAt, kSizeBytes));
        if (!size) {
            return bad("says no size");
        }
        char type = block[kTypeAt];
        if (type == 'V') {  // the label of a volume, which has no body
            continue;
        }
        if (!is_special(type)) {
            if (!headers.empty()) {
                break;
            }
            return check_own(type, *size, said);
        }
        if (*size > headers.size()) {
            break;
        }
        auto body = headers.substr(0, static_cast<std::size_t>(*size));
        LS_CHECK(read_special(type, body, said));
        auto blocks = (static_cast<std::size_t>(*size) + kBlock - 1) / kBlock;
        headers.remove_prefix(std::min(headers.size(), blocks * kBlock));
    }
    return bad("is damaged");
}

}  // namespace longshore
