// Arch Linux packages for pacman: <arch>/<name>.db and .files with their
// signatures, packages, uploaded signatures of packages.
// Specification: PKGBUILD(5), repo-add(8), pacman.conf(5).
// docs/formats/arch.md.
#include <algorithm>
#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "archive/compress.hpp"
#include "archive/reader.hpp"
#include "registry/package_format.hpp"
#include "registry/signer.hpp"
#include "syntax/base64_stream.hpp"
#include "syntax/control_file.hpp"
#include "syntax/version.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxPkgInfo = 1024 * 1024;
constexpr std::size_t kMaxSignature = 64 * 1024;
constexpr std::size_t kMaxFiles = 200'000;
constexpr std::size_t kPage = 1000;
constexpr auto kKinds =
    Kind::tar | Kind::zstd | Kind::xz | Kind::gzip | Kind::bzip2 | Kind::plain;
constexpr std::string_view kAny = "any";
constexpr std::string_view kScope = "db";

Error bad(std::string message) {
    return Error{Code::invalid_argument, std::move(message)};
}

// Letters of names, versions and architectures, see PKGBUILD(5).
bool is_word(std::string_view text, std::string_view more) {
    return !text.empty() && text.size() <= 255 && text.front() != '-' &&
           text.front() != '.' &&
           std::all_of(text.begin(), text.end(), [&](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (c >= '0' && c <= '9') || more.find(c) != more.npos;
           });
}

// Fields of .PKGINFO and the headings of desc that they stand under, in the
// order of repo-add.
struct Field {
    std::string_view info;
    std::string_view heading;
    bool list;
};
constexpr std::array kBefore = {
    Field{"pkgname", "NAME", false},   Field{"pkgbase", "BASE", false},
    Field{"pkgver", "VERSION", false}, Field{"pkgdesc", "DESC", false},
    Field{"group", "GROUPS", true},
};
constexpr std::array kAfter = {
    Field{"url", "URL", false},
    Field{"license", "LICENSE", true},
    Field{"arch", "ARCH", false},
    Field{"builddate", "BUILDDATE", false},
    Field{"packager", "PACKAGER", false},
    Field{"replaces", "REPLACES", true},
    Field{"conflict", "CONFLICTS", true},
    Field{"provides", "PROVIDES", true},
    Field{"depend", "DEPENDS", true},
    Field{"optdepend", "OPTDEPENDS", true},
    Field{"makedepend", "MAKEDEPENDS", true},
    Field{"checkdepend", "CHECKDEPENDS", true},
};

void add_section(std::string& text, std::string_view heading,
                 const std::vector<std::string>& values) {
    if (values.empty()) {
        return;
    }
    text += "%" + std::string(heading) + "%\n";
    for (const auto& value : values) {
        text += value + "\n";
    }
    text += "\n";
}

struct Facts {
    std::string name;
    std::string version;
    std::string arch;
    std::string summary;
    Json info = Json::object();  // field → list of values
    Json files = Json::array();
};

Result<Facts> read_facts(const ByteSource& source) {
    ArchiveLimits limits;
    limits.far_links = FarLinks::allow;
    LS_TRY(reader, ArchiveReader::open(source, kKinds, limits));
    Facts facts;
    std::string text;
    ArchiveEntry entry;
    for (;;) {
        LS_TRY(more, reader.next(entry));
        if (!more) {
            break;
        }
        if (entry.path == ".PKGINFO") {
            LS_TRY(read, reader.read_entry(kMaxPkgInfo));
            text = std::move(read);
        } else if (!entry.path.starts_with('.')) {
            facts.files.push_back(entry.path +
                                  (entry.type == EntryType::folder ? "/" : ""));
        }
        if (facts.files.size() > kMaxFiles) {
            return bad("a package has at most 200000 files");
        }
    }
    if (text.empty()) {
        return bad("the archive has no .PKGINFO");
    }
    LS_TRY(stanza, read_stanza(text, kPkgInfo));
    for (const auto& field : stanza.fields()) {
        facts.info[field.name].push_back(field.value);
    }
    facts.name = stanza.get("pkgname");
    facts.version = stanza.get("pkgver");
    facts.arch = stanza.get("arch");
    facts.summary = stanza.get("pkgdesc");
    return facts;
}

Result<std::string> check_facts(const Facts& facts) {
    if (!is_word(facts.name, "@._+-") || !is_word(facts.arch, "_-")) {
        return bad(
            ".PKGINFO needs pkgname and arch of letters, digits and "
            "@ . _ + -");
    }
    LS_TRY(version, parse_version(VersionScheme::pacman, facts.version));
    if (!is_word(facts.version, ".:_+~-") ||
        facts.version.find('-') == std::string::npos) {
        return bad("pkgver is [epoch:]version-release");
    }
    return version.key;
}

std::string file_name(const Facts& facts, std::string_view suffix) {
    return facts.name + "-" + facts.version + "-" + facts.arch +
           std::string(suffix);
}

std::string_view suffix_of(std::string_view name) {
    constexpr std::array<std::string_view, 5> kSuffixes = {
        ".pkg.tar.zst", ".pkg.tar.xz", ".pkg.tar.gz", ".pkg.tar.bz2",
        ".pkg.tar"};
    for (auto suffix : kSuffixes) {
        if (name.ends_with(suffix)) {
            return suffix;
        }
    }
    return {};
}

// A signature goes into the data of the file it signs.
Result<Reply> put_signature(Context& ctx, const Request& request,
                            std::string name) {
    LS_TRY(source, ctx.blobs.open(request));
    LS_TRY(bytes, Blobs::read_all(*source, kMaxSignature));
    name.resize(name.size() - std::string_view(".sig").size());
    LS_TRY(entry, ctx.packages.file(*ctx.access, "packages/" + name));
    auto change = [&](StoredPackage& package) -> Result<void> {
        for (auto& version : package.versions) {
            for (auto& file : version.files) {
                if (file.id == entry.file.id) {
                    auto data = Json::parse(file.data, nullptr, false);
                    data["signature"] = base64_encode(bytes);
                    file.data = data.dump();
                }
            }
        }
        return {};
    };
    EditOptions options{"package.sign", name, std::string(request.request_id)};
    LS_TRY(written, ctx.package_publisher.edit(*ctx.access, entry.package_key,
                                               change, options));
    return written_reply(201, std::move(written));
}

Result<Reply> put_package(Context& ctx, const Request& request) {
    const auto& name = request.parameter("file");
    if (name.ends_with(".sig")) {
        return put_signature(ctx, request, name);
    }
    auto suffix = suffix_of(name);
    if (suffix.empty()) {
        return bad("a package's file ends in .pkg.tar.zst, .xz, .gz or .bz2");
    }
    LS_TRY(blob,
           ctx.blobs.stage(request, static_cast<std::uint8_t>(Extra::md5)));
    LS_TRY(source, blob.open());
    LS_TRY(facts, read_facts(*source));
    LS_TRY(sort_key, check_facts(facts));
    if (file_name(facts, suffix) != name) {
        return bad("the file is " + file_name(facts, suffix) + ", not " + name);
    }
    PackageDraft draft;
    draft.name = draft.key = facts.name;
    draft.version = draft.version_key = facts.version;
    draft.sort_key = std::move(sort_key);
    draft.summary = facts.summary;
    draft.if_exists = IfExists::add;  // of another architecture
    draft.same_bytes_are_fine = true;
    FileDraft file;
    file.path = "packages/" + name;
    file.blob = std::move(blob);
    file.role = facts.arch;
    file.data = Json{{"info", facts.info}, {"files", facts.files}}.dump(
        -1, ' ', false, Json::error_handler_t::replace);
    draft.files.push_back(std::move(file));
    draft.request_id = request.request_id;
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    return written_reply(201, std::move(written));
}

Result<Reply> delete_package(Context& ctx, const Request& request) {
    const auto& name = request.parameter("file");
    LS_TRY(entry, ctx.packages.file(*ctx.access, "packages/" + name));
    auto change = [&](StoredPackage& package) -> Result<void> {
        std::erase_if(package.versions, [&](auto& version) {
            std::erase_if(version.files, [&](const auto& file) {
                return file.id == entry.file.id;
            });
            return version.files.empty();
        });
        return {};
    };
    EditOptions options{"package.delete", name,
                        std::string(request.request_id)};
    LS_TRY(written, ctx.package_publisher.edit(*ctx.access, entry.package_key,
                                               change, options));
    return written_reply(204, std::move(written));
}

// <name>.db, .files, with .tar.gz and .sig: whatever name the section of
// pacman.conf has. Everything else is a package or its signature.
Result<Reply> get_file(Context& ctx, const Request& request) {
    const auto& arch = request.parameter("arch");
    const auto& name = request.parameter("file");
    std::string_view rest(name);
    bool is_signature = rest.ends_with(".sig");
    rest.remove_suffix(is_signature ? 4 : 0);
    rest.remove_suffix(rest.ends_with(".tar.gz") ? 7 : 0);
    for (std::string_view kind : {"db", "files"}) {
        if (rest.ends_with("." + std::string(kind))) {
            auto path = "/" + std::string(kind) + (is_signature ? ".sig" : "");
            auto found = ctx.indexes.serve(*ctx.repository, request, kScope,
                                           arch + path, "");
            // Of an architecture without packages of its own.
            return found || found.error().code != Code::not_found
                       ? std::move(found)
                       : ctx.indexes.serve(*ctx.repository, request, kScope,
                                           std::string(kAny) + path, "");
        }
    }
    if (!is_signature) {
        LS_TRY(entry, ctx.packages.file(*ctx.access, "packages/" + name));
        return file_reply(ctx, entry);
    }
    LS_TRY(entry,
           ctx.packages.file(*ctx.access,
                             "packages/" + name.substr(0, name.size() - 4)));
    auto data = Json::parse(entry.file.data, nullptr, false);
    auto signature = data.value("signature", std::string());
    if (signature.empty()) {
        return Error{Code::not_found, "the package has no signature"};
    }
    LS_TRY(bytes, base64_decode(signature));
    auto reply = json_document(ctx, std::move(bytes), entry.package_key);
    reply.media_type = "application/pgp-signature";
    return reply;
}

Result<Reply> get_key(Context& ctx, const Request&) {
    LS_TRY(keys, ctx.signing->public_keys_armored(ctx.repository->id));
    auto reply = json_document(ctx, std::move(keys));
    reply.media_type = "application/pgp-keys";
    return reply;
}

// A ustar archive of folders with one file each or more. POSIX.1-1988.
class Tar {
public:
    void folder(const std::string& path) { header(path + "/", 0, '5', 0755); }

    void file(const std::string& path, std::string_view text) {
        header(path, text.size(), '0', 0644);
        bytes_ += text;
        bytes_.append((512 - text.size() % 512) % 512, '\0');
    }

    std::string finish() {
        bytes_.append(1024, '\0');
        return std::move(bytes_);
    }

private:
    static void octal(std::string& header, std::size_t at, std::size_t digits,
                      std::uint64_t value) {
        for (auto i = digits; i > 0; --i, value >>= 3) {
            header[at + i - 1] = static_cast<char>('0' + (value & 7));
        }
    }

    void header(const std::string& path, std::size_t size, char type,
                std::uint64_t mode) {
        std::string block(512, '\0');
        // Longer than 100: the folder goes before, at most 155.
        auto split = path.size() <= 100 ? std::string::npos
                                        : path.rfind('/', path.size() - 2);
        auto leaf = split == std::string::npos ? path : path.substr(split + 1);
        block.replace(0, leaf.size(), leaf);
        if (split != std::string::npos) {
            block.replace(345, split, path.substr(0, split));
        }
        octal(block, 100, 7, mode);
        octal(block, 108, 7, 0);
        octal(block, 116, 7, 0);
        octal(block, 124, 11, size);
        octal(block, 136, 11, 0);
        block.replace(148, 8, 8, ' ');
        block[156] = type;
        block.replace(257, 8,
                      std::string("ustar\0"
                                  "00",
                                  8));
        std::uint64_t sum = 0;
        for (char c : block) {
            sum += static_cast<unsigned char>(c);
        }
        octal(block, 148, 6, sum);
        block[154] = '\0';
        bytes_ += block;
    }

    std::string bytes_;
};

std::vector<std::string> values_of(const Json& info, std::string_view field) {
    auto found = info.find(std::string(field));
    return found == info.end() ? std::vector<std::string>()
                               : found->get<std::vector<std::string>>();
}

template <typename Fields>
void add_fields(std::string& text, const Json& info, const Fields& fields) {
    for (const auto& field : fields) {
        auto values = values_of(info, field.info);
        if (!field.list && values.size() > 1) {
            values.resize(1);
        }
        add_section(text, field.heading, values);
    }
}

std::string desc_of(const PackageFile& one, const Json& data) {
    const auto& file = one.file;
    auto info = data.value("info", Json::object());
    std::string text;
    add_section(text, "FILENAME",
                {file.path.substr(std::string_view("packages/").size())});
    add_fields(text, info, kBefore);
    add_section(text, "CSIZE", {std::to_string(file.size_bytes)});
    auto size = values_of(info, "size");
    add_section(text, "ISIZE", size);
    add_section(text, "MD5SUM", {file.digests.md5});
    add_section(text, "SHA256SUM", {std::string(file.digest.encoded())});
    auto signature = data.value("signature", std::string());
    if (!signature.empty()) {
        add_section(text, "PGPSIG", {signature});
    }
    add_fields(text, info, kAfter);
    return text;
}

constexpr std::array kRoutes = {
    Route{Method::get, "/key.asc", Action::pull, true, get_key},
    Route{.method = Method::put,
          .pattern = "/{file}",
          .action = Action::push,
          .named = true,
          .handle = put_package,
          .body = BodyMode::spool,
          .algorithms = static_cast<std::uint8_t>(Extra::md5)},
    Route{Method::remove, "/{file}", Action::remove, true, delete_package},
    Route{Method::get, "/{arch}/{file}", Action::pull, true, get_file},
};

class Arch final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 2> kMounts = {"arch",
                                                                    "pacman"};
        static constexpr std::array kSetup = {
            SetupFile{"/etc/pacman.conf",
                      "[{repository}]\n"
                      "SigLevel = PackageOptional DatabaseRequired\n"
                      "Server = {url}/$arch\n"},
            SetupFile{"{home}/.netrc",
                      "machine {name} login {user} password {token}\n"},
            SetupFile{
                "",
                "curl -fsSn --retry 3 -o /etc/pacman.d/{repository}.asc "
                "{url}/key.asc\n"
                "pacman-key --add /etc/pacman.d/{repository}.asc\n"
                "gpg --homedir /etc/pacman.d/gnupg --show-keys --with-colons "
                "/etc/pacman.d/{repository}.asc | awk -F: '/^pub/ {p=1} "
                "/^fpr/ {if (p) print $10; p=0}' | xargs pacman-key "
                "--lsign-key\n"
                "curl -fnT FILE {url}/\n",
                "#",
                "gpg --homedir /etc/pacman.d/gnupg --show-keys --with-colons "
                "/etc/pacman.d/{repository}.asc | awk -F: '/^pub/ {p=1} "
                "/^fpr/ {if (p) print $10; p=0}' | xargs pacman-key "
                "--delete\n"
                "rm -f /etc/pacman.d/{repository}.asc\n"}};
        static constexpr FormatInfo kInfo{
            .key = "arch",
            .title = "Arch Linux packages",
            .mount = "",
            .specification = "https://man.archlinux.org/man/repo-add.8",
            .mounts = kMounts,
            .index = IndexKind::plain,
            .setup = kSetup};
        return kInfo;
    }

    std::span<const Route> routes() const override { return kRoutes; }

    // All architectures together: a package for any of them is in all.
    std::vector<std::string> scopes(const StoredPackage&) const override {
        return {std::string(kScope)};
    }

    Result<void> reindex(IndexContext& ctx,
                         std::string_view scope) const override;
};

// The newest of each name, as repo-add leaves it.
using Newest = std::map<std::string, PackageFile>;

Result<void> put_databases(IndexContext& ctx, std::string_view arch,
                           const Newest& newest) {
    Tar db;
    Tar files_db;
    for (const auto& [name, one] : newest) {
        auto data = Json::parse(one.file.data, nullptr, false);
        if (!data.is_object()) {
            return Error{Code::corrupt, "a package without its facts"};
        }
        auto folder = name + "-" + one.version.version;
        auto desc = desc_of(one, data);
        std::string list = "%FILES%\n";
        for (const auto& file : data.value("files", Json::array())) {
            list += file.get<std::string>() + "\n";
        }
        db.folder(folder);
        db.file(folder + "/desc", desc);
        files_db.folder(folder);
        files_db.file(folder + "/desc", desc);
        files_db.file(folder + "/files", list);
    }
    for (auto* tar : {&db, &files_db}) {
        auto path = std::string(arch) + (tar == &db ? "/db" : "/files");
        auto bytes = compress(Encoding::gzip, tar->finish());
        LS_TRY(signature,
               ctx.signing()->detach_sign_binary(ctx.repository().id, bytes));
        LS_TRY(made, ctx.put(path, bytes, {.media_type = "application/gzip"}));
        LS_TRY(beside, ctx.put(path + ".sig", signature,
                               {.media_type = "application/pgp-signature"}));
        static_cast<void>(made);
        static_cast<void>(beside);
    }
    return {};
}

Result<void> Arch::reindex(IndexContext& ctx, std::string_view) const {
    std::map<std::string, std::vector<PackageFile>> by_arch = {
        {std::string(kAny), {}}};
    for (std::int64_t last = 0;;) {
        LS_TRY(files, ctx.files(kPage, last));
        for (auto& one : files) {
            last = one.file.id;
            by_arch[one.file.role].push_back(std::move(one));
        }
        if (files.size() < kPage) {
            break;
        }
    }
    for (const auto& [arch, own] : by_arch) {
        Newest newest;
        const std::array<const std::vector<PackageFile>*, 2> lists = {
            &by_arch[std::string(kAny)], &own};
        for (const auto* list : lists) {
            for (const auto& one : *list) {
                auto& place = newest[one.package_key];
                if (place.version.sort_key <= one.version.sort_key) {
                    place = one;
                }
            }
        }
        LS_CHECK(put_databases(ctx, arch, newest));
    }
    return {};
}

}  // namespace

namespace formats {

const Format& arch() {
    static const Arch kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
