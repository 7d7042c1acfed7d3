#include "common/problem.hpp"

#include <array>
#include <utility>

#include "common/oci_error.hpp"

namespace longshore {
namespace {

constexpr std::array<std::pair<int, std::string_view>, 14> kTitles = {{
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
}};

}  // namespace

bool is_api_target(std::string_view target) noexcept {
    if (!target.starts_with(kApiMount)) {
        return false;
    }
    auto rest = target.substr(kApiMount.size());
    return rest.empty() || rest[0] == '/' || rest[0] == '?';
}

std::string problem_body(int status, std::string_view code,
                         std::string_view detail, std::string_view pointer) {
    std::string_view title = "Error";
    for (const auto& [number, text] : kTitles) {
        title = number == status ? text : title;
    }
    std::string body = R"({"type":"about:blank","title":)" + json_quote(title) +
                       ",\"status\":" + std::to_string(status) +
                       ",\"detail\":" + json_quote(detail) +
                       ",\"code\":" + json_quote(code);
    if (!pointer.empty()) {
        body += ",\"pointer\":" + json_quote(pointer);
    }
    return body + "}\n";
}

}  // namespace longshore
