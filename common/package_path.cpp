#include "common/package_path.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "common/encoding.hpp"
#include "common/oci_path.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxMount = 32;
constexpr std::size_t kMaxRepository = 128;
constexpr std::array<std::string_view, 4> kTaken = {"api", "token", "ui", "v2"};

bool is_mount(std::string_view text) noexcept {
    if (text.empty() || text.size() > kMaxMount || text.front() < 'a' ||
        text.front() > 'z') {
        return false;
    }
    bool plain = std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    });
    return plain &&
           std::find(kTaken.begin(), kTaken.end(), text) == kTaken.end();
}

// Of a name that has no "/" in it.
bool is_repository(std::string_view text) noexcept {
    return text.size() <= kMaxRepository && is_repository_name(text);
}

// Up to the next "/", which stays at the front of `text`.
std::string_view pop_front(std::string_view& text) noexcept {
    auto size = std::min(text.find('/'), text.size());
    auto first = text.substr(0, size);
    text.remove_prefix(size);
    return first;
}

bool holds_forbidden_byte(std::string_view text) noexcept {
    return std::any_of(text.begin(), text.end(), [](char c) {
        auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f || byte == '\\';
    });
}

// Also when its escaped slashes are taken for slashes.
bool is_good_segment(std::string_view decoded) noexcept {
    if (holds_forbidden_byte(decoded)) {
        return false;
    }
    for (;;) {
        auto part = pop_front(decoded);
        if (part.empty() || part == "." || part == "..") {
            return false;
        }
        if (decoded.empty()) {
            return true;
        }
        decoded.remove_prefix(1);
    }
}

}  // namespace

std::optional<PackagePath> parse_package_path(
    std::string_view target) noexcept {
    if (!target.starts_with('/')) {
        return std::nullopt;
    }
    PackagePath path;
    auto mark = std::min(target.find('?'), target.size());
    path.query = target.substr(std::min(mark + 1, target.size()));
    auto left = target.substr(1, mark - 1);
    path.mount = pop_front(left);
    if (!is_mount(path.mount) || left.empty()) {
        return std::nullopt;
    }
    left.remove_prefix(1);
    path.repository = pop_front(left);
    if (!is_repository(path.repository)) {
        return std::nullopt;
    }
    path.rest = left;
    return path;
}

std::optional<PackageSegments> decode_segments(std::string_view rest) {
    PackageSegments out;
    if (!rest.empty() && rest.front() != '/') {
        return std::nullopt;
    }
    while (!rest.empty()) {
        rest.remove_prefix(1);
        if (rest.empty()) {
            out.ends_in_slash = true;
            break;
        }
        auto decoded = percent_decode(pop_front(rest));
        if (!decoded || !is_good_segment(*decoded)) {
            return std::nullopt;
        }
        out.segments.push_back(*std::move(decoded));
    }
    return out;
}

}  // namespace longshore
