#include "formats/debian/deb_file.hpp"

#include <optional>

#include "archive/reader.hpp"
#include "common/extra_hashes.hpp"
#include "common/protocol.hpp"
#include "formats/debian/names.hpp"
#include "syntax/debian_version.hpp"

namespace longshore::debian {
namespace {

Error broken(std::string_view what) {
    return Error{Code::invalid_argument,
                 "not a Debian package: " + std::string(what)};
}

// What stands behind "control.tar" or "data.tar"; nullopt: another name.
std::optional<Kinds> kinds_of(std::string_view name, std::string_view base) {
    if (!name.starts_with(base)) {
        return std::nullopt;
    }
    auto rest = name.substr(base.size());
    if (rest.empty()) {
        return Kind::tar | Kind::plain;
    }
    if (rest == ".gz") {
        return Kind::tar | Kind::gzip;
    }
    if (rest == ".xz") {
        return Kind::tar | Kind::xz;
    }
    if (rest == ".zst") {
        return Kind::tar | Kind::zstd;
    }
    if (rest == ".bz2") {
        return Kind::tar | Kind::bzip2;
    }
    return rest == ".lzma" ? std::optional<Kinds>(Kind::tar | Kind::lzma)
                           : std::nullopt;
}

Result<std::string> read_control(ArchiveReader reader) {
    std::optional<std::string> text;
    ArchiveEntry entry;
    for (;;) {
        LS_TRY(more, reader.next(entry));
        if (!more) {
            break;
        }
        if (entry.path == "control" && entry.type == EntryType::file) {
            LS_TRY(bytes, reader.read_entry(kMaxControl));
            text = std::move(bytes);
        }
    }
    if (!text) {
        return broken("its control archive has no control file");
    }
    return std::move(*text);
}

Result<std::string> read_contents(ArchiveReader reader) {
    std::string paths;
    ArchiveEntry entry;
    for (;;) {
        LS_TRY(more, reader.next(entry));
        if (!more) {
            return paths;
        }
        if (entry.type == EntryType::folder) {
            continue;
        }
        if (paths.size() + entry.path.size() >= kMaxContents) {
            return Error{Code::too_large,
                         "the paths in a package have at most " +
                             std::to_string(kMaxContents) + " bytes"};
        }
        paths += entry.path;
        paths += '\n';
    }
}

// Members whose names begin with "_" may stand before the data, deb(5).
Result<Kinds> next_member(ArchiveReader& reader, std::string_view base) {
    ArchiveEntry entry;
    for (;;) {
        LS_TRY(more, reader.next(entry));
        if (!more) {
            return broken("it has no " + std::string(base));
        }
        if (auto kinds = kinds_of(entry.path, base)) {
            return *kinds;
        }
        if (!entry.path.starts_with("_")) {
            return broken(std::string(base) + " is wanted where " +
                          entry.path.substr(0, 64) + " is");
        }
    }
}

Result<void> check_control(DebFile& deb) {
    const auto& control = deb.control;
    deb.name = control.get("Package");
    deb.architecture = control.get("Architecture");
    if (!is_package(deb.name)) {
        return broken("bad name: " + deb.name.substr(0, 128));
    }
    if (!is_architecture(deb.architecture) || deb.architecture == "source") {
        return broken("bad architecture: " + deb.architecture.substr(0, 64));
    }
    LS_TRY(version, parse_debian_version(control.get("Version")));
    deb.version = std::move(version);
    return {};
}

}  // namespace

Result<DebFile> read_deb(const ByteSource& source) {
    ArchiveLimits limits;
    limits.far_links = FarLinks::allow;
    LS_TRY(reader, ArchiveReader::open(source, Kind::ar | Kind::plain, limits));
    ArchiveEntry entry;
    LS_TRY(any, reader.next(entry));
    if (!any || entry.path != "debian-binary") {
        return broken("debian-binary does not come first");
    }
    LS_TRY(format, reader.read_entry(64));
    if (!format.starts_with("2.")) {
        return broken("its format is not 2");
    }
    LS_TRY(control_kinds, next_member(reader, "control.tar"));
    LS_TRY(control_archive, reader.open_nested(control_kinds));
    LS_TRY(control, read_control(std::move(control_archive)));
    LS_TRY(data_kinds, next_member(reader, "data.tar"));
    LS_TRY(data_archive, reader.open_nested(data_kinds));
    DebFile deb;
    LS_TRY(contents, read_contents(std::move(data_archive)));
    deb.contents = std::move(contents);
    LS_TRY(more, reader.next(entry));
    if (more && !entry.path.starts_with("_")) {
        return broken("something follows its data: " +
                      entry.path.substr(0, 64));
    }
    LS_TRY(stanza, read_stanza(control, kDebianControl));
    deb.control = std::move(stanza);
    LS_CHECK(check_control(deb));
    return deb;
}

std::string description_md5(std::string_view description) {
    std::string text;
    for (char c : description) {
        text += c;
        if (c == '\n') {
            text += ' ';
        }
    }
    text += '\n';
    ExtraHashes hash(kMd5);
    hash.update(text.data(), text.size());
    auto made = hash.finish();
    return made.empty() ? std::string() : made.front().substr(4);
}

}  // namespace longshore::debian
