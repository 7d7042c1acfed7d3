#include "common/oci_path.hpp"

#include "common/digest.hpp"
#include "common/encoding.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxTag = 128;

bool is_lower_alnum(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_name_segment(std::string_view segment) noexcept {
    if (segment.empty() || !is_lower_alnum(segment.front()) ||
        !is_lower_alnum(segment.back())) {
        return false;
    }
    for (std::size_t i = 0; i < segment.size();) {
        if (is_lower_alnum(segment[i])) {
            ++i;
            continue;
        }
        std::size_t begin = i;
        while (!is_lower_alnum(segment[i])) {
            ++i;  // ends: the last character is alphanumeric
        }
        auto separator = segment.substr(begin, i - begin);
        bool dashes =
            separator.find_first_not_of('-') == std::string_view::npos;
        if (!dashes && separator != "." && separator != "_" &&
            separator != "__") {
            return false;
        }
    }
    return true;
}

// A decoded segment that no protocol path may hold, wherever it stands.
bool is_forbidden_segment(std::string_view segment) noexcept {
    if (segment == "." || segment == "..") {
        return true;
    }
    for (char c : segment) {
        auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f || c == '\\' || c == '/') {
            return true;
        }
    }
    return false;
}

// Decodes each raw segment once. An escaped "/" is refused: after decoding it
// could not be told from a separator.
bool decode_segments(std::string_view path, std::span<char> scratch,
                     std::string_view& decoded) noexcept {
    bool escaped = path.find('%') != std::string_view::npos;
    char* out = scratch.data();
    if (escaped && scratch.size() < path.size()) {
        return false;
    }
    std::size_t begin = 0;
    while (begin <= path.size()) {
        auto end = path.find('/', begin);
        if (end == std::string_view::npos) {
            end = path.size();
        }
        auto segment = path.substr(begin, end - begin);
        if (escaped) {
            auto size = percent_decode(segment, out);
            if (!size) {
                return false;
            }
            segment = {out, *size};
            out += *size;
            if (end != path.size()) {
                *out++ = '/';
            }
        }
        if (is_forbidden_segment(segment)) {
            return false;
        }
        begin = end + 1;
    }
    decoded = escaped ? std::string_view(
                            scratch.data(),
                            static_cast<std::size_t>(out - scratch.data()))
                      : path;
    return true;
}

// Takes "/<last>" off the right of `rest`.
std::string_view pop_segment(std::string_view& rest) noexcept {
    auto slash = rest.rfind('/');
    if (slash == std::string_view::npos) {
        auto all = rest;
        rest = {};
        return all;
    }
    auto last = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
    return last;
}

bool ends_with_pop(std::string_view& rest, std::string_view suffix) noexcept {
    if (rest.size() <= suffix.size() || !rest.ends_with(suffix)) {
        return false;
    }
    rest.remove_suffix(suffix.size());
    return true;
}

void check_name(OciPath& path) noexcept {
    if (!is_repository_name(path.name)) {
        path.problem = OciProblem::bad_name;
    }
}

// `rest` is the decoded path after "/v2/".
void read_from_right(std::string_view rest, OciPath& path) noexcept {
    if (ends_with_pop(rest, "/blobs/uploads/") ||
        ends_with_pop(rest, "/blobs/uploads")) {
        path.route = OciRoute::uploads;
        path.name = rest;
        return check_name(path);
    }
    if (ends_with_pop(rest, "/tags/list")) {
        path.route = OciRoute::tags;
        path.name = rest;
        return check_name(path);
    }
    if (ends_with_pop(rest, "/_oci/ext/discover")) {
        path.route = OciRoute::extensions;
        path.name = rest;
        return check_name(path);
    }
    path.reference = pop_segment(rest);
    Digest digest;
    if (ends_with_pop(rest, "/blobs/uploads")) {
        path.route = OciRoute::upload;
        if (!is_upload_id(path.reference)) {
            path.problem = OciProblem::bad_upload;
        }
    } else if (ends_with_pop(rest, "/manifests")) {
        path.route = OciRoute::manifest;
        if (!is_tag(path.reference) && !Digest::parse(path.reference, digest)) {
            path.problem = OciProblem::bad_reference;
        }
    } else if (ends_with_pop(rest, "/blobs")) {
        path.route = OciRoute::blob;
        if (!Digest::parse(path.reference, digest)) {
            path.problem = OciProblem::bad_reference;
        }
    } else if (ends_with_pop(rest, "/referrers")) {
        path.route = OciRoute::referrers;
        if (!Digest::parse(path.reference, digest)) {
            path.problem = OciProblem::bad_reference;
        }
    } else {
        path.reference = {};
        return;
    }
    path.name = rest;
    check_name(path);
}

}  // namespace

OciPath parse_oci_path(std::string_view target,
                       std::span<char> scratch) noexcept {
    OciPath path;
    auto question = target.find('?');
    if (question != std::string_view::npos) {
        path.query = target.substr(question + 1);
        target = target.substr(0, question);
    }
    std::string_view decoded;
    if (!decode_segments(target, scratch, decoded)) {
        path.problem = OciProblem::bad_escape;
        return path;
    }
    if (decoded == "/v2" || decoded == "/v2/") {
        path.route = OciRoute::ping;
    } else if (decoded == "/v2/_catalog") {
        path.route = OciRoute::catalog;
    } else if (decoded == "/v2/_oci/ext/discover") {
        path.route = OciRoute::extensions;
    } else if (decoded.starts_with("/v2/")) {
        read_from_right(decoded.substr(4), path);
    }
    return path;
}

bool is_repository_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > kMaxName) {
        return false;
    }
    while (true) {
        auto slash = name.find('/');
        if (!is_name_segment(name.substr(0, slash))) {
            return false;
        }
        if (slash == std::string_view::npos) {
            return true;
        }
        name.remove_prefix(slash + 1);
    }
}

bool is_tag(std::string_view tag) noexcept {
    if (tag.empty() || tag.size() > kMaxTag || tag.front() == '.' ||
        tag.front() == '-') {
        return false;
    }
    for (char c : tag) {
        if (!is_lower_alnum(c) && !(c >= 'A' && c <= 'Z') && c != '_' &&
            c != '.' && c != '-') {
            return false;
        }
    }
    return true;
}

bool is_upload_id(std::string_view id) noexcept {
    if (id.size() != 36) {
        return false;
    }
    for (std::size_t i = 0; i < id.size(); ++i) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex =
            (id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'f');
        if (dash ? id[i] != '-' : !hex) {
            return false;
        }
    }
    return true;
}

}  // namespace longshore
