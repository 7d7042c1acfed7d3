#include "formats/npm/manifest.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/oci_error.hpp"
#include "common/text.hpp"
#include "formats/npm/name.hpp"
#include "http/date.hpp"
#include "syntax/version.hpp"

namespace longshore::npm {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxSummary = 1024;
constexpr std::size_t kMaxSummarized = 1024;  // of one member, as JSON
constexpr std::size_t kMaxKeywords = 50;
constexpr std::size_t kMaxKeyword = 100;

// Made by the registry, or of use on the publisher's machine only.
constexpr std::array<const char*, 14> kNotKept = {
    "dist",   "readme",     "deprecated",     "maintainers",     "_rev",
    "_from",  "_resolved",  "_integrity",     "_attachments",    "_npmUser",
    "_where", "_requested", "_hasShrinkwrap", "hasInstallScript"};

// What is installed, and where: as the package itself says.
constexpr std::array<const char*, 13> kFromPackage = {"dependencies",
                                                      "optionalDependencies",
                                                      "devDependencies",
                                                      "peerDependencies",
                                                      "peerDependenciesMeta",
                                                      "bundleDependencies",
                                                      "bundledDependencies",
                                                      "engines",
                                                      "os",
                                                      "cpu",
                                                      "libc",
                                                      "scripts",
                                                      "acceptDependencies"};

constexpr std::array<const char*, 19> kAbbreviated = {"name",
                                                      "version",
                                                      "dependencies",
                                                      "optionalDependencies",
                                                      "devDependencies",
                                                      "bundleDependencies",
                                                      "peerDependencies",
                                                      "peerDependenciesMeta",
                                                      "acceptDependencies",
                                                      "bin",
                                                      "directories",
                                                      "engines",
                                                      "os",
                                                      "cpu",
                                                      "libc",
                                                      "funding",
                                                      "hasInstallScript",
                                                      "_hasShrinkwrap",
                                                      "packageManager"};

std::string text_of(const json& object, const char* name) {
    auto found = object.find(name);
    return found != object.end() && found->is_string()
               ? found->get<std::string>()
               : std::string();
}

std::string dump(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool has_script(const json& scripts, const char* name) {
    return scripts.is_object() && !text_of(scripts, name).empty();
}

// One spelling, and a list also where the package says "all of them".
void settle_bundled(json& manifest) {
    auto bundled = manifest.value(
        "bundleDependencies", manifest.value("bundledDependencies", json()));
    manifest.erase("bundledDependencies");
    manifest.erase("bundleDependencies");
    if (bundled.is_boolean() && bundled.get<bool>()) {
        bundled = json::array();
        auto dependencies = manifest.find("dependencies");
        if (dependencies != manifest.end() && dependencies->is_object()) {
            for (const auto& [name, range] : dependencies->items()) {
                bundled.push_back(name);
            }
        }
    }
    if (bundled.is_array() && !bundled.empty()) {
        manifest["bundleDependencies"] = std::move(bundled);
    }
}

void settle_bin(json& manifest, const json& package, std::string_view name) {
    auto bin = package.find("bin");
    if (bin == package.end()) {
        // The client has listed the folder that the package names.
        auto folders = package.find("directories");
        bool listed = folders != package.end() && folders->is_object() &&
                      folders->contains("bin");
        if (!listed) {
            manifest.erase("bin");
        }
    } else if (bin->is_string()) {
        manifest["bin"] = {{std::string(base_name(name)), *bin}};
    } else {
        manifest["bin"] = *bin;
    }
}

void settle_scripts(json& manifest, const TarballFacts& facts) {
    auto scripts = manifest.value("scripts", json());
    auto gypfile = facts.manifest.find("gypfile");
    bool declined = gypfile != facts.manifest.end() && gypfile->is_boolean() &&
                    !gypfile->get<bool>();
    bool builds = facts.has_binding_gyp && !declined &&
                  !has_script(scripts, "install") &&
                  !has_script(scripts, "preinstall");
    if (builds) {
        // What clients do with such a package anyway.
        scripts = scripts.is_object() ? std::move(scripts) : json::object();
        scripts["install"] = "node-gyp rebuild";
        manifest["scripts"] = scripts;
        manifest["gypfile"] = true;
    }
    if (has_script(scripts, "preinstall") || has_script(scripts, "install") ||
        has_script(scripts, "postinstall")) {
        manifest["hasInstallScript"] = true;
    }
}

Result<void> check_same(const TarballFacts& facts, std::string_view name,
                        std::string_view version) {
    auto inside = text_of(facts.manifest, "name");
    if (inside != name) {
        return Error{Code::invalid_argument,
                     "package.json in the package is of " +
                         inside.substr(0, 214) + ", not of " +
                         std::string(name)};
    }
    auto written = text_of(facts.manifest, "version");
    auto read = parse_version(VersionScheme::npm, written);
    if (!read || read->text != version) {
        return Error{Code::invalid_argument,
                     "package.json in the package is of version " +
                         written.substr(0, kMaxVersion) + ", not of " +
                         std::string(version)};
    }
    return {};
}

// The two texts of "[<length of the first>,{first},{second}]".
struct Texts {
    std::string_view abbreviated = "{}";
    std::string_view manifest = "{}";
};

Texts split(std::string_view data) noexcept {
    std::size_t length = 0;
    auto comma = data.find(',');
    if (!data.starts_with('[') || !data.ends_with(']') || comma == data.npos) {
        return {};
    }
    auto [end, error] =
        std::from_chars(data.data() + 1, data.data() + comma, length);
    data.remove_suffix(1);
    data.remove_prefix(comma + 1);
    if (error != std::errc() || length < 2 || data.size() < length + 3 ||
        data[length] != ',') {
        return {};
    }
    return {data.substr(0, length), data.substr(length + 1)};
}

void append_member(std::string& out, std::string_view name,
                   std::string_view value) {
    if (out.back() != '{') {
        out += ',';
    }
    out += '"';
    out += name;
    out += "\":";
    out += value;
}

std::string_view members(std::string_view object) noexcept {
    return object.size() < 2 ? std::string_view()
                             : object.substr(1, object.size() - 2);
}

// The package's own digests and numbers, with the links of who asks.
void append_dist(std::string& out, std::string_view name,
                 const StoredVersion& version, std::string_view base_url) {
    auto link = [&](std::string_view path) {
        std::string url(base_url);
        return json_quote(url.append("/").append(path));
    };
    out += '{';
    for (const auto& file : version.files) {
        if (file.role == kTarballRole) {
            out += members(file.data);
            append_member(out, "tarball", link(file.path));
        }
    }
    for (const auto& file : version.files) {
        if (file.role == kAttestationsRole) {
            append_member(
                out, "attestations",
                "{\"url\":" + link(attestations_path(name, version.version)) +
                    ",\"provenance\":" + file.data + "}");
        }
    }
    out += '}';
}

// The newest that is no prerelease, or the newest.
const StoredVersion& newest(const StoredPackage& package) {
    for (auto it = package.versions.rbegin(); it != package.versions.rend();
         ++it) {
        auto read = parse_version(VersionScheme::npm, it->version);
        if (read && !read->prerelease) {
            return *it;
        }
    }
    return package.versions.back();
}

}  // namespace

Result<void> settle_manifest(json& manifest, const TarballFacts& facts,
                             std::string_view name, std::string_view version,
                             std::string_view publisher) {
    LS_CHECK(check_same(facts, name, version));
    for (const auto* one : kNotKept) {
        manifest.erase(one);
    }
    for (const auto* one : kFromPackage) {
        auto found = facts.manifest.find(one);
        if (found == facts.manifest.end()) {
            manifest.erase(one);
        } else {
            manifest[one] = *found;
        }
    }
    manifest["name"] = name;
    manifest["version"] = version;
    manifest["_id"] = std::string(name) + "@" + std::string(version);
    settle_bundled(manifest);
    settle_bin(manifest, facts.manifest, name);
    settle_scripts(manifest, facts);
    if (facts.has_shrinkwrap) {
        manifest["_hasShrinkwrap"] = true;
    }
    if (!publisher.empty()) {
        manifest["_npmUser"] = {{"name", publisher}};
    }
    return {};
}

std::string version_data(const json& manifest) {
    json abbreviated = json::object();
    for (const auto* one : kAbbreviated) {
        auto found = manifest.find(one);
        if (found != manifest.end()) {
            abbreviated[one] = *found;
        }
    }
    auto first = dump(abbreviated);
    return "[" + std::to_string(first.size()) + "," + first + "," +
           dump(manifest) + "]";
}

std::string_view manifest_text(std::string_view data) noexcept {
    return split(data).manifest;
}

std::string_view abbreviated_text(std::string_view data) noexcept {
    return split(data).abbreviated;
}

void append_manifest(std::string& out, std::string_view text,
                     std::string_view name, const StoredVersion& version,
                     std::string_view base_url) {
    out += text.substr(0, text.size() - 1);
    if (version.state == VersionState::deprecated) {
        append_member(out, "deprecated", json_quote(version.reason));
    }
    append_member(out, "dist", "");
    append_dist(out, name, version, base_url);
    out += '}';
}

PackageSummary summarize(const json& manifest, std::int64_t published_at_ms) {
    PackageSummary out;
    json data = {{"version", text_of(manifest, "version")},
                 {"date", utc_time(published_at_ms, true)},
                 {"links", json::object()}};
    for (const auto* one : {"description", "author", "license"}) {
        auto found = manifest.find(one);
        if (found != manifest.end() && dump(*found).size() <= kMaxSummarized) {
            data[one] = *found;
        }
    }
    auto user = manifest.find("_npmUser");
    if (user != manifest.end()) {
        data["publisher"] = {{"username", text_of(*user, "name")}};
    }
    auto homepage = text_of(manifest, "homepage");
    if (!homepage.empty() && homepage.size() <= kMaxSummarized) {
        data["links"]["homepage"] = std::move(homepage);
    }
    for (const auto* one : {"repository", "bugs"}) {
        auto found = manifest.find(one);
        auto url = found != manifest.end() && found->is_object()
                       ? text_of(*found, "url")
                       : std::string();
        if (!url.empty() && url.size() <= kMaxSummarized) {
            data["links"][one] = std::move(url);
        }
    }
    auto keywords = manifest.find("keywords");
    if (keywords != manifest.end() && keywords->is_array()) {
        auto list = json::array();
        for (const auto& word : *keywords) {
            if (word.is_string() && list.size() < kMaxKeywords &&
                word.get_ref<const std::string&>().size() <= kMaxKeyword) {
                out.keywords += out.keywords.empty() ? "" : " ";
                out.keywords += word.get_ref<const std::string&>();
                list.push_back(word);
            }
        }
        data["keywords"] = std::move(list);
    }
    out.summary = text_of(manifest, "description").substr(0, kMaxSummary);
    out.summary.resize(utf8_prefix(out.summary));
    out.data = dump(data);
    return out;
}

void settle_latest(StoredPackage& package) {
    if (package.versions.empty()) {
        return;
    }
    const auto* tag = package.tag(kLatest);
    const auto* version = tag == nullptr ? nullptr : package.find(*tag);
    if (version == nullptr) {
        version = &newest(package);
        std::erase_if(package.tags,
                      [](const auto& one) { return one.tag == kLatest; });
        package.tags.push_back({std::string(kLatest), version->key});
    }
    auto manifest = json::parse(manifest_text(version->data), nullptr, false);
    auto now = summarize(manifest, version->published_at_ms);
    package.data = std::move(now.data);
    package.summary = std::move(now.summary);
    package.keywords = std::move(now.keywords);
}

}  // namespace longshore::npm
