#include "formats/go/module_zip.hpp"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "archive/budget.hpp"
#include "archive/reader.hpp"
#include "archive/zip_check.hpp"
#include "common/encoding.hpp"
#include "common/hash.hpp"
#include "formats/go/base64.hpp"
#include "formats/go/module_path.hpp"
#include "formats/go/unicode.hpp"

namespace longshore::go {
namespace {

constexpr std::uint64_t kMaxLicense = std::uint64_t{16} << 20;
// Of all names in an archive together: they are in memory at once.
constexpr std::size_t kMaxNames = std::size_t{8} << 20;
constexpr std::size_t kMaxTextInMemory = std::size_t{16} << 20;

Error bad(std::string message) {
    return Error{Code::invalid_argument, std::move(message)};
}

ArchiveLimits limits() {
    ArchiveLimits limits;
    limits.max_total_bytes = kMaxZip;
    limits.max_memory_bytes = kMaxTextInMemory;
    // Whatever module.CheckFilePath takes; the reader has no say in names.
    limits.max_path_depth = 1000;
    return limits;
}

struct Entry {
    std::string name;  // as it is in the archive
    std::uint64_t size = 0;
};

// The names before any reader has made them regular.
Result<std::vector<Entry>> read_directory(const ByteSource& source) {
    ArchiveBudget budget(limits(), source.size());
    LS_TRY(records, check_zip(source, limits(), budget));
    std::vector<Entry> entries;
    std::size_t bytes = 0;
    for (const auto& record : records) {
        LS_TRY(name, zip_name(source, record.offset));
        bytes += name.size();
        if (bytes > kMaxNames) {
            return Error{Code::too_large,
                         "the names in the archive are more "
                         "than 8 MiB"};
        }
        entries.push_back({std::move(name), record.size});
    }
    if (entries.empty()) {
        return bad("the archive is empty");
    }
    return entries;
}

std::string folded(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        auto c = take_character(text);
        if (!c) {
            return out;  // names were checked
        }
        // Only to be compared: four bytes for what is not ASCII.
        auto low = static_cast<std::uint32_t>(fold(*c));
        if (low < 0x80) {
            out += static_cast<char>(low);
            continue;
        }
        for (int shift = 24; shift >= 0; shift -= 8) {
            out += static_cast<char>(low >> shift | (shift == 24 ? 0x80 : 0));
        }
    }
    return out;
}

// Names that differ in case alone are one on some systems; a folder is known
// by what lies in it too.
class Names {
public:
    Result<void> add(std::string_view path, bool folder) {
        auto [known, is_new] =
            seen_.try_emplace(folded(path), Seen{std::string(path), folder});
        const auto& other = known->second;
        if (!is_new && other.path != path) {
            return bad("case-insensitive file name collision: \"" + other.path +
                       "\" and \"" + std::string(path) + "\"");
        }
        if (!is_new && (!folder || !other.folder)) {
            return bad("the archive has \"" + std::string(path) + "\" twice");
        }
        auto slash = path.rfind('/');
        return is_new && slash != path.npos ? add(path.substr(0, slash), true)
                                            : Result<void>();
    }

private:
    struct Seen {
        std::string path;
        bool folder = false;
    };
    std::unordered_map<std::string, Seen> seen_;
};

bool is_go_mod(std::string_view name) {
    return folded(name) == "go.mod";
}

Result<void> check_file(std::string_view name, std::uint64_t size) {
    auto slash = name.rfind('/');
    auto leaf = slash == name.npos ? name : name.substr(slash + 1);
    if (is_go_mod(leaf) && leaf != name) {
        return bad("go.mod file not in module root directory: " +
                   std::string(name));
    }
    if (is_go_mod(name) && name != "go.mod") {
        return bad("go.mod files must have lowercase names");
    }
    if (name == "go.mod" && size > kMaxGoMod) {
        return Error{Code::too_large, "go.mod is larger than 16 MiB"};
    }
    if (name == "LICENSE" && size > kMaxLicense) {
        return Error{Code::too_large, "LICENSE is larger than 16 MiB"};
    }
    return {};
}

Result<void> check_names(const std::vector<Entry>& entries,
                         std::string_view prefix) {
    Names names;
    std::uint64_t total = 0;
    for (const auto& entry : entries) {
        std::string_view name = entry.name;
        if (!name.starts_with(prefix)) {
            return bad("\"" + entry.name + "\" does not lie in \"" +
                       std::string(prefix) + "\"");
        }
        name.remove_prefix(prefix.size());
        if (name.empty()) {
            continue;
        }
        bool folder = name.ends_with('/');
        name.remove_suffix(folder ? 1 : 0);
        LS_CHECK(check_file_path(name));
        LS_CHECK(names.add(name, folder));
        if (folder) {
            continue;
        }
        LS_CHECK(check_file(name, entry.size));
        total += entry.size;
        if (total > kMaxZip) {
            return Error{Code::too_large,
                         "the files of the module are more than 500 MiB"};
        }
    }
    return {};
}

struct Line {
    std::string_view name;
    Digest digest;
};

// Sorted lines "<sha256 of the file>  <name>", hashed.
std::string dirhash(std::vector<Line>& lines) {
    std::sort(lines.begin(), lines.end(),
              [](const Line& a, const Line& b) { return a.name < b.name; });
    Hash hash(Algorithm::sha256);
    for (const auto& line : lines) {
        hash.update(line.digest.encoded());
        hash.update("  ");
        hash.update(line.name);
        hash.update("\n");
    }
    return "h1:" + base64(hex_decode(hash.digest().encoded()));
}

// Reads every file once: its hash, and the text of go.mod.
Result<std::vector<Line>> read_files(const ByteSource& source,
                                     const std::vector<Entry>& entries,
                                     std::string_view go_mod_name,
                                     std::optional<std::string>& go_mod) {
    LS_TRY(reader, ArchiveReader::open(source, Kind::zip, limits()));
    std::vector<Line> lines;
    lines.reserve(entries.size());
    for (const auto& known : entries) {
        std::string_view name = known.name;
        bool folder = name.ends_with('/');
        ArchiveEntry entry;
        LS_TRY(more, reader.next(entry));
        auto plain = name.substr(0, name.size() - (folder ? 1 : 0));
        auto wanted = folder ? EntryType::folder : EntryType::file;
        if (!more || entry.path != plain || entry.type != wanted) {
            return bad("\"" + known.name +
                       "\" is neither a regular file nor a folder");
        }
        Hash hash(Algorithm::sha256);
        if (name == go_mod_name) {
            LS_TRY(text, reader.read_entry(kMaxGoMod));
            hash.update(text);
            go_mod = std::move(text);
        } else if (!folder) {
            LS_CHECK(reader.read_entry([&](std::string_view bytes) {
                hash.update(bytes);
                return Result<void>();
            }));
        }
        lines.push_back({name, hash.digest()});
    }
    ArchiveEntry last;
    LS_TRY(more, reader.next(last));
    if (more) {
        return bad("the archive has entries that its directory does not list");
    }
    return lines;
}

}  // namespace

Result<ModuleName> name_in_zip(const ByteSource& source) {
    LS_TRY(entries, read_directory(source));
    std::string_view first = entries[0].name;
    auto at = first.find('@');
    auto slash = first.find('/', std::min(at, first.size()));
    if (at == first.npos || slash == first.npos) {
        return bad("the entries of the archive begin with MODULE@VERSION/");
    }
    return ModuleName{std::string(first.substr(0, at)),
                      std::string(first.substr(at + 1, slash - at - 1))};
}

Result<Module> read_module(const ByteSource& source, const ModuleName& name) {
    if (source.size() > kMaxZip) {
        return Error{Code::too_large, "a module's archive has at most 500 MiB"};
    }
    Module module;
    module.path = name.path;
    module.version = name.version;
    LS_CHECK(check_module_path(name.path));
    LS_TRY(sort_key, check_version(name.version));
    module.sort_key = std::move(sort_key);
    LS_CHECK(check_major(name.path, name.version));
    auto prefix = name.path + "@" + name.version + "/";
    LS_TRY(entries, read_directory(source));
    LS_CHECK(check_names(entries, prefix));
    std::optional<std::string> go_mod;
    LS_TRY(lines, read_files(source, entries, prefix + "go.mod", go_mod));
    module.zip_hash = dirhash(lines);
    if (go_mod) {
        if (name.version.ends_with("+incompatible")) {
            return bad("+incompatible is for modules without a go.mod");
        }
        LS_TRY(read, read_go_mod(*go_mod));
        if (read.module != name.path) {
            return bad("go.mod declares its path as: " + read.module +
                       " but is published as: " + name.path);
        }
        module.retractions = std::move(read.retractions);
    }
    module.go_mod = go_mod ? std::move(*go_mod) : "module " + name.path + "\n";
    std::vector<Line> one = {
        {"go.mod", digest_of(Algorithm::sha256, module.go_mod)}};
    module.go_mod_hash = dirhash(one);
    return module;
}

}  // namespace longshore::go
