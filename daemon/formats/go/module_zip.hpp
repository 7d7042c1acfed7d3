// Module archives: the checks of golang.org/x/mod/zip (CheckZip) and the hash
// "h1:" of golang.org/x/mod/sumdb/dirhash. Pure but for the source it reads.
// @errors of all functions here: invalid_argument, too_large, and those of
// the source
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/byte_source.hpp"
#include "common/result.hpp"
#include "formats/go/go_mod.hpp"

namespace longshore::go {

inline constexpr std::uint64_t kMaxZip = std::uint64_t{500} << 20;
inline constexpr std::uint64_t kMaxGoMod = std::uint64_t{16} << 20;

struct Module {
    std::string path;
    std::string version;
    std::string sort_key;
    std::string go_mod;  // its text; made up where the archive has none
    std::vector<Retraction> retractions;
    std::string zip_hash;     // "h1:…", as go.sum has it
    std::string go_mod_hash;  // the same of /go.mod
};

/// What the archive's first entry says that it is: "path@version/…".
struct ModuleName {
    std::string path;
    std::string version;
};
Result<ModuleName> name_in_zip(const ByteSource& source);

/// Checks all of an archive, which must be of that module and version.
Result<Module> read_module(const ByteSource& source, const ModuleName& name);

}  // namespace longshore::go
