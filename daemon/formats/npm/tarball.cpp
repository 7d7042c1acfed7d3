#include "formats/npm/tarball.hpp"

#include "archive/reader.hpp"
#include "common/text.hpp"
#include "formats/npm/body.hpp"

namespace longshore::npm {
namespace {

constexpr std::uint64_t kMaxManifest = 1024 * 1024;

// Its name within the package if it lies directly in it.
std::string_view top_name(const ArchiveEntry& entry) noexcept {
    std::string_view path(entry.path);
    auto slash = path.find('/');
    if (entry.type != EntryType::file || slash == path.npos) {
        return {};
    }
    path.remove_prefix(slash + 1);
    return path.find('/') == path.npos ? path : std::string_view();
}

bool is_readme(std::string_view name) noexcept {
    constexpr std::string_view kName = "readme";
    return name.size() >= kName.size() &&
           equal_ignoring_case(name.substr(0, kName.size()), kName) &&
           (name.size() == kName.size() || name[kName.size()] == '.');
}

// "README.md" before any other.
bool is_better(std::string_view name, std::string_view known) noexcept {
    return known.empty() || (equal_ignoring_case(name, "readme.md") &&
                             !equal_ignoring_case(known, "readme.md"));
}

Result<void> read_manifest(ArchiveReader& reader, TarballFacts& facts) {
    if (!facts.manifest.is_null()) {
        return Error{Code::invalid_argument,
                     "the package has two files package.json"};
    }
    LS_TRY(text, reader.read_entry(kMaxManifest));
    constexpr std::string_view kMark = "\xef\xbb\xbf";
    auto json = read_object(std::string_view(text).substr(
        text.starts_with(kMark) ? kMark.size() : 0));
    if (!json) {
        return Error{json.error().code,
                     "package.json in the package: " + json.error().message};
    }
    facts.manifest = std::move(*json);
    return {};
}

Result<void> read_readme(ArchiveReader& reader, std::string& out) {
    bool cut = false;
    out.clear();
    LS_CHECK(reader.read_entry([&](std::string_view piece) -> Result<void> {
        cut = cut || piece.size() > kMaxReadme - out.size();
        out += piece.substr(0, kMaxReadme - out.size());
        return {};
    }));
    if (cut && utf8_prefix(out) + 4 > out.size()) {
        out.resize(utf8_prefix(out));
    }
    out = to_utf8(out);
    return {};
}

}  // namespace

Result<TarballFacts> inspect_tarball(const ByteSource& source) {
    LS_TRY(reader, ArchiveReader::open(source, Kind::tar | Kind::gzip));
    TarballFacts facts;
    ArchiveEntry entry;
    for (;;) {
        LS_TRY(more, reader.next(entry));
        if (!more) {
            break;
        }
        if (entry.type != EntryType::file) {
            continue;
        }
        ++facts.files;
        facts.unpacked_bytes += entry.size.value_or(0);
        auto name = top_name(entry);
        if (name == "package.json") {
            LS_CHECK(read_manifest(reader, facts));
        } else if (is_readme(name) && is_better(name, facts.readme_name)) {
            facts.readme_name = name;
            LS_CHECK(read_readme(reader, facts.readme));
        }
        facts.has_shrinkwrap |= name == "npm-shrinkwrap.json";
        facts.has_binding_gyp |= name == "binding.gyp";
    }
    if (facts.manifest.is_null()) {
        return Error{Code::invalid_argument,
                     "there is no package.json in the package"};
    }
    return facts;
}

}  // namespace longshore::npm
