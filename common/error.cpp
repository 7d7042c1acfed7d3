#include <array>
#include <cerrno>
#include <system_error>

#include "common/result.hpp"

namespace longshore {
namespace {

struct CodeRow {
    Code code;
    std::string_view name;
    int status;
};

// The one table. Order is that of the enum; code_row() relies on it and the
// static_assert below checks it.
constexpr std::array kCodes = {
    CodeRow{Code::invalid_argument, "invalid_argument", 400},
    CodeRow{Code::unauthenticated, "unauthenticated", 401},
    CodeRow{Code::denied, "denied", 403},
    CodeRow{Code::not_found, "not_found", 404},
    CodeRow{Code::already_exists, "already_exists", 409},
    CodeRow{Code::conflict, "conflict", 409},
    CodeRow{Code::precondition_failed, "precondition_failed", 412},
    CodeRow{Code::range_invalid, "range_invalid", 416},
    CodeRow{Code::digest_mismatch, "digest_mismatch", 400},
    CodeRow{Code::too_large, "too_large", 413},
    CodeRow{Code::quota_exceeded, "quota_exceeded", 403},
    CodeRow{Code::unsupported, "unsupported", 405},
    CodeRow{Code::rate_limited, "rate_limited", 429},
    CodeRow{Code::unavailable, "unavailable", 503},
    CodeRow{Code::timeout, "timeout", 504},
    CodeRow{Code::corrupt, "corrupt", 500},
    CodeRow{Code::internal, "internal", 500},
};

consteval bool in_enum_order() {
    for (std::size_t i = 0; i < kCodes.size(); ++i) {
        if (static_cast<std::size_t>(kCodes[i].code) != i) {
            return false;
        }
    }
    return kCodes.size() == static_cast<std::size_t>(Code::internal) + 1;
}
static_assert(in_enum_order());

const CodeRow& code_row(Code code) noexcept {
    return kCodes[static_cast<std::size_t>(code)];
}

}  // namespace

std::string_view code_name(Code code) noexcept {
    return code_row(code).name;
}

int http_status(Code code) noexcept {
    return code_row(code).status;
}

Error errno_error(std::string_view what, int error_number) {
    Code code = Code::internal;
    switch (error_number) {
        case ENOENT:
        case ENOTDIR:
            code = Code::not_found;
            break;
        case EEXIST:
            code = Code::already_exists;
            break;
        case ENOSPC:
        case EDQUOT:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case EROFS:
        case EIO:
            code = Code::unavailable;
            break;
        default:
            break;
    }
    std::string message(what);
    message += ": ";
    message += std::generic_category().message(error_number);
    return Error{code, std::move(message)};
}

}  // namespace longshore
