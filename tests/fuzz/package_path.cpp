// Input: a raw request target.
#include "common/package_path.hpp"

#include <string>

#include "common/oci_path.hpp"
#include "fuzz.hpp"

using namespace longshore;
using fuzz::inside;
using fuzz::require;

namespace {

void check_segments(std::string_view rest) {
    const auto decoded = decode_segments(rest);
    if (!decoded) {
        return;
    }
    std::string joined;
    for (const auto& segment : decoded->segments) {
        require(!segment.empty(), "no empty segment");
        joined += "/" + segment;
    }
    const auto whole = joined + "/";
    require(whole.find("/../") == std::string::npos &&
                whole.find("/./") == std::string::npos &&
                joined.find("//") == std::string::npos,
            "no way up");
    for (char c : joined) {
        require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '\\',
                "no control character");
    }
    require(joined.size() <= rest.size(), "decoding never grows");
    require(decoded->ends_in_slash == rest.ends_with('/'), "says how it ends");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    const std::string target(fuzz::text(data, size));
    check_segments(target);
    const auto path = parse_package_path(target);
    if (!path) {
        return 0;
    }
    for (auto view : {path->mount, path->repository, path->rest, path->query}) {
        require(inside(view, target), "views stay inside");
    }
    require(is_repository_name(path->repository) &&
                path->repository.find('/') == std::string_view::npos,
            "one component of a name");
    require(path->rest.empty() || path->rest.front() == '/', "rest is a path");
    require(path->mount != "v2", "what is OCI's is no package path");
    auto again = "/" + std::string(path->mount) + "/" +
                 std::string(path->repository) + std::string(path->rest);
    require(target == again || target == again + "?" + std::string(path->query),
            "the parts are the whole");
    check_segments(path->rest);
    return 0;
}
