#include "ctl/output.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "common/range.hpp"

namespace longshore {
namespace {

// Bytes of the UTF-8 character that `text` begins with; 0: none that a
// terminal only shows.
std::size_t plain_length(std::string_view text) noexcept {
    auto byte = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    auto follows = [&](std::size_t at) { return (byte(at) & 0xC0U) == 0x80; };
    auto first = byte(0);
    if (first < 0x80) {
        return first >= 0x20 && first != 0x7F ? 1 : 0;
    }
    if (first >= 0xC2 && first < 0xE0 && follows(1)) {
        return first == 0xC2 && byte(1) < 0xA0 ? 0 : 2;
    }
    if (first >= 0xE0 && first < 0xF0 && follows(1) && follows(2)) {
        bool overlong = first == 0xE0 && byte(1) < 0xA0;
        bool surrogate = first == 0xED && byte(1) >= 0xA0;
        // Marks that turn the direction of what follows, and separators.
        bool turning = first == 0xE2 && byte(1) == 0x80 &&
                       ((byte(2) >= 0xA8 && byte(2) <= 0xAE) ||
                        byte(2) == 0x8F || byte(2) == 0x8E);
        bool isolating = first == 0xE2 && byte(1) == 0x81 && byte(2) >= 0xA6 &&
                         byte(2) <= 0xA9;
        return overlong || surrogate || turning || isolating ? 0 : 3;
    }
    if (first >= 0xF0 && first < 0xF5 && follows(1) && follows(2) &&
        follows(3)) {
        bool overlong = first == 0xF0 && byte(1) < 0x90;
        bool beyond = first == 0xF4 && byte(1) >= 0x90;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

std::size_t width(std::string_view text) noexcept {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) {
            return (static_cast<unsigned char>(c) & 0xC0U) != 0x80;
        }));
}

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kDayMs = 1440 * kMinuteMs;
constexpr std::int64_t kLongestMs = 36'500 * kDayMs;

constexpr std::array<std::pair<char, std::int64_t>, 4> kUnits = {
    {{'m', kMinuteMs},
     {'h', 60 * kMinuteMs},
     {'d', kDayMs},
     {'w', 7 * kDayMs}}};

Error bad_end(std::string_view text) {
    return {Code::invalid_argument,
            "\"" + std::string(text) +
                "\" is no end: never, a time from now such as 30d (m, h, d, "
                "w), or a day such as 2027-12-31"};
}

Result<std::int64_t> parse_day(std::string_view text) {
    auto year = parse_decimal(text.substr(0, 4));
    auto month = parse_decimal(text.substr(5, 2));
    auto day = parse_decimal(text.substr(8, 2));
    if (text[7] != '-' || !year || !month || !day) {
        return bad_end(text);
    }
    std::tm wanted{};
    wanted.tm_year = static_cast<int>(*year) - 1900;
    wanted.tm_mon = static_cast<int>(*month) - 1;
    wanted.tm_mday = static_cast<int>(*day);
    auto given = wanted;
    auto seconds = ::timegm(&wanted);
    // The 31st of February is no day.
    if (wanted.tm_mon != given.tm_mon || wanted.tm_mday != given.tm_mday ||
        seconds <= 0) {
        return bad_end(text);
    }
    return static_cast<std::int64_t>(seconds) * 1000;
}

}  // namespace

std::string clean(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        auto length = plain_length(text);
        if (length == 0) {
            out += '?';
            length = 1;
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
    return out;
}

int exit_status(Code code) noexcept {
    switch (code) {
        case Code::invalid_argument:
            return kUsage;
        case Code::not_found:
        case Code::already_exists:
        case Code::denied:
        case Code::precondition_failed:
            return kNo;
        default:
            return kNotNow;
    }
}

int say_error(const Error& error, bool json) {
    if (json) {
        Json body = {{"error",
                      {{"code", code_name(error.code)},
                       {"message", clean(error.message)}}}};
        std::fprintf(stderr, "%s\n", body.dump().c_str());
    } else {
        std::fprintf(stderr, "registryctl: %s\n", clean(error.message).c_str());
    }
    return exit_status(error.code);
}

void print_json(const Json& document) {
    std::printf(
        "%s\n",
        document.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

void print_line(std::string_view text) {
    std::printf("%s\n", clean(text).c_str());
}

Table::Table(std::vector<std::string> headings) {
    rows_.push_back(std::move(headings));
}

void Table::add(std::vector<std::string> cells) {
    for (auto& cell : cells) {
        cell = cell.empty() ? "-" : clean(cell);
    }
    rows_.push_back(std::move(cells));
}

void Table::print() const {
    if (rows_.size() == 1) {
        return;
    }
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width(row[i]));
        }
    }
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row[i];
            if (i + 1 < row.size()) {
                line.append(widths[i] - width(row[i]) + 2, ' ');
            }
        }
        std::printf("%s\n", line.c_str());
    }
}

std::string time_text(std::int64_t ms, std::string_view zero) {
    if (ms == 0) {
        return std::string(zero);
    }
    auto seconds = static_cast<std::time_t>(ms / 1000);
    std::tm parts{};
    std::array<char, 32> text{};
    if (::gmtime_r(&seconds, &parts) == nullptr) {
        return "?";
    }
    auto length =
        std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), length};
}

Json time_json(std::int64_t ms) {
    return ms == 0 ? Json(nullptr) : Json(time_text(ms, ""));
}

Json actions_json(ActionSet actions) {
    Json list = Json::array();
    auto text = actions.text();
    std::string_view rest = text;
    while (!rest.empty()) {
        auto end = std::min(rest.find(','), rest.size());
        list.push_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return list;
}

std::string join(const std::vector<std::string>& words,
                 std::string_view between) {
    std::string out;
    for (const auto& word : words) {
        out += out.empty() ? "" : between;
        out += word;
    }
    return out;
}

Result<std::int64_t> parse_end(std::string_view text, std::int64_t now_ms) {
    if (text == "never") {
        return std::int64_t{0};
    }
    if (text.size() == 10 && text[4] == '-') {
        return parse_day(text);
    }
    if (text.empty()) {
        return bad_end(text);
    }
    auto number = parse_decimal(text.substr(0, text.size() - 1));
    for (auto [unit, length] : kUnits) {
        if (text.back() == unit && number && *number > 0 &&
            *number <= static_cast<std::uint64_t>(kLongestMs / length)) {
            return now_ms + static_cast<std::int64_t>(*number) * length;
        }
    }
    return bad_end(text);
}

}  // namespace longshore
