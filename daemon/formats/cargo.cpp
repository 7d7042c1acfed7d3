// Cargo: sparse index, downloads, publish, yank, owners, search.
// Specification: The Cargo Book, "Registry Index" and "Registry Web API".
// docs/formats/cargo.md.
#include <algorithm>
#include <array>
#include <set>

#include <nlohmann/json.hpp>

#include "archive/reader.hpp"
#include "registry/package_format.hpp"
#include "syntax/toml.hpp"
#include "syntax/version.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kMaxMetadata = 1024 * 1024;
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxToml = 1024 * 1024;
constexpr std::size_t kMaxOwners = 100;
constexpr std::size_t kMaxSmallBody = 64 * 1024;

Error bad(std::string message) {
    return Error{Code::invalid_argument, std::move(message)};
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

// "Foo_bar" and "foo-bar" are the same crate.
std::string key_of(std::string_view name) {
    auto key = lower(name);
    std::replace(key.begin(), key.end(), '_', '-');
    return key;
}

// The Cargo Book, "Index files": 1/a, 2/ab, 3/a/abc, ab/cd/abcd.
std::string index_path(std::string_view name) {
    auto file = lower(name);
    switch (file.size()) {
        case 1:
            return "1/" + file;
        case 2:
            return "2/" + file;
        case 3:
            return "3/" + file.substr(0, 1) + "/" + file;
        default:
            return file.substr(0, 2) + "/" + file.substr(2, 2) + "/" + file;
    }
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

Result<void> check_name(std::string_view name) {
    bool good = !name.empty() && name.size() <= kMaxName &&
                is_letter(name.front()) &&
                std::all_of(name.begin(), name.end(), [](char c) {
                    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_';
                });
    // Files of Windows that cargo refuses too.
    static const std::set<std::string, std::less<>> kReserved = {"nul", "con",
                                                                 "prn", "aux"};
    if (!good || kReserved.contains(lower(name))) {
        return bad(
            "a crate's name begins with a letter and has at most 64 "
            "letters, digits, - and _");
    }
    return {};
}

std::string text_of(const Json& from, const char* name) {
    auto found = from.find(name);
    return found != from.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string();
}

Json or_null(const Json& from, const char* name) {
    auto found = from.find(name);
    return found != from.end() && found->is_string() ? *found : Json();
}

// A dependency as the index has it, from one of the publish request.
Result<Json> index_dependency(const Json& from) {
    auto name = text_of(from, "name");
    auto requirement = text_of(from, "version_req");
    if (!from.is_object() || name.empty() || requirement.empty()) {
        return bad("a dependency needs name and version_req");
    }
    Json out = {{"name", name},
                {"req", requirement},
                {"features", from.value("features", Json::array())},
                {"optional", from.value("optional", false)},
                {"default_features", from.value("default_features", true)},
                {"target", or_null(from, "target")},
                {"kind", from.value("kind", std::string("normal"))},
                {"registry", or_null(from, "registry")}};
    // A renamed one: the index names it as Cargo.toml does.
    auto renamed = text_of(from, "explicit_name_in_toml");
    if (!renamed.empty()) {
        out["name"] = renamed;
        out["package"] = name;
    }
    return out;
}

// Features that only newer cargos read go where older ones do not look.
void split_features(const Json& features, Json& line) {
    Json old = Json::object();
    Json modern = Json::object();
    for (const auto& [name, values] : features.items()) {
        bool is_new = false;
        for (const auto& value : values) {
            auto text = value.is_string() ? value.get<std::string>() : "";
            is_new = is_new || text.starts_with("dep:") ||
                     text.find("?/") != std::string::npos;
        }
        (is_new ? modern : old)[name] = values;
    }
    line["features"] = std::move(old);
    if (!modern.empty()) {
        line["features2"] = std::move(modern);
        line["v"] = 2;
    }
}

struct Crate {
    std::string name;
    std::string version;  // as published
    Json metadata;
    Json line;  // of the index, without cksum and yanked
};

Result<Crate> read_metadata(const std::string& text) {
    Crate crate;
    crate.metadata = Json::parse(text, nullptr, false);
    if (!crate.metadata.is_object()) {
        return bad("the metadata is no JSON object");
    }
    const auto& meta = crate.metadata;
    crate.name = text_of(meta, "name");
    LS_CHECK(check_name(crate.name));
    LS_TRY(version, parse_version(VersionScheme::cargo, text_of(meta, "vers")));
    crate.version = version.text;
    crate.line = {{"name", crate.name},
                  {"vers", crate.version},
                  {"deps", Json::array()},
                  {"links", or_null(meta, "links")}};
    for (const auto& one : meta.value("deps", Json::array())) {
        LS_TRY(dependency, index_dependency(one));
        crate.line["deps"].push_back(std::move(dependency));
    }
    auto features = meta.value("features", Json::object());
    if (!features.is_object()) {
        return bad("features are a JSON object");
    }
    split_features(features, crate.line);
    if (auto rust = or_null(meta, "rust_version"); !rust.is_null()) {
        crate.line["rust_version"] = std::move(rust);
    }
    return crate;
}

// The frame of a publish: u32le length, JSON, u32le length, crate.
struct Frame {
    std::string metadata;
    std::uint64_t crate_at = 0;
    std::uint64_t crate_bytes = 0;
};

Result<std::uint32_t> read_length(const ByteSource& body, std::uint64_t at) {
    std::array<char, 4> bytes{};
    LS_TRY(got, body.read_at(at, bytes));
    if (got != bytes.size()) {
        return bad("the body ends before its lengths say");
    }
    std::uint32_t length = 0;
    for (std::size_t i = bytes.size(); i > 0; --i) {
        length = length << 8 | static_cast<unsigned char>(bytes[i - 1]);
    }
    return length;
}

Result<Frame> read_frame(const ByteSource& body) {
    Frame frame;
    LS_TRY(length, read_length(body, 0));
    if (length > kMaxMetadata) {
        return bad("the metadata has more than 1 MiB");
    }
    frame.metadata.resize(length);
    LS_TRY(got, body.read_at(4, frame.metadata));
    if (got != length) {
        return bad("the body ends before its lengths say");
    }
    LS_TRY(crate_bytes, read_length(body, 4 + std::uint64_t{length}));
    frame.crate_at = 8 + std::uint64_t{length};
    frame.crate_bytes = crate_bytes;
    if (frame.crate_at + frame.crate_bytes != body.size()) {
        return bad("the body's length is not what its parts say");
    }
    return frame;
}

Result<StagedBlob> take_crate(Context& ctx, const ByteSource& body,
                              const Frame& frame) {
    LS_TRY(out, ctx.blobs.writer());
    std::string buffer(std::size_t{256} << 10, '\0');
    for (std::uint64_t done = 0; done < frame.crate_bytes;) {
        auto want =
            std::min<std::uint64_t>(buffer.size(), frame.crate_bytes - done);
        LS_TRY(got, body.read_at(frame.crate_at + done,
                                 std::span(buffer).first(
                                     static_cast<std::size_t>(want))));
        if (got == 0) {
            return bad("the body ends before its lengths say");
        }
        LS_CHECK(out.write({buffer.data(), got}));
        done += got;
    }
    return out.finish();
}

// The manifest in the archive must be of the crate that the metadata names.
Result<void> check_archive(const StagedBlob& blob, const Crate& crate) {
    LS_TRY(source, blob.open());
    auto wanted = crate.name + "-" + crate.version + "/Cargo.toml";
    LS_TRY(text,
           find_entry(
               *source, Kind::tar | Kind::gzip,
               [&](const ArchiveEntry& entry) { return entry.path == wanted; },
               kMaxToml));
    if (!text) {
        return bad("the archive has no " + wanted);
    }
    LS_TRY(manifest, read_toml(*text));
    auto package = manifest.value("package", Json::object());
    if (text_of(package, "name") != crate.name ||
        text_of(package, "version") != crate.version) {
        return bad("Cargo.toml in the archive is of " +
                   text_of(package, "name") + " " +
                   text_of(package, "version") + ", not of " + crate.name +
                   " " + crate.version);
    }
    return {};
}

// Two versions that differ in their build metadata only are one.
std::string version_key_of(std::string_view version) {
    return std::string(version.substr(0, version.find('+')));
}

std::string file_path(std::string_view name, std::string_view version) {
    return "crates/" + std::string(name) + "/" + std::string(version) +
           "/download";
}

std::string keywords_of(const Json& metadata) {
    std::string out;
    for (const char* list : {"keywords", "categories"}) {
        for (const auto& one : metadata.value(list, Json::array())) {
            if (one.is_string()) {
                out += (out.empty() ? "" : " ") + one.get<std::string>();
            }
        }
    }
    return out;
}

// Names are one for all spellings: the crate that is there has the say.
Result<void> check_spelling(Context& ctx, const Crate& crate) {
    auto known = ctx.packages.package_row(*ctx.access, key_of(crate.name));
    if (!known) {
        return known.error().code == Code::not_found
                   ? Result<void>()
                   : Result<void>(std::move(known).error());
    }
    if (known->name != crate.name) {
        return Error{Code::already_exists,
                     "there is a crate " + known->name +
                         ", whose name differs only in case or - and _"};
    }
    return {};
}

Result<Reply> publish(Context& ctx, const Request& request) {
    LS_TRY(body, ctx.blobs.open(request));
    LS_TRY(frame, read_frame(*body));
    LS_TRY(crate, read_metadata(frame.metadata));
    LS_CHECK(check_spelling(ctx, crate));
    LS_TRY(blob, take_crate(ctx, *body, frame));
    LS_CHECK(check_archive(blob, crate));
    crate.line["cksum"] = blob.digest().encoded();
    PackageDraft draft;
    draft.name = crate.name;
    draft.key = key_of(crate.name);
    draft.summary = text_of(crate.metadata, "description");
    draft.keywords = keywords_of(crate.metadata);
    draft.version = crate.version;
    draft.version_key = version_key_of(crate.version);
    LS_TRY(sort_key, version_sort_key(VersionScheme::cargo, crate.version));
    draft.sort_key = std::move(sort_key);
    crate.metadata.erase("deps");
    draft.version_data =
        Json{{"line", crate.line}, {"metadata", crate.metadata}}.dump();
    FileDraft file;
    file.path = file_path(crate.name, crate.version);
    file.blob = std::move(blob);
    file.role = "crate";
    file.media_type = "application/gzip";
    draft.files.push_back(std::move(file));
    draft.request_id = request.request_id;
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    return written_reply(
        200, std::move(written),
        R"({"warnings":{"invalid_categories":[],"invalid_badges":[],)"
        R"("other":[]}})");
}

Result<Reply> set_yanked(Context& ctx, const Request& request,
                         VersionState state, std::string_view action) {
    auto key = version_key_of(request.parameter("version"));
    EditOptions options{action, request.parameter("version"),
                        std::string(request.request_id)};
    auto change = [&](StoredPackage& package) -> Result<void> {
        auto* version = package.find(key);
        if (version == nullptr) {
            return Error{Code::not_found,
                         "crate " + package.name + " has no version " + key};
        }
        version->state = state;
        return {};
    };
    LS_TRY(written, ctx.package_publisher.edit(
                        *ctx.access, key_of(request.parameter("crate")), change,
                        options));
    return written_reply(200, std::move(written), R"({"ok":true})");
}

Result<Reply> yank(Context& ctx, const Request& request) {
    return set_yanked(ctx, request, VersionState::yanked, "package.yank");
}

Result<Reply> unyank(Context& ctx, const Request& request) {
    return set_yanked(ctx, request, VersionState::active, "package.unyank");
}

// Owners are kept and shown; who may publish is said by grants.
std::vector<std::string> owners_of(const StoredPackage& package) {
    auto data = Json::parse(package.data, nullptr, false);
    std::vector<std::string> owners;
    if (data.is_object()) {
        for (const auto& one : data.value("owners", Json::array())) {
            owners.push_back(one.get<std::string>());
        }
    }
    return owners;
}

Result<Reply> list_owners(Context& ctx, const Request& request) {
    LS_TRY(package, ctx.packages.package_row(
                        *ctx.access, key_of(request.parameter("crate"))));
    auto users = Json::array();
    for (const auto& owner : owners_of(package)) {
        users.push_back(
            {{"id", users.size() + 1}, {"login", owner}, {"name", nullptr}});
    }
    return json_document(ctx, Json{{"users", users}}.dump(), package.key);
}

Result<std::vector<std::string>> read_users(const Request& request) {
    auto body = Json::parse(request.body, nullptr, false);
    std::vector<std::string> users;
    if (body.is_object()) {
        for (const auto& one : body.value("users", Json::array())) {
            if (one.is_string() && !one.get<std::string>().empty()) {
                users.push_back(one.get<std::string>());
            }
        }
    }
    if (users.empty()) {
        return bad("the body is {\"users\": [\"login\"]}");
    }
    return users;
}

Result<Reply> change_owners(Context& ctx, const Request& request, bool add) {
    LS_TRY(users, read_users(request));
    auto change = [&](StoredPackage& package) -> Result<void> {
        auto owners = owners_of(package);
        for (const auto& user : users) {
            std::erase(owners, user);
            if (add) {
                owners.push_back(user);
            }
        }
        if (owners.size() > kMaxOwners) {
            return bad("a crate has at most 100 owners");
        }
        package.data = Json{{"owners", owners}}.dump();
        return {};
    };
    EditOptions options{add ? "package.owners.add" : "package.owners.remove",
                        "", std::string(request.request_id)};
    for (const auto& user : users) {
        options.detail += (options.detail.empty() ? "" : " ") + user;
    }
    auto detail = options.detail;
    LS_TRY(written, ctx.package_publisher.edit(
                        *ctx.access, key_of(request.parameter("crate")), change,
                        options));
    Json body = {
        {"ok", true},
        {"msg", detail + (add ? " is an owner now" : " is no owner any more")}};
    return written_reply(200, std::move(written), body.dump());
}

Result<Reply> add_owners(Context& ctx, const Request& request) {
    return change_owners(ctx, request, true);
}

Result<Reply> remove_owners(Context& ctx, const Request& request) {
    return change_owners(ctx, request, false);
}

Result<Reply> search(Context& ctx, const Request& request) {
    PackageQuery query;
    query.text = request.argument("q").value_or("");
    query.n = count_argument(request, "per_page", 10, 100);
    LS_TRY(found, ctx.packages.search(*ctx.access, query));
    auto crates = Json::array();
    for (const auto& package : found.packages) {
        crates.push_back({{"name", package.name},
                          {"max_version", package.latest},
                          {"description", package.summary},
                          {"downloads", package.downloads}});
    }
    return json_document(
        ctx, Json{{"crates", crates}, {"meta", {{"total", found.total}}}}.dump(
                 -1, ' ', false, Json::error_handler_t::replace));
}

// Where a login is needed cargo learns it here: it asks again with its token,
// and then sends it with everything.
Result<Reply> get_config(Context& ctx, const Request&) {
    Json config = {{"dl", ctx.base_url + "/crates/{crate}/{version}/download"},
                   {"api", ctx.base_url}};
    if (!ctx.identity.name().empty()) {
        config["auth-required"] = true;
    }
    auto reply = json_document(ctx, config.dump());
    reply.header("Cache-Control", "no-store");
    return reply;
}

Result<Reply> get_index(Context& ctx, const Request& request) {
    const auto& name = request.parameter("name");
    LS_CHECK(check_name(name));
    auto path = index_path(name);
    if (request.reference != "/" + path) {
        return Error{Code::not_found, "no such file in the index"};
    }
    return ctx.indexes.serve(*ctx.repository, request, key_of(name), path,
                             ctx.base_url);
}

Result<Reply> download(Context& ctx, const Request& request) {
    LS_TRY(entry, ctx.packages.file(*ctx.access,
                                    file_path(request.parameter("crate"),
                                              request.parameter("version"))));
    auto reply = file_reply(ctx, entry);
    reply.header("Cache-Control", "max-age=31536000, immutable");
    return reply;
}

constexpr std::array kRoutes = {
    Route{Method::get, "/config.json", Action::pull, true, get_config},
    Route{Method::get, "/crates/{crate}/{version}/download", Action::pull, true,
          download},
    Route{Method::get, "/api/v1/crates", Action::pull, true, search},
    Route{.method = Method::put,
          .pattern = "/api/v1/crates/new",
          .action = Action::push,
          .named = true,
          .handle = publish,
          .body = BodyMode::spool},
    Route{Method::remove, "/api/v1/crates/{crate}/{version}/yank", Action::push,
          true, yank},
    Route{Method::put, "/api/v1/crates/{crate}/{version}/unyank", Action::push,
          true, unyank},
    Route{Method::get, "/api/v1/crates/{crate}/owners", Action::pull, true,
          list_owners},
    Route{.method = Method::put,
          .pattern = "/api/v1/crates/{crate}/owners",
          .action = Action::admin,
          .named = true,
          .handle = add_owners,
          .body = BodyMode::memory,
          .max_body_bytes = kMaxSmallBody},
    Route{.method = Method::remove,
          .pattern = "/api/v1/crates/{crate}/owners",
          .action = Action::admin,
          .named = true,
          .handle = remove_owners,
          .body = BodyMode::memory,
          .max_body_bytes = kMaxSmallBody},
    Route{Method::get, "/1/{name}", Action::pull, true, get_index},
    Route{Method::get, "/2/{name}", Action::pull, true, get_index},
    Route{Method::get, "/{a}/{b}/{name}", Action::pull, true, get_index},
};

class Cargo final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 1> kMounts = {"cargo"};
        static constexpr std::array kSetup = {
            SetupFile{"{home}/.cargo/config.toml",
                      "[registries.{repository}]\n"
                      "index = \"sparse+{url}/\"\n"
                      "credential-provider = \"cargo:token\"\n"},
            SetupFile{"{home}/.cargo/credentials.toml",
                      "[registries.{repository}]\n"
                      "token = \"{token}\"\n"}};
        static constexpr FormatInfo kInfo{
            .key = "cargo",
            .title = "Cargo",
            .mount = "",
            .specification =
                "https://doc.rust-lang.org/cargo/reference/registries.html",
            .mounts = kMounts,
            .index = IndexKind::plain,
            .setup = kSetup};
        return kInfo;
    }

    std::span<const Route> routes() const override { return kRoutes; }

    // The file of one crate: a line for each version, in order of publishing.
    Result<void> reindex(IndexContext& ctx,
                         std::string_view scope) const override {
        LS_TRY(package, ctx.package(scope));
        if (!package) {
            return {};
        }
        auto& versions = package->versions;
        std::sort(versions.begin(), versions.end(),
                  [](const auto& a, const auto& b) { return a.id < b.id; });
        std::string text;
        for (const auto& version : versions) {
            auto data = Json::parse(version.data, nullptr, false);
            if (!data.is_object() || !data["line"].is_object()) {
                return Error{Code::corrupt, "a version without its line"};
            }
            auto& line = data["line"];
            line["yanked"] = version.state == VersionState::yanked;
            text += line.dump() + "\n";
        }
        LS_TRY(made, ctx.put(index_path(package->name), text,
                             {.media_type = "text/plain; charset=utf-8",
                              .gzip = true}));
        static_cast<void>(made);
        return {};
    }

    std::string package_key(std::string_view name) const override {
        return key_of(name);
    }
    std::string version_key(std::string_view version) const override {
        return version_key_of(version);
    }
};

}  // namespace

namespace formats {

const Format& cargo() {
    static const Cargo kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
