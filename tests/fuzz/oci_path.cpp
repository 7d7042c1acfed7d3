// Input: a raw request target.
#include "common/oci_path.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "common/digest.hpp"
#include "common/encoding.hpp"
#include "fuzz.hpp"

using namespace longshore;
using fuzz::inside;
using fuzz::require;

namespace {

bool same(const OciPath& a, const OciPath& b) {
    return a.route == b.route && a.problem == b.problem && a.name == b.name &&
           a.reference == b.reference;
}

// What must hold of a target without a problem.
void check_good(const OciPath& path) {
    switch (path.route) {
        case OciRoute::unknown:
        case OciRoute::ping:
        case OciRoute::catalog:
            require(path.name.empty(), "no name without a repository");
            return;
        case OciRoute::extensions:
            require(path.name.empty() || is_repository_name(path.name),
                    "name is valid");
            return;
        default:
            require(is_repository_name(path.name), "name is valid");
    }
    Digest digest;
    bool is_digest = Digest::parse(path.reference, digest);
    switch (path.route) {
        case OciRoute::manifest:
            require(is_digest || is_tag(path.reference), "tag or digest");
            break;
        case OciRoute::blob:
        case OciRoute::referrers:
            require(is_digest, "a digest");
            break;
        case OciRoute::upload:
            require(is_upload_id(path.reference), "an upload id");
            break;
        default:
            require(path.reference.empty(), "no reference");
    }
    auto name = std::string(path.name) + "/";
    require(name.find("../") == std::string::npos &&
                name.find("//") == std::string::npos && name[0] != '/',
            "name cannot leave a folder");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    const std::string target(fuzz::text(data, size));
    const auto end = std::min(target.find('?'), target.size());
    const std::string_view raw(target.data(), end);
    std::vector<char> scratch(end);
    const auto path = parse_oci_path(target, scratch);

    const std::string_view room(scratch.data(), scratch.size());
    for (auto view : {path.name, path.reference}) {
        require(inside(view, raw) || inside(view, room), "views stay inside");
    }
    require(inside(path.query, target), "query stays inside");
    if (path.problem == OciProblem::none) {
        check_good(path);
    }

    if (raw.find("%2f") != std::string_view::npos ||
        raw.find("%2F") != std::string_view::npos) {
        require(path.problem == OciProblem::bad_escape, "no escaped slash");
    }

    // The query changes nothing, and a target with every byte but "/"
    // escaped is the same target.
    std::vector<char> again(end);
    require(same(path, parse_oci_path(raw, again)), "query is no path");
    if (raw.find('%') == std::string_view::npos) {
        std::string escaped;
        for (char c : raw) {
            static constexpr char kHex[] = "0123456789aBcDeF";
            auto byte = static_cast<unsigned char>(c);
            escaped += c == '/'
                           ? std::string("/")
                           : std::string{'%', kHex[byte >> 4], kHex[byte & 15]};
        }
        std::vector<char> space(escaped.size());
        require(same(path, parse_oci_path(escaped, space)),
                "escaped or not is the same");
    }
    return 0;
}
