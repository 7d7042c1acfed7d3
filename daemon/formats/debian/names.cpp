#include "formats/debian/names.hpp"

#include <algorithm>

namespace longshore::debian {
namespace {

bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}
bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}

// Begins with a letter or digit and goes on with those and `others`.
bool is_word(std::string_view text, std::size_t longest, bool upper,
             std::string_view others) noexcept {
    auto plain = [&](char c) {
        return is_lower(c) || is_digit(c) || (upper && is_upper(c));
    };
    return !text.empty() && text.size() <= longest && plain(text.front()) &&
           std::all_of(text.begin(), text.end(), [&](char c) {
               return plain(c) || others.find(c) != others.npos;
           });
}

std::vector<std::string_view> split(std::string_view text,
                                    std::string_view at) {
    std::vector<std::string_view> out;
    for (std::size_t from = 0; from < text.size();) {
        auto end = std::min(text.find_first_of(at, from), text.size());
        if (end > from) {
            out.push_back(text.substr(from, end - from));
        }
        from = end + 1;
    }
    return out;
}

}  // namespace

bool is_suite(std::string_view text) noexcept {
    return is_word(text, 64, true, ".+~_-");
}

bool is_package(std::string_view text) noexcept {
    return text.size() >= 2 && is_word(text, 128, false, "+.-");
}

bool is_architecture(std::string_view text) noexcept {
    return is_word(text, 64, false, "-");
}

bool is_file_name(std::string_view text) noexcept {
    return is_word(text, 255, true, "+.~_:-");
}

std::string_view without_epoch(std::string_view version) noexcept {
    auto colon = version.find(':');
    return colon == version.npos ? version : version.substr(colon + 1);
}

std::string pool_folder(std::string_view package) {
    auto first = package.substr(0, package.starts_with("lib") ? 4 : 1);
    return "pool/" + std::string(first) + "/" + std::string(package);
}

std::string pool_path(std::string_view package, std::string_view version,
                      std::string_view architecture,
                      std::string_view extension) {
    auto path = pool_folder(package) + "/" + std::string(package) + "_";
    path += without_epoch(version);
    path += "_" + std::string(architecture) + std::string(extension);
    return path;
}

std::string source_folder(std::string_view source, std::string_view version) {
    return pool_folder(source) + "/" + std::string(without_epoch(version));
}

std::vector<std::string_view> words(std::string_view text) {
    return split(text, " \t\n");
}

std::vector<std::string_view> lines(std::string_view text) {
    return split(text, "\n");
}

}  // namespace longshore::debian
