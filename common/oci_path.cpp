#include "common/oci_path.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

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

// True if the decoded path holds what no path of the protocol may: control
// characters, a backslash, a segment "." or "..".
bool is_forbidden(std::string_view path) noexcept {
    // No way out of the blocks: the compiler makes vectors of them.
    unsigned bad = 0;
    auto look = [&bad](char c) {
        auto byte = static_cast<unsigned char>(c);
        bad |= static_cast<unsigned>(byte < 0x20) |
               static_cast<unsigned>(byte == 0x7f) |
               static_cast<unsigned>(byte == '\\');
    };
    std::size_t i = 0;
    for (; i + 16 <= path.size(); i += 16) {
        for (std::size_t j = 0; j < 16; ++j) {
            look(path[i + j]);
        }
    }
    for (; i < path.size(); ++i) {
        look(path[i]);
    }
    if (bad != 0) {
        return true;
    }
    for (auto dot = path.find('.'); dot != std::string_view::npos;
         dot = path.find('.', dot + 1)) {
        if (dot > 0 && path[dot - 1] != '/') {
            continue;
        }
        auto rest = path.substr(dot + 1);
        if (rest.starts_with('.')) {
            rest.remove_prefix(1);
        }
        if (rest.empty() || rest.front() == '/') {
            return true;
        }
    }
    return false;
}

// Decodes each raw segment once, into `out`; the bytes written. An escaped
// "/" is refused: after decoding it could not be told from a separator.
std::optional<std::size_t> decode_segments(std::string_view path,
                                           std::span<char> out) noexcept {
    if (out.size() < path.size()) {
        return std::nullopt;
    }
    std::size_t written = 0;
    std::size_t begin = 0;
    while (begin <= path.size()) {
        auto end = std::min(path.find('/', begin), path.size());
        char* decoded = out.data() + written;
        auto size = percent_decode(path.substr(begin, end - begin), decoded);
        if (!size || std::string_view(decoded, *size).find('/') !=
                         std::string_view::npos) {
            return std::nullopt;
        }
        written += *size;
        if (end != path.size()) {
            out[written++] = '/';
        }
        begin = end + 1;
    }
    return written;
}

// Takes "/<last>" off the right of `rest`.
std::string_view pop_segment(std::string_view& rest) noexcept {
    const auto* slash =
        static_cast<const char*>(::memrchr(rest.data(), '/', rest.size()));
    if (slash == nullptr) {
        return std::exchange(rest, {});
    }
    auto before = static_cast<std::size_t>(slash - rest.data());
    auto last = rest.substr(before + 1);
    rest = rest.substr(0, before);
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
    auto decoded = target;
    if (target.find('%') != std::string_view::npos) {
        auto size = decode_segments(target, scratch);
        if (!size) {
            path.problem = OciProblem::bad_escape;
            return path;
        }
        decoded = {scratch.data(), *size};
    }
    if (is_forbidden(decoded)) {
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
