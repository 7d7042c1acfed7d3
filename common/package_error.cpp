#include "common/package_error.hpp"

#include "common/oci_error.hpp"

namespace longshore {

std::string package_error_body(std::string_view code,
                               std::string_view message) {
    auto text = json_quote(message);
    return R"({"error":)" + text + R"(,"reason":)" + text +
           R"(,"errors":[{"code":)" + json_quote(code) + R"(,"message":)" +
           text + R"(,"detail":)" + text + "}]}\n";
}

}  // namespace longshore
