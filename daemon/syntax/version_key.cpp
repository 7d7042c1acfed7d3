#include "syntax/version_key.hpp"

#include <algorithm>

#include "syntax/version.hpp"

namespace longshore::version {
namespace {

// Lengths up to kShort are one byte.
constexpr std::size_t kShort = 63;
constexpr std::size_t kBlock = 64;
constexpr char kFirstLength = '0';
constexpr char kFirstBlock = 'o';  // blocks are counted from 1

// Escapes: bytes up to '"' and those from '}' on.
constexpr unsigned char kLowest = '#';
constexpr unsigned char kHighest = '|';

char code(char first, std::size_t offset) {
    return static_cast<char>(static_cast<std::size_t>(first) + offset);
}

}  // namespace

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (is_upper(c)) {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return out;
}

bool consists_of(std::string_view text, std::string_view others) noexcept {
    return std::all_of(text.begin(), text.end(), [others](char c) {
        return is_alphanumeric(c) || others.find(c) != others.npos;
    });
}

bool take(std::string_view& rest, std::string_view beginning) noexcept {
    if (!rest.starts_with(beginning)) {
        return false;
    }
    rest.remove_prefix(beginning.size());
    return true;
}

std::string_view number(std::string_view digits) noexcept {
    auto first = digits.find_first_not_of('0');
    return first == digits.npos ? "0" : digits.substr(first);
}

bool at_most(std::string_view digits, std::string_view limit) noexcept {
    auto value = number(digits);
    return value.size() != limit.size() ? value.size() < limit.size()
                                        : value <= limit;
}

void append_number(std::string& key, std::string_view digits) {
    auto value = number(digits);
    if (value == "0") {
        value = {};
    }
    append_length(key, value.size());
    key += value;
}

void append_length(std::string& key, std::size_t length) {
    if (length <= kShort) {
        key += code(kFirstLength, length);
        return;
    }
    key += code(kFirstBlock, length / kBlock);
    key += code(kFirstLength, length % kBlock);
}

void append_bytes(std::string& key, std::string_view bytes) {
    for (char c : bytes) {
        auto byte = static_cast<unsigned char>(c);
        if (byte < kLowest) {
            key += '"';
            key += code(kFirstLength, byte);
        } else if (byte > kHighest) {
            key += '}';
            key += code(kFirstLength, byte / 16);
            key += code(kFirstLength, byte % 16);
        } else {
            key += c;
        }
    }
    key += kEnd;
}

Error refused(std::string_view text, std::string_view reason) {
    std::string message = "version '";
    for (char c : text.substr(0, 64)) {
        message += c < ' ' || c > '~' ? '?' : c;
    }
    return {Code::invalid_argument, message.append("' ").append(reason)};
}

Result<Parts> split_parts(std::string_view text, std::string_view most) {
    Parts parts = {"0", text, {}, false};
    if (auto colon = text.find(':'); colon != text.npos) {
        auto epoch = text.substr(0, colon);
        if (epoch.empty() ||
            !std::all_of(epoch.begin(), epoch.end(), is_digit) ||
            !at_most(epoch, most)) {
            return refused(text, "has no number as its epoch");
        }
        parts.epoch = number(epoch);
        parts.version.remove_prefix(colon + 1);
    }
    if (auto hyphen = parts.version.rfind('-'); hyphen != text.npos) {
        parts.revision = parts.version.substr(hyphen + 1);
        parts.version = parts.version.substr(0, hyphen);
        parts.has_revision = true;
        if (parts.revision.empty()) {
            return refused(text, "ends in a hyphen");
        }
    }
    if (parts.version.empty()) {
        return refused(text, "has nothing but epoch and revision");
    }
    return parts;
}

std::string parts_text(const Parts& parts) {
    std::string out;
    if (parts.epoch != "0" || parts.version.find(':') != std::string::npos) {
        out.append(parts.epoch).append(":");
    }
    out.append(parts.version);
    if (parts.has_revision) {
        out.append("-").append(parts.revision);
    }
    return out;
}

}  // namespace longshore::version
