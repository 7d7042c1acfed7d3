#include "formats/npm/name.hpp"

#include <algorithm>

#include "syntax/version.hpp"

namespace longshore::npm {
namespace {

constexpr std::size_t kMaxName = 214;
constexpr std::size_t kMaxTag = 128;

constexpr bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_part(std::string_view part) noexcept {
    return !part.empty() && part.front() != '.' && part.front() != '_' &&
           part != "-" && std::all_of(part.begin(), part.end(), [](char c) {
               return is_letter(c) || is_digit(c) || c == '-' || c == '_' ||
                      c == '.';
           });
}

// "v", "1", "1.x", "v1.2.3-rc": of the characters of a tag nothing else is one.
bool is_range(std::string_view text) noexcept {
    while (text.starts_with('v')) {
        text.remove_prefix(1);
    }
    for (int parts = 1; parts <= 3; ++parts) {
        auto end = std::find_if_not(text.begin(), text.end(), is_digit);
        auto size = static_cast<std::size_t>(end - text.begin());
        if (size == 0 && (text.starts_with('x') || text.starts_with('X'))) {
            size = 1;
        }
        if (size == 0) {
            return text.empty();
        }
        text.remove_prefix(size);
        if (text.empty() || parts == 3) {
            return true;
        }
        if (!text.starts_with('.')) {
            return false;
        }
        text.remove_prefix(1);
    }
    return true;
}

Error no_name(std::string_view name) {
    return {Code::invalid_argument,
            "no name of a package: " + std::string(name.substr(0, kMaxName))};
}

}  // namespace

Result<void> check_name(std::string_view name) {
    auto slash = name.find('/');
    bool scoped = name.starts_with('@');
    if (name.size() > kMaxName || scoped != (slash != name.npos)) {
        return no_name(name);
    }
    if (scoped && !is_part(name.substr(1, slash - 1))) {
        return no_name(name);
    }
    auto base = base_name(name);
    if (!is_part(base) || base == "node_modules" || base == "favicon.ico") {
        return no_name(name);
    }
    return {};
}

std::string_view base_name(std::string_view name) noexcept {
    auto slash = name.find('/');
    return slash == name.npos ? name : name.substr(slash + 1);
}

Result<Place> read_place(std::string_view path) {
    auto slash = path.find('/');
    if (path.starts_with('@') && slash != path.npos) {
        slash = path.find('/', slash + 1);
    }
    Place place;
    place.name = path.substr(0, slash);
    if (slash != path.npos) {
        place.version = path.substr(slash + 1);
    }
    if (!check_name(place.name) ||
        place.version.find('/') != std::string::npos) {
        return Error{Code::not_found, "no package has such a path"};
    }
    return place;
}

std::string tarball_path(std::string_view name, std::string_view version) {
    std::string path(name);
    path += "/-/";
    path += base_name(name);
    path += '-';
    path += version;
    return path + ".tgz";
}

std::string attestations_path(std::string_view name, std::string_view version) {
    std::string path = "-/npm/v1/attestations/";
    path += name;
    path += '@';
    return path.append(version);
}

std::string readme_path(std::string_view name, std::string_view version) {
    std::string path = "-/readme/";
    path += name;
    path += '/';
    return path.append(version);
}

Result<std::string> version_order(std::string_view version) {
    LS_TRY(read, parse_version(VersionScheme::npm, version));
    if (read.text != version) {
        return Error{Code::invalid_argument, "version " + std::string(version) +
                                                 " is to be written as " +
                                                 read.text};
    }
    return std::move(read.key);
}

Result<void> check_tag(std::string_view tag) {
    bool plain = std::all_of(tag.begin(), tag.end(), [](char c) {
        return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
    });
    if (!plain || tag.empty() || tag.size() > kMaxTag || is_range(tag)) {
        return Error{Code::invalid_argument,
                     "a tag is of letters, digits, \"-\", \"_\" and \".\" and "
                     "no range of versions: " +
                         std::string(tag.substr(0, kMaxTag))};
    }
    return {};
}

std::string revision_text(std::int64_t revision) {
    return std::to_string(revision) + "-npm";
}

Result<void> check_revision(std::string_view text, std::int64_t revision) {
    if (text != revision_text(revision)) {
        return Error{Code::conflict,
                     "the package was changed meanwhile: its revision is " +
                         revision_text(revision)};
    }
    return {};
}

}  // namespace longshore::npm
