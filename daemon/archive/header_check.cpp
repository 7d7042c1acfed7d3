#include "archive/header_check.hpp"

#include <cstdint>

namespace longshore {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kArSizeAt = 48;
constexpr std::size_t kArSizeBytes = 10;

}  // namespace

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

}  // namespace longshore
