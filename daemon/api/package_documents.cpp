#include "api/package_documents.hpp"

#include <array>
#include <numeric>

#include "api/documents.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::string_view kTime = "\"2027-01-31T09:30:00Z\"";
constexpr std::string_view kSha256 =
    "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";
constexpr std::array<std::string_view, 3> kKinds = {"local", "remote",
                                                    "virtual"};

constexpr Field kDownloads{"downloads", K::number, "of its files, all time",
                           "42"};
constexpr Field kTimeField{"created", K::time, "when it was made", kTime};

constexpr Field also(Field field, std::string_view name,
                     std::string_view description) {
    field.name = name;
    field.description = description;
    return field;
}

constexpr Field digest(std::string_view name) {
    return {name, K::text, "hex; null: not computed", "null", true, true};
}

constexpr std::array kRepositoryFields = {
    kRepositoryNameField,
    Field{"format", K::text, "see /formats", "\"npm\""},
    Field{.name = "kind",
          .kind = K::word,
          .description = "where its packages come from",
          .example = "\"local\"",
          .words = kKinds},
    kDescriptionField,
    kSettingsField,
    kTimeField,
};

constexpr Field kPackageName{"name", K::text, "as it was published",
                             "\"@team/app\""};
constexpr Field kPackageKey{"key", K::text,
                            "as the format finds it: what lists go by",
                            "\"@team/app\""};
constexpr Field kSummary{"summary", K::text, "one line", "\"an app\""};
constexpr Field kKeywords{"keywords", K::text, "with blanks between",
                          "\"web app\""};
constexpr Field kUpdated =
    also(kTimeField, "updated", "when anything of it was changed");

constexpr std::array kPackageFields = {kPackageName, kPackageKey, kSummary,
                                       kKeywords,    kDownloads,  kTimeField,
                                       kUpdated};
constexpr std::array kFoundFields = {
    Field{"repository", K::text, "which it is in", "\"npm-internal\""},
    kPackageName,
    kPackageKey,
    kSummary,
    kKeywords,
    kDownloads,
    kTimeField,
    kUpdated};

constexpr std::array kTagFields = {
    Field{"tag", K::text, "its name", "\"latest\""},
    Field{"version", K::text, "the key of the version", "\"1.2.0\""},
};
const Schema kTag{"PackageTag", "A name for a version.", kTagFields};

constexpr Field kVersionName{"version", K::text, "as it was published",
                             "\"1.2.0\""};
constexpr Field kVersionKey{"key", K::text, "as the format finds it",
                            "\"1.2.0\""};
constexpr Field kReason{"reason", K::text, "of yanked and deprecated", "\"\""};
constexpr Field kPublisher{"publisher", K::text, "who published it",
                           "\"alice\""};
constexpr Field kPublished =
    also(kTimeField, "published", "when it was published");
constexpr Field kSize{"size", K::number, "bytes of its files", "1234"};

constexpr std::array kVersionFields = {
    kVersionName, kVersionKey, kVersionStateField, kReason, kPublisher,
    kPublished,   kSize,       kDownloads};
constexpr std::array kFileFields = {
    Field{"path", K::text, "below the repository's URL",
          "\"@team/app/-/app-1.2.0.tgz\""},
    Field{"size", K::number, "bytes", "1234"},
    Field{"sha256", K::text, "hex", kSha256},
    digest("md5"),
    digest("sha1"),
    digest("sha512"),
    digest("blake2b_256"),
    Field{"role", K::text, "the format's word for it", "\"tarball\""},
    Field{"media_type", K::text, "as it is served", "\"application/gzip\""},
    kDownloads,
    kTimeField,
    Field{"package", K::text, "key of the package; null: of the repository",
          "\"@team/app\"", false, true},
    Field{"version", K::text, "key of its version", "\"1.2.0\"", false, true},
};
constexpr std::array kDetailsFields = {
    kPackageName,
    kPackageKey,
    kSummary,
    kKeywords,
    kDownloads,
    kTimeField,
    kUpdated,
    Field{.name = "tags",
          .kind = K::objects,
          .description = "by name",
          .of = &kTag},
    Field{.name = "versions",
          .kind = K::objects,
          .description = "in the order of the format, the oldest first",
          .of = &kVersion},
};
constexpr std::array kVersionDetailsFields = {
    kVersionName,
    kVersionKey,
    kVersionStateField,
    kReason,
    kPublisher,
    kPublished,
    kSize,
    kDownloads,
    Field{.name = "files",
          .kind = K::objects,
          .description = "by path",
          .of = &kFile},
};
constexpr std::array kPropertyFields = {
    Field{.name = "name",
          .kind = K::text,
          .description = "several of a name may be there",
          .example = "\"stage\"",
          .max = 1024},
    Field{.name = "value",
          .kind = K::text,
          .description = "any text",
          .example = "\"released\"",
          .max = 1024},
};
constexpr std::array kSetupFields = {
    Field{"path", K::text, "of the client's file; \"\": commands to type",
          "\"{home}/.npmrc\""},
    Field{"text", K::text, "what is in it, with placeholders",
          "\"registry={url}/\\n\""},
    Field{"comment", K::text,
          "what a comment in the file begins with; \"\": the file is ours "
          "alone",
          "\"#\""},
    Field{"undo", K::text, "commands that take back what text's did", "\"\""},
};
const Schema kSetup{"ClientSetup", "A file that makes a client use a registry.",
                    kSetupFields};
constexpr std::array kFormatFields = {
    Field{"key", K::text, "its name", "\"npm\""},
    Field{"title", K::text, "for people", "\"npm packages\""},
    Field{"mounts", K::texts, "first parts of its paths", "[\"npm\"]"},
    Field{"kinds", K::texts, "of repositories that can be made of it",
          "[\"local\"]"},
    Field{"specification", K::text, "a URL, or empty", "\"\""},
    Field{.name = "setup",
          .kind = K::objects,
          .description = "what registryctl setup writes",
          .of = &kSetup},
};

std::uint64_t bytes_of(const StoredVersion& version) {
    return std::accumulate(
        version.files.begin(), version.files.end(), std::uint64_t{0},
        [](auto sum, const auto& file) { return sum + file.size_bytes; });
}

std::uint64_t downloads_of(const StoredVersion& version) {
    return std::accumulate(
        version.files.begin(), version.files.end(), std::uint64_t{0},
        [](auto sum, const auto& file) { return sum + file.downloads; });
}

Json version_json(const StoredVersion& version) {
    return {{"version", version.version},
            {"key", version.key},
            {"state", state_name(version.state)},
            {"reason", version.reason},
            {"publisher", version.publisher},
            {"published", time_json(version.published_at_ms)},
            {"size", bytes_of(version)},
            {"downloads", downloads_of(version)}};
}

Json digest_json(const std::string& hex) {
    return hex.empty() ? Json(nullptr) : Json(hex);
}

}  // namespace

const Schema kRepository{"Repository", "A repository of packages.",
                         kRepositoryFields};
const Schema kPackage{"Package", "A package.", kPackageFields};
const Schema kFoundPackage{"FoundPackage", "A package that was found.",
                           kFoundFields};
const Schema kPackageDetails{
    "PackageDetails", "A package with its versions and tags.", kDetailsFields};
const Schema kVersion{"PackageVersion", "A version.", kVersionFields};
const Schema kVersionDetails{"PackageVersionDetails",
                             "A version with its files.",
                             kVersionDetailsFields};
const Schema kFile{"PackageFile", "A file.", kFileFields};
const Schema kProperty{"Property", "A name and a value.", kPropertyFields};
const Schema kFormat{"Format", "The protocol of one package manager.",
                     kFormatFields};

Json repository_json(const Repository& repository) {
    return {
        {"name", repository.key},
        {"format", repository.format},
        {"kind", kind_name(repository.kind)},
        {"description", repository.description},
        {"settings", Json::parse(repository.settings, nullptr, false)},
        {"created", time_json(repository.created_at_ms)},
    };
}

Json package_json(const StoredPackage& package) {
    return {{"name", package.name},
            {"key", package.key},
            {"summary", package.summary},
            {"keywords", package.keywords},
            {"downloads", package.downloads},
            {"created", time_json(package.created_at_ms)},
            {"updated", time_json(package.updated_at_ms)}};
}

Json package_details_json(const StoredPackage& package) {
    auto body = package_json(package);
    body["tags"] = Json::array();
    for (const auto& tag : package.tags) {
        body["tags"].push_back(
            {{"tag", tag.tag}, {"version", tag.version_key}});
    }
    body["versions"] = Json::array();
    for (const auto& version : package.versions) {
        body["versions"].push_back(version_json(version));
    }
    return body;
}

Json version_details_json(const StoredVersion& version) {
    auto body = version_json(version);
    body["files"] = Json::array();
    for (const auto& file : version.files) {
        body["files"].push_back(file_json(file));
    }
    return body;
}

Json file_json(const StoredFile& file) {
    return {{"path", file.path},
            {"size", file.size_bytes},
            {"sha256", file.digest.encoded()},
            {"md5", digest_json(file.digests.md5)},
            {"sha1", digest_json(file.digests.sha1)},
            {"sha512", digest_json(file.digests.sha512)},
            {"blake2b_256", digest_json(file.digests.blake2b_256)},
            {"role", file.role},
            {"media_type", file.media_type},
            {"downloads", file.downloads},
            {"created", time_json(file.created_at_ms)}};
}

Json file_json(const FileEntry& entry) {
    auto body = file_json(entry.file);
    bool loose = entry.package_key.empty();
    body["package"] = loose ? Json(nullptr) : Json(entry.package_key);
    body["version"] = loose ? Json(nullptr) : Json(entry.version_key);
    return body;
}

Json properties_json(const std::vector<Property>& properties) {
    Json list = Json::array();
    for (const auto& one : properties) {
        list.push_back({{"name", one.name}, {"value", one.value}});
    }
    return list;
}

Json format_json(const Format& format) {
    const auto& info = info_of(format);
    Json body = {{"key", info.key},
                 {"title", info.title},
                 {"mounts", Json::array()},
                 {"kinds", Json::array()},
                 {"specification", info.specification},
                 {"setup", Json::array()}};
    for (auto mount : info.mounts) {
        body["mounts"].push_back(mount);
    }
    if (info.mounts.empty()) {
        body["mounts"].push_back(
            info.mount.substr(std::min<std::size_t>(info.mount.size(), 1)));
    } else {
        body["kinds"].push_back(kind_name(RepositoryKind::local));
    }
    for (const auto& file : info.setup) {
        body["setup"].push_back({{"path", file.path},
                                 {"text", file.text},
                                 {"comment", file.comment},
                                 {"undo", file.undo}});
    }
    return body;
}

Json found_json(const PackagesFound& found) {
    Json list = Json::array();
    for (std::size_t i = 0; i < found.packages.size(); ++i) {
        Json body = {{"repository", found.repositories[i]}};
        body.update(package_json(found.packages[i]));
        list.push_back(std::move(body));
    }
    return list;
}

Result<VersionState> parse_version_state(std::string_view word) {
    for (auto state : {VersionState::active, VersionState::yanked,
                       VersionState::deprecated}) {
        if (state_name(state) == word) {
            return state;
        }
    }
    return Error{Code::invalid_argument,
                 "a version is active, yanked or deprecated"};
}

}  // namespace longshore::api
