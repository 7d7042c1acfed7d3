// Names that a Debian archive is made of, and where its files lie. What
// stands here never leaves its folder and needs no escape but "+" and "~".
// Pure functions. Specification: Debian Policy 5.6; deb-version(7).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace longshore::debian {

/// "bookworm", "stable-updates", "main".
bool is_suite(std::string_view text) noexcept;
bool is_package(std::string_view text) noexcept;
bool is_architecture(std::string_view text) noexcept;
/// Of a file as dput sends it.
bool is_file_name(std::string_view text) noexcept;

/// The version as file names have it, without its epoch.
std::string_view without_epoch(std::string_view version) noexcept;

/// "pool/h/hello"
std::string pool_folder(std::string_view package);
/// "pool/h/hello/hello_2.10-3_amd64.deb"
std::string pool_path(std::string_view package, std::string_view version,
                      std::string_view architecture,
                      std::string_view extension);
/// "pool/h/hello/2.10-3": each source version has its own, so that none shares
/// its .orig.tar with another.
std::string source_folder(std::string_view source, std::string_view version);

/// A suite and one of its components.
struct Place {
    std::string suite;
    std::string component;
    bool operator==(const Place&) const = default;
};

/// Words of a text, at white space.
std::vector<std::string_view> words(std::string_view text);
std::vector<std::string_view> lines(std::string_view text);

}  // namespace longshore::debian
