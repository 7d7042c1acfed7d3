// Maven repositories: PUT and GET by path, metadata that is derived at all
// three levels, checksums of everything, snapshots.
// Specification: Maven, "Repository Layout", "Repository Metadata"; Resolver,
// "Included/Expected checksums". docs/formats/maven.md.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "archive/reader.hpp"
#include "common/extra_hashes.hpp"
#include "http/date.hpp"
#include "registry/listing.hpp"
#include "registry/package_format.hpp"
#include "syntax/version.hpp"
#include "syntax/xml.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxPath = 1024;
constexpr std::size_t kMaxSmall = 1024 * 1024;
constexpr std::size_t kPage = 1000;
constexpr std::string_view kMetadata = "maven-metadata.xml";
constexpr std::string_view kSnapshot = "-SNAPSHOT";
constexpr auto kAlgorithms = Extra::md5 | Extra::sha1 | Extra::sha512;

Error bad(std::string message) {
    return Error{Code::invalid_argument, std::move(message)};
}

// A checksum beside a file: the suffix, and how it is had of a file.
struct Sum {
    std::string_view suffix;
    std::string (*of)(const StoredFile&);
};
constexpr std::array kSums = {
    Sum{".md5", [](const StoredFile& f) { return f.digests.md5; }},
    Sum{".sha1", [](const StoredFile& f) { return f.digests.sha1; }},
    Sum{".sha256",
        [](const StoredFile& f) { return std::string(f.digest.encoded()); }},
    Sum{".sha512", [](const StoredFile& f) { return f.digests.sha512; }},
};

const Sum* sum_of(std::string_view path) {
    for (const auto& sum : kSums) {
        if (path.ends_with(sum.suffix)) {
            return &sum;
        }
    }
    return nullptr;
}

std::string_view leaf_of(std::string_view path) {
    return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::string_view folder_of(std::string_view path) {
    auto slash = path.rfind('/');
    return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

bool is_snapshot(std::string_view version) {
    return version.ends_with(kSnapshot);
}

// A path of the layout: group as folders, artifactId, version, file.
struct Coordinates {
    std::string group;  // "org.example"
    std::string id;     // artifactId
    std::string version;
    std::string file;
    std::string extension;   // of the file, with its classifier before it
    std::string classifier;  // "sources", or ""

    std::string key() const { return group + ":" + id; }
};

std::string dotted(std::string_view folders) {
    std::string out(folders);
    std::replace(out.begin(), out.end(), '/', '.');
    return out;
}

std::string slashed(std::string_view group) {
    std::string out(group);
    std::replace(out.begin(), out.end(), '.', '/');
    return out;
}

// What follows "<artifactId>-<version>" in a file's name: "-classifier.ext".
void split_rest(std::string_view rest, Coordinates& at) {
    if (rest.starts_with('-')) {
        auto dot = rest.find('.');
        at.classifier = rest.substr(1, dot - 1);
        rest = dot == rest.npos ? std::string_view() : rest.substr(dot);
    }
    at.extension = rest.starts_with('.') ? rest.substr(1) : rest;
}

std::optional<Coordinates> read_path(std::string_view path) {
    auto folder = folder_of(path);
    auto above = folder_of(folder);
    Coordinates at;
    at.file = leaf_of(path);
    at.version = leaf_of(folder);
    at.id = leaf_of(above);
    at.group = dotted(folder_of(above));
    if (at.group.empty() || at.version.empty() || at.file.empty()) {
        return std::nullopt;
    }
    // A snapshot's file has a time in the place of the word.
    auto base = is_snapshot(at.version)
                    ? at.version.substr(0, at.version.size() - kSnapshot.size())
                    : at.version;
    auto prefix = at.id + "-" + base;
    if (!at.file.starts_with(prefix)) {
        return std::nullopt;
    }
    split_rest(std::string_view(at.file).substr(prefix.size()), at);
    return at;
}

// "20240131.235959-7" of a snapshot's file, and what follows it.
struct Snapshot {
    std::string timestamp;  // "20240131.235959"
    std::uint64_t build = 0;
    std::string classifier;
    std::string extension;
};

bool all_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c >= '0' && c <= '9';
    });
}

std::optional<Snapshot> read_snapshot(const Coordinates& at) {
    auto base = at.version.substr(0, at.version.size() - kSnapshot.size());
    std::string_view rest(at.file);
    rest.remove_prefix(at.id.size() + 1 + base.size());
    // -yyyyMMdd.HHmmss-<build>
    if (rest.size() < 18 || rest[0] != '-' || !all_digits(rest.substr(1, 8)) ||
        rest[9] != '.' || !all_digits(rest.substr(10, 6)) || rest[16] != '-') {
        return std::nullopt;
    }
    Snapshot out;
    out.timestamp = rest.substr(1, 15);
    rest.remove_prefix(17);
    auto end = rest.find_first_not_of("0123456789");
    auto digits = rest.substr(0, end);
    if (digits.empty() || digits.size() > 9 || end == rest.npos) {
        return std::nullopt;
    }
    for (char c : digits) {
        out.build = out.build * 10 + static_cast<std::uint64_t>(c - '0');
    }
    Coordinates tail;
    split_rest(rest.substr(end), tail);
    out.classifier = tail.classifier;
    out.extension = tail.extension;
    return out;
}

std::string media_type_of(std::string_view path) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6>
        kTypes = {{{".pom", "application/xml"},
                   {".xml", "application/xml"},
                   {".jar", "application/java-archive"},
                   {".war", "application/java-archive"},
                   {".module", "application/json"},
                   {".asc", "application/pgp-signature"}}};
    for (const auto& [suffix, type] : kTypes) {
        if (path.ends_with(suffix)) {
            return std::string(type);
        }
    }
    return "application/octet-stream";
}

// What people search for, of a POM.
struct PomFacts {
    std::string description;
    std::string packaging;
    std::string title;
};

PomFacts read_pom(const ByteSource& source) {
    PomFacts facts;
    auto text = Blobs::read_all(source, kMaxSmall);
    if (!text) {
        return facts;
    }
    auto pom = read_xml(*text);
    if (!pom) {
        return facts;  // a POM that nobody can read is the client's business
    }
    facts.description = pom->child_text("description");
    facts.packaging = pom->child_text("packaging");
    facts.title = pom->child_text("name");
    return facts;
}

// The prefix by which a plugin is called, from its META-INF/maven/plugin.xml.
std::string read_plugin_prefix(const ByteSource& source) {
    ArchiveLimits limits;
    limits.duplicates = Duplicates::allow;
    auto text = find_entry(
        source, Kind::zip,
        [](const ArchiveEntry& entry) {
            return entry.path == "META-INF/maven/plugin.xml";
        },
        kMaxSmall, limits);
    if (!text || !*text) {
        return {};
    }
    auto plugin = read_xml(**text);
    return plugin ? std::string(plugin->child_text("goalPrefix"))
                  : std::string();
}

// The body is the checksum of a file that is here: it has to be right, and is
// not kept, since it can be made at any time.
Result<Reply> check_sum(Context& ctx, const Request& request,
                        const std::string& path, const Sum& sum) {
    LS_TRY(source, ctx.blobs.open(request));
    LS_TRY(body, Blobs::read_all(*source, 4096));
    auto said = body.substr(0, body.find_first_of(" \t\r\n"));
    auto of = path.substr(0, path.size() - sum.suffix.size());
    Reply reply;
    reply.status = 201;
    if (leaf_of(of) == kMetadata) {
        return reply;  // of a document that is derived here
    }
    LS_TRY(entry, ctx.packages.file(*ctx.access, of));
    auto is = sum.of(entry.file);
    std::transform(said.begin(), said.end(), said.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (said != is) {
        return Error{Code::digest_mismatch,
                     "the checksum of " + of + " is " + is};
    }
    return reply;
}

Result<PackageDraft> draft_of(Context& ctx, const Request& request,
                              const Coordinates& at) {
    PackageDraft draft;
    draft.name = draft.key = at.key();
    draft.version = draft.version_key = at.version;
    LS_TRY(sort_key, version_sort_key(VersionScheme::maven, at.version));
    draft.sort_key = std::move(sort_key);
    // A snapshot's files are deployed anew under new names, or under the name
    // with SNAPSHOT by tools that do not know better.
    bool again =
        is_snapshot(at.version) || setting(*ctx.repository, "redeploy", false);
    draft.if_exists = again ? IfExists::replace : IfExists::add;
    draft.same_bytes_are_fine = true;
    draft.request_id = request.request_id;
    return draft;
}

Result<std::string> path_of(const Request& request) {
    const auto& path = request.parameter("path");
    if (path.size() > kMaxPath) {
        return bad("a path has at most 1024 bytes");
    }
    return path;
}

Result<void> before_put(Context& ctx, const Request& request) {
    LS_TRY(path, path_of(request));
    if (leaf_of(path).starts_with(kMetadata) || sum_of(path) != nullptr) {
        return {};
    }
    auto at = read_path(path);
    if (!at) {
        return bad(
            "a path is <group>/<artifactId>/<version>/<artifactId>-"
            "<version>[-<classifier>].<extension>");
    }
    LS_TRY(draft, draft_of(ctx, request, *at));
    FileDraft file;
    file.path = path;
    draft.files.push_back(std::move(file));
    return ctx.package_publisher.check(*ctx.access, draft);
}

Result<Reply> put_file(Context& ctx, const Request& request) {
    LS_TRY(path, path_of(request));
    if (const auto* sum = sum_of(path)) {
        return check_sum(ctx, request, path, *sum);
    }
    if (leaf_of(path).starts_with(kMetadata)) {
        // Derived from what is here, so that parallel deploys lose nothing.
        Reply reply;
        reply.status = 201;
        return reply;
    }
    LS_CHECK(before_put(ctx, request));
    auto at = read_path(path);
    LS_TRY(draft, draft_of(ctx, request, *at));
    LS_TRY(blob, ctx.blobs.stage(request, kAlgorithms));
    Json data = Json::object();
    if (at->extension == "pom") {
        LS_TRY(source, blob.open());
        auto facts = read_pom(*source);
        draft.summary =
            facts.description.empty() ? facts.title : facts.description;
        data["packaging"] = facts.packaging;
    } else if (at->extension == "jar" && at->classifier.empty()) {
        LS_TRY(source, blob.open());
        data["plugin_prefix"] = read_plugin_prefix(*source);
    }
    FileDraft file;
    file.path = path;
    file.blob = std::move(blob);
    file.role = at->extension.ends_with("asc") ? "signature" : "file";
    file.media_type = media_type_of(path);
    file.data = data.dump(-1, ' ', false, Json::error_handler_t::replace);
    draft.files.push_back(std::move(file));
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    return written_reply(201, std::move(written));
}

// Scopes: "a:<group>:<id>" has the metadata of a package and its snapshots,
// "g:<group>" that of the plugins of a group.
std::string package_scope(std::string_view key) {
    return "a:" + std::string(key);
}
std::string group_scope(std::string_view group) {
    return "g:" + std::string(group);
}

// Which scope makes the metadata at a path: the folder's package, the package
// of a snapshot, or the group's plugins.
Result<Reply> serve_metadata(Context& ctx, const Request& request,
                             const std::string& path) {
    auto folder = folder_of(path);
    auto above = folder_of(folder);
    std::string scope;
    if (is_snapshot(leaf_of(folder))) {
        scope = package_scope(dotted(folder_of(above)) + ":" +
                              std::string(leaf_of(above)));
        return ctx.indexes.serve(*ctx.repository, request, scope, path, "");
    }
    auto key = dotted(above) + ":" + std::string(leaf_of(folder));
    auto found = ctx.indexes.serve(*ctx.repository, request, package_scope(key),
                                   path, "");
    if (found || found.error().code != Code::not_found) {
        return found;
    }
    return ctx.indexes.serve(*ctx.repository, request,
                             group_scope(dotted(folder)), path, "");
}

Result<Reply> serve_sum(Context& ctx, const std::string& path, const Sum& sum) {
    auto of = path.substr(0, path.size() - sum.suffix.size());
    LS_TRY(entry, ctx.packages.file(*ctx.access, of));
    auto reply = json_document(ctx, sum.of(entry.file), entry.package_key);
    reply.media_type = "text/plain";
    return reply;
}

Result<Reply> get_file(Context& ctx, const Request& request) {
    const auto& path = request.parameter("path");
    if (path.empty() || request.ends_in_slash) {
        return folder_reply(ctx, request, path);
    }
    if (leaf_of(path).starts_with(kMetadata)) {
        return serve_metadata(ctx, request, path);
    }
    if (const auto* sum = sum_of(path)) {
        return serve_sum(ctx, path, *sum);
    }
    LS_TRY(entry, ctx.packages.file(*ctx.access, path));
    auto reply = file_reply(ctx, entry);
    // Resolver takes these instead of a request for each.
    reply.header("X-Checksum-Sha1", entry.file.digests.sha1);
    reply.header("X-Checksum-Md5", entry.file.digests.md5);
    reply.header("X-Checksum-Sha256", entry.file.digest.encoded());
    return reply;
}

// A file, or a version: the folder's path with a slash at its end.
Result<Reply> delete_path(Context& ctx, const Request& request) {
    const auto& path = request.parameter("path");
    std::string key;
    std::string version;
    if (request.ends_in_slash) {
        auto above = folder_of(path);
        key = dotted(folder_of(above)) + ":" + std::string(leaf_of(above));
        version = leaf_of(path);
    } else {
        LS_TRY(entry, ctx.packages.file(*ctx.access, path));
        key = entry.package_key;
    }
    auto take_out = [&](StoredPackage& package) -> Result<void> {
        bool found = false;
        std::erase_if(package.versions, [&](auto& one) {
            found = found || one.key == version;
            std::erase_if(one.files, [&](const auto& file) {
                found = found || file.path == path;
                return file.path == path;
            });
            return one.key == version || one.files.empty();
        });
        return found ? Result<void>()
                     : Error{Code::not_found, "nothing lies at " + path};
    };
    EditOptions options{"package.delete", path,
                        std::string(request.request_id)};
    LS_TRY(written,
           ctx.package_publisher.edit(*ctx.access, key, take_out, options));
    return written_reply(204, std::move(written));
}

// Names that the repository has groups for, so that clients need not ask for
// others. Resolver, "Remote repository filtering".
Result<Reply> get_prefixes(Context& ctx, const Request& request) {
    return ctx.indexes.serve(*ctx.repository, request, "prefixes",
                             ".meta/prefixes.txt", "");
}

constexpr std::array kRoutes = {
    Route{Method::get, "/.meta/prefixes.txt", Action::pull, true, get_prefixes},
    Route{Method::get, "/{path*}", Action::pull, true, get_file},
    Route{.method = Method::put,
          .pattern = "/{path+}",
          .action = Action::push,
          .named = true,
          .handle = put_file,
          .body = BodyMode::spool,
          .algorithms = kAlgorithms,
          .before = before_put},
    Route{Method::remove, "/{path+}", Action::remove, true, delete_path},
    Route{Method::remove, "/{path+}/", Action::remove, true, delete_path},
};

// "20240131235959" of Unix milliseconds.
std::string stamp(std::int64_t unix_ms) {
    std::string digits;
    for (char c : utc_time(unix_ms)) {
        if (c >= '0' && c <= '9') {
            digits += c;
        }
    }
    return digits;
}

// A document with its four checksums beside it.
Result<void> put_with_sums(IndexContext& ctx, const std::string& path,
                           const std::string& text) {
    LS_TRY(made, ctx.put(path, text, {.media_type = "application/xml"}));
    StoredFile file;
    file.digest = made.digest;
    ExtraHashes hashes(kAlgorithms);
    hashes.update(text.data(), text.size());
    auto texts = hashes.finish();
    file.digests = read_digests({texts.begin(), texts.end()});
    for (const auto& sum : kSums) {
        LS_TRY(beside, ctx.put(path + std::string(sum.suffix), sum.of(file),
                               {.media_type = "text/plain"}));
        static_cast<void>(beside);
    }
    return {};
}

// One maven-metadata.xml.
class Metadata {
public:
    XmlWriter& xml() { return xml_; }

    Result<std::string> finish() {
        LS_CHECK(xml_.finish());
        return std::move(text_);
    }

private:
    std::string text_;
    XmlWriter xml_{[this](std::string_view bytes) -> Result<void> {
        text_ += bytes;
        return {};
    }};
};

Result<void> put_versions(IndexContext& ctx, const StoredPackage& package,
                          const std::string& group, const std::string& id) {
    Metadata out;
    auto& xml = out.xml();
    std::string release;
    for (const auto& version : package.versions) {
        release = is_snapshot(version.version) ? release : version.version;
    }
    xml.open("metadata");
    xml.element("groupId", group);
    xml.element("artifactId", id);
    xml.open("versioning");
    xml.element("latest", package.versions.back().version);
    if (!release.empty()) {
        xml.element("release", release);
    }
    xml.open("versions");
    for (const auto& version : package.versions) {
        xml.element("version", version.version);
    }
    xml.close();
    xml.element("lastUpdated", stamp(package.updated_at_ms));
    xml.close();
    xml.close();
    LS_TRY(text, out.finish());
    return put_with_sums(
        ctx, slashed(group) + "/" + id + "/" + std::string(kMetadata), text);
}

// The newest build of each classifier and extension.
struct Newest {
    Snapshot snapshot;
    std::string value;  // version with time and build
    std::int64_t at_ms = 0;
};

Result<void> put_snapshot(IndexContext& ctx, const StoredVersion& version,
                          const std::string& group, const std::string& id) {
    std::map<std::pair<std::string, std::string>, Newest> files;
    Newest last;
    auto base =
        version.version.substr(0, version.version.size() - kSnapshot.size());
    for (const auto& file : version.files) {
        auto at = read_path(file.path);
        auto snapshot = at ? read_snapshot(*at) : std::nullopt;
        if (!snapshot || file.role == "signature") {
            continue;
        }
        Newest one{*snapshot,
                   base + "-" + snapshot->timestamp + "-" +
                       std::to_string(snapshot->build),
                   file.created_at_ms};
        auto& place = files[{snapshot->classifier, snapshot->extension}];
        if (place.snapshot.build <= snapshot->build) {
            place = one;
        }
        if (last.snapshot.build <= snapshot->build) {
            last = one;
        }
    }
    if (files.empty()) {
        return {};
    }
    Metadata out;
    auto& xml = out.xml();
    xml.open("metadata");
    xml.attribute("modelVersion", "1.1.0");
    xml.element("groupId", group);
    xml.element("artifactId", id);
    xml.element("version", version.version);
    xml.open("versioning");
    xml.open("snapshot");
    xml.element("timestamp", last.snapshot.timestamp);
    xml.element("buildNumber", std::to_string(last.snapshot.build));
    xml.close();
    xml.element("lastUpdated", stamp(last.at_ms));
    xml.open("snapshotVersions");
    for (const auto& [name, one] : files) {
        xml.open("snapshotVersion");
        if (!name.first.empty()) {
            xml.element("classifier", name.first);
        }
        xml.element("extension", name.second);
        xml.element("value", one.value);
        xml.element("updated", stamp(one.at_ms));
        xml.close();
    }
    for (int i = 0; i < 3; ++i) {
        xml.close();
    }
    LS_TRY(text, out.finish());
    return put_with_sums(ctx,
                         slashed(group) + "/" + id + "/" + version.version +
                             "/" + std::string(kMetadata),
                         text);
}

Result<void> index_package(IndexContext& ctx, std::string_view key) {
    LS_TRY(package, ctx.package(key));
    if (!package || package->versions.empty()) {
        return {};
    }
    auto colon = key.find(':');
    std::string group(key.substr(0, colon));
    std::string id(key.substr(colon + 1));
    for (const auto& version : package->versions) {
        if (is_snapshot(version.version)) {
            LS_CHECK(put_snapshot(ctx, version, group, id));
        }
    }
    return put_versions(ctx, *package, group, id);
}

std::string plugin_prefix_of(const StoredPackage& package) {
    std::string prefix;
    for (const auto& version : package.versions) {
        for (const auto& file : version.files) {
            auto data = Json::parse(file.data, nullptr, false);
            auto found = data.is_object() ? data.value("plugin_prefix", "")
                                          : std::string();
            prefix = found.empty() ? prefix : found;
        }
    }
    return prefix;
}

Result<void> index_group(IndexContext& ctx, const std::string& group) {
    Metadata out;
    auto& xml = out.xml();
    bool any = false;
    xml.open("metadata");
    xml.open("plugins");
    for (std::string last;;) {
        LS_TRY(rows, ctx.packages(group + ":", kPage, last));
        for (const auto& row : rows) {
            last = row.key;
            LS_TRY(package, ctx.package(row.key));
            auto prefix = package ? plugin_prefix_of(*package) : std::string();
            if (prefix.empty()) {
                continue;
            }
            auto id = row.key.substr(group.size() + 1);
            any = true;
            xml.open("plugin");
            xml.element("name", row.summary);
            xml.element("prefix", prefix);
            xml.element("artifactId", id);
            xml.close();
        }
        if (rows.size() < kPage) {
            break;
        }
    }
    xml.close();
    xml.close();
    LS_TRY(text, out.finish());
    return any ? put_with_sums(
                     ctx, slashed(group) + "/" + std::string(kMetadata), text)
               : Result<void>();
}

Result<void> index_prefixes(IndexContext& ctx) {
    std::set<std::string> groups;
    for (std::string last;;) {
        LS_TRY(rows, ctx.packages("", kPage, last));
        for (const auto& row : rows) {
            last = row.key;
            groups.insert("/" + slashed(row.key.substr(0, row.key.find(':'))));
        }
        if (rows.size() < kPage) {
            break;
        }
    }
    std::string text = "## repository-prefixes/2.0\n";
    for (const auto& group : groups) {
        text += group + "\n";
    }
    LS_TRY(made,
           ctx.put(".meta/prefixes.txt", text, {.media_type = "text/plain"}));
    static_cast<void>(made);
    return {};
}

class Maven final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 2> kMounts = {"maven",
                                                                    "gradle"};
        static constexpr std::array kSetup = {SetupFile{
            "{home}/.m2/settings.xml",
            "<settings>\n  <servers>\n    <server>\n"
            "      <id>{repository}</id>\n"
            "      <username>{user}</username>\n"
            "      <password>{token}</password>\n"
            "    </server>\n  </servers>\n  <profiles>\n    <profile>\n"
            "      <id>{repository}</id>\n      <repositories>\n"
            "        <repository>\n          <id>{repository}</id>\n"
            "          <url>{url}</url>\n        </repository>\n"
            "      </repositories>\n    </profile>\n  </profiles>\n"
            "  <activeProfiles>\n"
            "    <activeProfile>{repository}</activeProfile>\n"
            "  </activeProfiles>\n</settings>\n",
            ""}};
        static constexpr FormatInfo kInfo{
            .key = "maven",
            .title = "Maven and Gradle",
            .mount = "",
            .specification =
                "https://maven.apache.org/repositories/layout.html",
            .mounts = kMounts,
            .index = IndexKind::plain,
            .setup = kSetup};
        return kInfo;
    }

    std::span<const Route> routes() const override { return kRoutes; }

    std::vector<std::string> scopes(
        const StoredPackage& package) const override {
        std::vector<std::string> scopes = {package_scope(package.key)};
        auto group = package.key.substr(0, package.key.find(':'));
        bool plugin = !plugin_prefix_of(package).empty();
        if (plugin || package.versions.empty()) {
            scopes.push_back(group_scope(group));
        }
        if (package.created_at_ms == package.updated_at_ms ||
            package.versions.empty()) {
            scopes.emplace_back("prefixes");
        }
        return scopes;
    }

    Result<void> reindex(IndexContext& ctx,
                         std::string_view scope) const override {
        if (scope.starts_with("a:")) {
            return index_package(ctx, scope.substr(2));
        }
        if (scope.starts_with("g:")) {
            return index_group(ctx, std::string(scope.substr(2)));
        }
        return index_prefixes(ctx);
    }
};

}  // namespace

namespace formats {

const Format& maven() {
    static const Maven kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
