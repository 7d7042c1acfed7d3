#include "archive/header_check.hpp"

#include <cstdint>
#include <string>

#include "common/encoding.hpp"

namespace longshore {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kArSizeAt = 48;
constexpr std::size_t kArSizeBytes = 10;
constexpr std::size_t kCpioNameSizeAt = 94;
constexpr std::size_t kCpioNameSizeBytes = 8;

}  // namespace

bool is_cpio(std::string_view bytes) noexcept {
    return bytes.starts_with("070701"sv) || bytes.starts_with("070702"sv);
}

Result<void> check_ar(std::string_view header, const ArchiveLimits& limits) {
    // GNU's table of long names; libarchive bounds those of BSD itself.
    if (header.size() < kArHeaderBytes || !header.starts_with("//"sv)) {
        return {};
    }
    std::uint64_t size = 0;
    for (char c : header.substr(kArSizeAt, kArSizeBytes)) {
        if (c >= '0' && c <= '9') {
            size = size * 10 + static_cast<std::uint64_t>(c - '0');
        }
    }
    if (size > limits.max_header_bytes) {
        return Error{Code::too_large, "archive entry's header is too long"};
    }
    return {};
}

Result<void> check_cpio(std::string_view header, const ArchiveLimits& limits) {
    if (header.size() < kCpioHeaderBytes || !is_cpio(header)) {
        return Error{Code::invalid_argument,
                     "archive is damaged: no cpio header"};
    }
    std::uint64_t size = 0;
    for (char c : header.substr(kCpioNameSizeAt, kCpioNameSizeBytes)) {
        auto digit = hex_value(c);
        if (digit < 0) {
            return Error{Code::invalid_argument,
                         "archive is damaged: no cpio header"};
        }
        size = size << 4 | static_cast<std::uint64_t>(digit);
    }
    // With the NUL at its end.
    if (size > limits.max_path_bytes + 1) {
        return Error{Code::too_large,
                     "archive entry's name is longer than " +
                         std::to_string(limits.max_path_bytes)};
    }
    return {};
}

}  // namespace longshore
