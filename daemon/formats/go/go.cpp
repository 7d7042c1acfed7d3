// Go modules: the GOPROXY protocol, upload of module archives, yank, and the
// repository's own checksum database (sumdb.hpp). Specification: Go Modules
// Reference, "GOPROXY protocol", "Module zip files". docs/formats/go.md.
#include <algorithm>
#include <array>
#include <chrono>
#include <functional>

#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "formats/go/module_path.hpp"
#include "formats/go/module_zip.hpp"
#include "formats/go/sumdb.hpp"
#include "http/date.hpp"
#include "registry/package_format.hpp"
#include "syntax/go_version.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

// Below which a module's files are.
std::string folder_of(std::string_view path) {
    return go::escape(path) + "/@v/";
}

std::string file_path(std::string_view path, std::string_view version,
                      std::string_view suffix) {
    return folder_of(path) + go::escape(version) + std::string(suffix);
}

// "2026-01-02T03:04:05Z"; that in a pseudo-version where it is one.
std::string time_of(std::string_view version, std::int64_t now_ms) {
    if (!is_pseudo_version(version)) {
        return utc_time(now_ms);
    }
    auto digits = version.substr(version.rfind('-') - 14, 14);
    auto number = [&](std::size_t at, std::size_t n) {
        int value = 0;
        for (char c : digits.substr(at, n)) {
            value = value * 10 + (c - '0');
        }
        return value;
    };
    std::chrono::year_month_day day(
        std::chrono::year(number(0, 4)),
        std::chrono::month(static_cast<unsigned>(number(4, 2))),
        std::chrono::day(static_cast<unsigned>(number(6, 2))));
    auto hour = number(8, 2);
    auto minute = number(10, 2);
    auto second = number(12, 2);
    if (!day.ok() || hour > 23 || minute > 59 || second > 59) {
        return utc_time(now_ms);
    }
    auto time = std::chrono::sys_days(day).time_since_epoch() +
                std::chrono::hours(hour) + std::chrono::minutes(minute) +
                std::chrono::seconds(second);
    return utc_time(std::chrono::milliseconds(time).count());
}

Result<FileDraft> small_file(Context& ctx, std::string path,
                             std::string_view text, std::string_view role,
                             std::string_view media_type) {
    FileDraft file;
    file.path = std::move(path);
    LS_TRY(blob, ctx.blobs.stage(text));
    file.blob = std::move(blob);
    file.role = role;
    file.media_type = media_type;
    return file;
}

// What go.sum says of the version: two lines.
std::string record_of(const go::Module& module) {
    auto name = module.path + " " + module.version;
    return name + " " + module.zip_hash + "\n" + name + "/go.mod " +
           module.go_mod_hash + "\n";
}

Json data_of(const go::Module& module, const std::string& time) {
    auto retracted = Json::array();
    for (const auto& one : module.retractions) {
        retracted.push_back({one.low, one.high});
    }
    return {{"sum", module.zip_hash},
            {"go_mod_sum", module.go_mod_hash},
            {"time", time},
            {"retract", retracted}};
}

Result<Reply> publish(Context& ctx, const Request& request,
                      const go::ModuleName& name) {
    LS_TRY(source, ctx.blobs.open(request));
    LS_TRY(module, go::read_module(*source, name));
    auto time = time_of(module.version, unix_ms());
    PackageDraft draft;
    draft.name = module.path;
    draft.key = module.path;
    draft.version = module.version;
    draft.version_key = module.version;
    draft.sort_key = module.sort_key;
    draft.version_data = data_of(module, time).dump();
    draft.log_records.push_back(
        {go::log_subject(module.path, module.version), record_of(module)});
    auto path = [&](std::string_view suffix) {
        return file_path(module.path, module.version, suffix);
    };
    FileDraft zip;
    zip.path = path(".zip");
    LS_TRY(blob, ctx.blobs.stage(request));
    zip.blob = std::move(blob);
    zip.role = "zip";
    zip.media_type = "application/zip";
    draft.files.push_back(std::move(zip));
    LS_TRY(mod, small_file(ctx, path(".mod"), module.go_mod, "mod",
                           "text/plain; charset=utf-8"));
    draft.files.push_back(std::move(mod));
    Json about = {{"Version", module.version}, {"Time", time}};
    LS_TRY(info, small_file(ctx, path(".info"), about.dump(), "info",
                            "application/json"));
    draft.files.push_back(std::move(info));
    draft.request_id = request.request_id;
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    Json body = {{"path", module.path},
                 {"version", module.version},
                 {"sum", module.zip_hash},
                 {"go_mod_sum", module.go_mod_hash}};
    return written_reply(201, std::move(written), body.dump());
}

Result<Reply> upload(Context& ctx, const Request& request) {
    LS_TRY(source, ctx.blobs.open(request));
    LS_TRY(name, go::name_in_zip(*source));
    return publish(ctx, request, name);
}

// "v1.0.0.zip" → "v1.0.0"; also of the escaped path.
Result<go::ModuleName> name_in(const Request& request,
                               std::string_view suffix) {
    std::string_view file = request.parameter("file");
    if (!file.ends_with(suffix)) {
        return Error{Code::not_found, "no such path in this registry"};
    }
    file.remove_suffix(suffix.size());
    go::ModuleName name;
    LS_TRY(path, go::unescape(request.parameter("module")));
    LS_TRY(version, go::unescape(file));
    name.path = std::move(path);
    name.version = std::move(version);
    return name;
}

// What is known of the version before its body is there.
Result<void> before_put(Context& ctx, const Request& request) {
    LS_TRY(name, name_in(request, ".zip"));
    LS_CHECK(go::check_module_path(name.path));
    LS_TRY(sort_key, go::check_version(name.version));
    static_cast<void>(sort_key);
    LS_CHECK(go::check_major(name.path, name.version));
    PackageDraft draft;
    draft.name = name.path;
    draft.key = name.path;
    draft.version = name.version;
    draft.version_key = name.version;
    return ctx.package_publisher.check(*ctx.access, draft);
}

Result<Reply> put(Context& ctx, const Request& request) {
    LS_TRY(name, name_in(request, ".zip"));
    return publish(ctx, request, name);
}

Result<Reply> get_file(Context& ctx, const Request& request) {
    LS_TRY(entry,
           ctx.packages.file(*ctx.access, request.parameter("module") + "/@v/" +
                                              request.parameter("file")));
    auto reply = file_reply(ctx, entry);
    // A download is one of the archive; go asks for the others to choose.
    reply.counted = entry.file.role == "zip";
    reply.header("Cache-Control", "max-age=31536000, immutable");
    return reply;
}

Result<Reply> get_list(Context& ctx, const Request& request) {
    LS_TRY(path, go::unescape(request.parameter("module")));
    return ctx.indexes.serve(*ctx.repository, request, path,
                             folder_of(path) + "list", ctx.base_url);
}

Result<Reply> get_latest(Context& ctx, const Request& request) {
    LS_TRY(path, go::unescape(request.parameter("module")));
    return ctx.indexes.serve(*ctx.repository, request, path,
                             go::escape(path) + "/@latest", ctx.base_url);
}

Result<Reply> edit_version(
    Context& ctx, const Request& request, const go::ModuleName& name,
    EditOptions options,
    const std::function<void(StoredPackage&, StoredVersion&)>& change) {
    options.detail = name.version;
    options.request_id = request.request_id;
    LS_TRY(written, ctx.package_publisher.edit(
                        *ctx.access, name.path,
                        [&](StoredPackage& package) -> Result<void> {
                            auto* version = package.find(name.version);
                            if (version == nullptr) {
                                return Error{Code::not_found,
                                             "module " + name.path +
                                                 " has no version " +
                                                 name.version};
                            }
                            change(package, *version);
                            return {};
                        },
                        options));
    return written_reply(200, std::move(written), R"({"ok":true})");
}

Result<Reply> set_state(Context& ctx, const Request& request,
                        VersionState state, std::string_view action) {
    LS_TRY(name, name_in(request, ""));
    return edit_version(
        ctx, request, name, {.action = action},
        [&](StoredPackage&, StoredVersion& version) { version.state = state; });
}

Result<Reply> yank(Context& ctx, const Request& request) {
    return set_state(ctx, request, VersionState::yanked, "package.yank");
}

Result<Reply> unyank(Context& ctx, const Request& request) {
    return set_state(ctx, request, VersionState::active, "package.unyank");
}

// All three files of it. Its record in the log stays.
Result<Reply> remove(Context& ctx, const Request& request) {
    LS_TRY(name, name_in(request, ".zip"));
    return edit_version(
        ctx, request, name, {.action = "package.delete", .tombstones = true},
        [&](StoredPackage& package, StoredVersion& version) {
            auto id = version.id;
            std::erase_if(package.versions,
                          [id](const auto& one) { return one.id == id; });
        });
}

constexpr std::array kRoutes = {
    Route{Method::get, "/{module+}/@v/list", Action::pull, true, get_list},
    Route{Method::get, "/{module+}/@v/{file}", Action::pull, true, get_file},
    Route{Method::get, "/{module+}/@latest", Action::pull, true, get_latest},
    Route{.method = Method::put,
          .pattern = "/upload",
          .action = Action::push,
          .named = true,
          .handle = upload,
          .body = BodyMode::spool,
          .max_body_bytes = go::kMaxZip},
    Route{.method = Method::put,
          .pattern = "/{module+}/@v/{file}",
          .action = Action::push,
          .named = true,
          .handle = put,
          .body = BodyMode::spool,
          .max_body_bytes = go::kMaxZip,
          .before = before_put},
    Route{Method::put, "/{module+}/@v/{file}/yank", Action::push, true, yank},
    Route{Method::put, "/{module+}/@v/{file}/unyank", Action::push, true,
          unyank},
    Route{Method::remove, "/{module+}/@v/{file}", Action::remove, true, remove},
    Route{Method::get, "/sumdb-key", Action::pull, true, go::sumdb_key},
    Route{Method::get, "/sumdb/{name+}/supported", Action::pull, true,
          go::sumdb_supported},
    Route{Method::get, "/sumdb/{name+}/latest", Action::pull, true,
          go::sumdb_latest},
    Route{Method::get, "/sumdb/{name+}/lookup/{module+}", Action::pull, true,
          go::sumdb_lookup},
    Route{Method::get, "/sumdb/{name+}/tile/8/{level}/{number+}", Action::pull,
          true, go::sumdb_tile},
};

// A version as the documents of its module need it.
struct Listed {
    const StoredVersion* version = nullptr;
    Json data;
    bool pseudo = false;
    bool prerelease = false;
    bool retracted = false;
};

Result<std::vector<Listed>> listed(const StoredPackage& package) {
    std::vector<Listed> found;
    for (const auto& version : package.versions) {
        Listed one;
        one.version = &version;
        one.data = Json::parse(version.data, nullptr, false);
        auto read = parse_go_version(version.version);
        if (!one.data.is_object() || !read) {
            return Error{Code::corrupt, "a version of a module without data"};
        }
        one.pseudo = is_pseudo_version(version.version);
        one.prerelease = read->prerelease;
        if (version.state != VersionState::yanked) {
            found.push_back(std::move(one));
        }
    }
    return found;
}

std::string key_of(const Json& version) {
    auto read = parse_go_version(version.get<std::string>());
    return read ? read->key : std::string();
}

// How much the go command likes it: releases, then what comes before one.
int rank(const Listed& one) {
    return one.pseudo ? 0 : one.prerelease ? 1 : 2;
}

// The best in the order of the go command; null without any.
const Listed* best(const std::vector<Listed>& versions) {
    auto time = [](const Listed& one) {
        return one.data.value("time", std::string());
    };
    const Listed* found = nullptr;
    for (const auto& one : versions) {
        if (one.retracted) {
            continue;
        }
        // Versions come in their order; pseudo-versions count by their time.
        bool better = found == nullptr || rank(one) > rank(*found) ||
                      (rank(one) == rank(*found) &&
                       (!one.pseudo || time(one) >= time(*found)));
        found = better ? &one : found;
    }
    return found;
}

// Marks what the best version's go.mod retracts.
void retract(std::vector<Listed>& versions) {
    const auto* newest = best(versions);
    if (newest == nullptr) {
        return;
    }
    for (const auto& range : newest->data.value("retract", Json::array())) {
        auto low = key_of(range.at(0));
        auto high = key_of(range.at(1));
        for (auto& one : versions) {
            const auto& key = one.version->sort_key;
            one.retracted = one.retracted || (low <= key && key <= high);
        }
    }
}

class Go final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 1> kMounts = {"go"};
        static constexpr std::array kSetup = {
            // curl and Go before 1.24 look for the name, Go since then for
            // name and port.
            SetupFile{"{home}/.netrc",
                      "machine {name} login {user} password {token}\n"
                      "machine {host} login {user} password {token}\n"},
            SetupFile{"",
                      "go env -w GOPROXY={url}\n"
                      "go env -w GOSUMDB=\"$(curl -fsSn {url}/sumdb-key)\"\n"
                      "curl -fnT FILE {url}/upload\n",
                      "#", "go env -u GOPROXY GOSUMDB\n"}};
        static constexpr FormatInfo kInfo{
            .key = "go",
            .title = "Go modules",
            .mount = "",
            .specification = "https://go.dev/ref/mod",
            .mounts = kMounts,
            .index = IndexKind::plain,
            .setup = kSetup,
            .denied_status = 404};
        return kInfo;
    }

    std::span<const Route> routes() const override { return kRoutes; }

    // The go command shows the text to its user.
    Reply render(const Error& error) const override {
        auto reply = PackageFormat::render(error);
        if (auto* body = std::get_if<InlineBody>(&reply.body)) {
            auto json = Json::parse(body->bytes, nullptr, false);
            body->bytes = json.is_object() ? json.value("error", "") + "\n"
                                           : std::string();
            reply.media_type = "text/plain; charset=utf-8";
        }
        return reply;
    }

    // The list and the latest version of one module.
    Result<void> reindex(IndexContext& ctx,
                         std::string_view scope) const override {
        LS_TRY(package, ctx.package(scope));
        if (!package) {
            return {};
        }
        LS_TRY(versions, listed(*package));
        std::string list;
        for (const auto& one : versions) {
            list += one.pseudo ? "" : one.version->version + "\n";
        }
        LS_TRY(made, ctx.put(folder_of(package->key) + "list", list,
                             {.media_type = "text/plain; charset=utf-8"}));
        static_cast<void>(made);
        retract(versions);
        if (const auto* latest = best(versions)) {
            Json about = {{"Version", latest->version->version},
                          {"Time", latest->data.value("time", "")}};
            LS_TRY(done,
                   ctx.put(go::escape(package->key) + "/@latest", about.dump(),
                           {.media_type = "application/json"}));
            static_cast<void>(done);
        }
        return {};
    }

    Result<void> check_settings(std::string_view settings) const override {
        return go::check_sumdb_settings(settings);
    }
};

}  // namespace

namespace formats {

const Format& go() {
    static const Go kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
