#include "common/oci_error.hpp"

#include <array>

#include "common/text.hpp"

namespace longshore {
namespace {

struct StatusRow {
    int status;
    std::string_view code;
    std::string_view message;
};

constexpr std::array kStatuses = {
    StatusRow{400, "UNSUPPORTED", "the request is not valid HTTP"},
    StatusRow{401, "UNAUTHORIZED", "authentication required"},
    StatusRow{403, "DENIED", "requested access to the resource is denied"},
    StatusRow{404, "NAME_UNKNOWN", "no such resource in this registry"},
    StatusRow{405, "UNSUPPORTED", "the method is not allowed here"},
    StatusRow{408, "UNAVAILABLE", "the request took too long to arrive"},
    StatusRow{411, "SIZE_INVALID", "the request needs a Content-Length"},
    StatusRow{412, "DENIED", "a precondition of the request does not hold"},
    StatusRow{413, "SIZE_INVALID", "the request body is too large"},
    StatusRow{414, "NAME_INVALID", "the request target is too long"},
    StatusRow{415, "UNSUPPORTED", "the media type is not supported"},
    StatusRow{416, "RANGE_INVALID", "the requested range cannot be satisfied"},
    StatusRow{429, "TOOMANYREQUESTS", "too many requests, retry later"},
    StatusRow{431, "SIZE_INVALID", "the request header fields are too large"},
    StatusRow{494, "SIZE_INVALID", "the request header fields are too large"},
    StatusRow{503, "UNAVAILABLE", "the registry is not available, retry later"},
    StatusRow{504, "UNAVAILABLE", "the registry did not answer in time"},
};

const StatusRow& status_row(int status) noexcept {
    static constexpr StatusRow kUnknown{0, "UNKNOWN", "internal server error"};
    for (const auto& row : kStatuses) {
        if (row.status == status) {
            return row;
        }
    }
    return kUnknown;
}

}  // namespace

std::string_view oci_code_for_status(int status) noexcept {
    return status_row(status).code;
}

std::string_view oci_message_for_status(int status) noexcept {
    return status_row(status).message;
}

std::string json_quote(std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out = "\"";
    while (!text.empty()) {
        std::size_t size = utf8_length(text);
        auto c = static_cast<unsigned char>(text[0]);
        if (size == 0) {
            out += "\\ufffd";
            size = 1;
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += text[0];
        } else if (c < 0x20) {
            out += "\\u00";
            out += kHex[c >> 4];
            out += kHex[c & 15];
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(size);
    }
    out += '"';
    return out;
}

std::string oci_error_body(std::string_view code, std::string_view message,
                           std::string_view detail) {
    std::string body = R"({"errors":[{"code":)";
    body += json_quote(code);
    body += R"(,"message":)";
    body += json_quote(message);
    if (!detail.empty()) {
        body += R"(,"detail":)";
        body += detail;
    }
    body += "}]}\n";
    return body;
}

std::string oci_error_body(const Error& error) {
    auto code = error.reason.empty()
                    ? oci_code_for_status(http_status(error.code))
                    : error.reason;
    return oci_error_body(code, error.message, error.detail);
}

}  // namespace longshore
