#include "syntax/base64_stream.hpp"

#include <algorithm>
#include <array>

namespace longshore {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 255;
constexpr auto kValues = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(kNone);
    for (std::uint8_t i = 0; i < 64; ++i) {
        values[static_cast<std::uint8_t>(kAlphabet[i])] = i;
    }
    return values;
}();

Error broken(const char* why) {
    return {Code::invalid_argument, std::string("base64: ") + why};
}

// Whole groups without padding from the start of `text`; stops before the
// first that is something else.
std::size_t decode_groups(std::string_view text, std::string& out) {
    const auto value = [&](std::size_t at) -> std::uint32_t {
        return kValues[static_cast<std::uint8_t>(text[at])];
    };
    auto made = out.size();
    out.resize(made + text.size() / 4 * 3);
    std::size_t at = 0;
    for (; at + 4 <= text.size(); at += 4) {
        const auto a = value(at), b = value(at + 1), c = value(at + 2),
                   d = value(at + 3);
        if (((a | b | c | d) & 0xc0) != 0) {
            break;
        }
        const auto bits = a << 18 | b << 12 | c << 6 | d;
        out[made++] = static_cast<char>(bits >> 16);
        out[made++] = static_cast<char>(bits >> 8);
        out[made++] = static_cast<char>(bits);
    }
    out.resize(made);
    return at;
}

}  // namespace

Result<void> Base64Stream::add(std::string_view text, std::string& out) {
    while (!text.empty()) {
        if (characters_ == 0 && !ended_) {
            text.remove_prefix(decode_groups(text, out));
        }
        // What is left of a group, or all of one that is special.
        const auto group = std::min<std::size_t>(4 - characters_, text.size());
        LS_CHECK(add_group(text.substr(0, group), out));
        text.remove_prefix(group);
    }
    return {};
}

Result<void> Base64Stream::add_group(std::string_view text, std::string& out) {
    for (const char c : text) {
        if (ended_) {
            return broken("more after the end");
        }
        if (c == '=') {
            if (characters_ < 2) {
                return broken("padding in the wrong place");
            }
            ++padding_;
            bits_ <<= 6;
        } else {
            const auto value = kValues[static_cast<std::uint8_t>(c)];
            if (value == kNone || padding_ != 0) {
                return broken("a character that does not belong there");
            }
            bits_ = bits_ << 6 | value;
        }
        if (++characters_ < 4) {
            continue;
        }
        if ((bits_ & ((1U << 8 * padding_) - 1)) != 0) {
            return broken("unused bits are not zero");
        }
        for (unsigned i = 0; i < 3 - padding_; ++i) {
            out += static_cast<char>(bits_ >> (16 - 8 * i));
        }
        ended_ = padding_ != 0;
        bits_ = characters_ = padding_ = 0;
    }
    return {};
}

Result<void> Base64Stream::finish() const {
    if (characters_ != 0) {
        return broken("ends within a group");
    }
    return {};
}

Result<std::string> base64_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size() / 4 * 3);
    Base64Stream stream;
    LS_CHECK(stream.add(text, out));
    LS_CHECK(stream.finish());
    return out;
}

std::string base64_encode(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto group = bytes.substr(at, 3);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            bits = bits << 8 |
                   (i < group.size() ? static_cast<std::uint8_t>(group[i]) : 0);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            out +=
                i <= group.size() ? kAlphabet[bits >> (18 - 6 * i) & 63] : '=';
        }
    }
    return out;
}

}  // namespace longshore
