#include "common/encoding.hpp"

#include <array>

namespace longshore {
namespace {

// RFC 4648 section 5.
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

void hex_encode(std::span<const std::uint8_t> bytes, char* out) noexcept {
    static constexpr char kHex[] = "0123456789abcdef";
    for (std::uint8_t byte : bytes) {
        *out++ = kHex[byte >> 4];
        *out++ = kHex[byte & 15];
    }
}

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

std::string hex_decode(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        bytes +=
            static_cast<char>(hex_value(text[i]) * 16 + hex_value(text[i + 1]));
    }
    return bytes;
}

std::optional<std::size_t> percent_decode(std::string_view text,
                                          char* out) noexcept {
    char* begin = out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            *out++ = text[i];
            continue;
        }
        if (text.size() - i < 3) {
            return std::nullopt;
        }
        int high = hex_value(text[i + 1]);
        int low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        *out++ = static_cast<char>(high * 16 + low);
        i += 2;
    }
    return static_cast<std::size_t>(out - begin);
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out(text.size(), '\0');
    auto size = percent_decode(text, out.data());
    if (!size) {
        return std::nullopt;
    }
    out.resize(*size);
    return out;
}

std::string percent_encode(std::string_view text, std::string_view keep) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (char c : text) {
        bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                          c == '_' || c == '~';
        if (unreserved || keep.find(c) != std::string_view::npos) {
            out += c;
        } else {
            auto byte = static_cast<std::uint8_t>(c);
            out += '%';
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        }
    }
    return out;
}

std::string base64url_encode(std::string_view bytes) {
    std::string out;
    out.reserve(base64url_length(bytes.size()));
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (char c : bytes) {
        bits = bits << 8 | static_cast<std::uint8_t>(c);
        for (count += 8; count >= 6; count -= 6) {
            out += kBase64Url[bits >> (count - 6) & 63];
        }
    }
    if (count > 0) {
        out += kBase64Url[bits << (6 - count) & 63];
    }
    return out;
}

std::optional<std::size_t> base64url_decode(std::string_view text,
                                            char* out) noexcept {
    static constexpr std::uint8_t kNone = 255;
    static constexpr auto kValues = [] {
        std::array<std::uint8_t, 256> values{};
        values.fill(kNone);
        for (std::uint8_t i = 0; i < 64; ++i) {
            values[static_cast<std::uint8_t>(kBase64Url[i])] = i;
        }
        return values;
    }();
    const char* begin = out;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (char c : text) {
        const std::uint8_t value = kValues[static_cast<std::uint8_t>(c)];
        if (value == kNone) {
            return std::nullopt;
        }
        bits = bits << 6 | value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *out++ = static_cast<char>(bits >> count);
        }
    }
    // A rest of six bits is half a byte too little; other rests are zero.
    if (count == 6 || (bits & ((1U << count) - 1)) != 0) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(out - begin);
}

std::optional<std::string> query_argument(std::string_view query,
                                          std::string_view name) {
    while (!query.empty()) {
        auto end = query.find('&');
        auto pair = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view{}
                                              : query.substr(end + 1);
        auto equals = pair.find('=');
        if (pair.substr(0, equals) != name) {
            continue;
        }
        return percent_decode(equals == std::string_view::npos
                                  ? std::string_view{}
                                  : pair.substr(equals + 1));
    }
    return std::nullopt;
}

}  // namespace longshore
