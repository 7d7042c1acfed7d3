// Python packages: the simple API as HTML and JSON, uploads of twine, uv and
// poetry, metadata beside the files, attestations, yanked releases, the JSON
// API. Specification: PyPA, "Simple repository API", "Core metadata",
// "Binary distribution format", "Upload API"; PEP 503, 592, 658, 691, 700,
// 714, 740. docs/formats/pypi.md.
#include <algorithm>
#include <array>
#include <charconv>

#include <nlohmann/json.hpp>

#include "archive/reader.hpp"
#include "common/encoding.hpp"
#include "http/date.hpp"
#include "http/multipart.hpp"
#include "registry/package_format.hpp"
#include "syntax/control_file.hpp"
#include "syntax/version.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxMetadata = 4 * 1024 * 1024;
constexpr std::size_t kMaxName = 200;
constexpr std::size_t kPage = 1000;
constexpr std::string_view kProjects = ".projects";
constexpr std::string_view kJsonType = "application/vnd.pypi.simple.v1+json";
constexpr std::string_view kHtmlType = "application/vnd.pypi.simple.v1+html";
constexpr auto kAlgorithms = Extra::md5 | Extra::blake2b_256;

Error bad(std::string message) {
    return Error{Code::invalid_argument, std::move(message)};
}

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// PEP 503: runs of - _ . are one "-", letters are lower case.
std::string normalize(std::string_view name) {
    std::string out;
    for (char c : name) {
        bool separator = c == '-' || c == '_' || c == '.';
        if (!separator) {
            out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        } else if (out.empty() || out.back() != '-') {
            out += '-';
        }
    }
    return out;
}

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName &&
           is_letter_or_digit(name.front()) &&
           is_letter_or_digit(name.back()) &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
           });
}

std::string escape(std::string_view text) {
    std::string out;
    for (char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

// The fields of the form, and its one file.
struct Form {
    std::vector<std::pair<std::string, std::string>> fields;
    std::string filename;
    std::optional<StagedBlob> content;

    std::string get(std::string_view name) const {
        for (const auto& [key, value] : fields) {
            if (key == name) {
                return value;
            }
        }
        return {};
    }
};

class UploadForm final : public MultipartReceiver {
public:
    UploadForm(Context& ctx, Form& form) : ctx_(ctx), form_(form) {}

    Result<ByteSink> begin(const PartHead& head) override {
        if (head.name != "content") {
            return ByteSink();
        }
        if (form_.content || writer_) {
            return bad("there is one file in an upload");
        }
        form_.filename = head.filename.value_or("");
        LS_TRY(writer, ctx_.blobs.writer(kAlgorithms));
        writer_.emplace(std::move(writer));
        return ByteSink(
            [this](std::string_view bytes) { return writer_->write(bytes); });
    }

    Result<void> field(const PartHead& head, std::string value) override {
        form_.fields.emplace_back(head.name, std::move(value));
        return {};
    }

    Result<void> end(const PartHead&) override {
        LS_TRY(blob, writer_->finish());
        form_.content.emplace(std::move(blob));
        writer_.reset();
        return {};
    }

private:
    Context& ctx_;
    Form& form_;
    std::optional<BlobWriter> writer_;
};

Result<Form> read_form(Context& ctx, const Request& request) {
    LS_TRY(boundary,
           multipart_boundary(request.header("content-type").value_or("")));
    LS_TRY(body, ctx.blobs.open(request));
    Form form;
    UploadForm receiver(ctx, form);
    LS_CHECK(read_multipart(*body, boundary, receiver));
    if (form.get(":action") != "file_upload") {
        return bad(":action is file_upload");
    }
    if (!form.content || form.filename.empty()) {
        return bad("the form has no file in its part \"content\"");
    }
    return form;
}

struct Digested {
    std::string_view field;
    std::string (*of)(const StagedBlob&);
};
constexpr std::array kDigests = {
    Digested{"md5_digest", [](const StagedBlob& b) { return b.digests().md5; }},
    Digested{
        "sha256_digest",
        [](const StagedBlob& b) { return std::string(b.digest().encoded()); }},
    Digested{"blake2_256_digest",
             [](const StagedBlob& b) { return b.digests().blake2b_256; }},
};

Result<void> check_digests(const Form& form) {
    for (const auto& one : kDigests) {
        auto said = form.get(one.field);
        if (!said.empty() && said != one.of(*form.content)) {
            return Error{Code::digest_mismatch,
                         std::string(one.field) + " is not that of the file"};
        }
    }
    return {};
}

// What a file is by its name.
struct FileName {
    std::string project;  // normalised
    std::string version;  // canonical
    bool wheel = false;
};

Result<std::string> canonical(std::string_view version) {
    LS_TRY(parsed, parse_version(VersionScheme::pep440, version));
    return parsed.text;
}

// {name}-{version}[-{build}]-{python}-{abi}-{platform}.whl
Result<FileName> wheel_name(std::string_view stem) {
    std::vector<std::string_view> parts;
    for (;;) {
        auto dash = stem.find('-');
        parts.push_back(stem.substr(0, dash));
        if (dash == stem.npos) {
            break;
        }
        stem.remove_prefix(dash + 1);
    }
    bool filled = std::none_of(parts.begin(), parts.end(),
                               [](auto part) { return part.empty(); });
    if ((parts.size() != 5 && parts.size() != 6) || !filled) {
        return bad(
            "a wheel is <name>-<version>[-<build>]-<python>-<abi>-"
            "<platform>.whl");
    }
    LS_TRY(version, canonical(parts[1]));
    return FileName{normalize(parts[0]), version, true};
}

Result<FileName> read_file_name(std::string_view name) {
    if (name.size() > 255 || name.find_first_of("/\\") != name.npos ||
        name.front() == '.') {
        return bad("the file's name is no name");
    }
    if (name.ends_with(".whl")) {
        return wheel_name(name.substr(0, name.size() - 4));
    }
    for (std::string_view suffix : {".tar.gz", ".zip"}) {
        auto dash = name.rfind('-');
        if (name.ends_with(suffix) && dash != name.npos && dash > 0) {
            auto text = name.substr(dash + 1);
            text.remove_suffix(suffix.size());
            LS_TRY(version, canonical(text));
            return FileName{normalize(name.substr(0, dash)), version, false};
        }
    }
    return bad(
        "a file is a wheel (.whl) or a source distribution (.tar.gz, "
        ".zip)");
}

// METADATA of a wheel, PKG-INFO of a source distribution.
Result<std::string> read_metadata(const StagedBlob& blob, std::string_view file,
                                  bool wheel) {
    LS_TRY(source, blob.open());
    auto wanted = [&](const ArchiveEntry& entry) {
        auto slash = entry.path.find('/');
        auto leaf = slash == std::string::npos ? std::string()
                                               : entry.path.substr(slash + 1);
        return wheel ? leaf == "METADATA" && std::string_view(entry.path)
                                                 .substr(0, slash)
                                                 .ends_with(".dist-info")
                     : leaf == "PKG-INFO";
    };
    Kinds kinds =
        file.ends_with(".tar.gz") ? Kind::tar | Kind::gzip : Kinds(Kind::zip);
    LS_TRY(text, find_entry(*source, kinds, wanted, kMaxMetadata));
    if (!text) {
        return bad(wheel ? "the wheel has no *.dist-info/METADATA"
                         : "the source distribution has no PKG-INFO");
    }
    return std::move(*text);
}

struct Upload {
    FileName name;
    std::string project;  // as written
    std::string metadata;
    Stanza fields;
};

// The form, the file's name and the metadata in it say the same.
Result<Upload> check_upload(const Form& form) {
    Upload upload;
    LS_CHECK(check_digests(form));
    LS_TRY(name, read_file_name(form.filename));
    upload.name = name;
    upload.project = form.get("name");
    if (!is_name(upload.project) || normalize(upload.project) != name.project) {
        return bad("the form's name is not that of " + form.filename);
    }
    LS_TRY(version, canonical(form.get("version")));
    if (version != name.version) {
        return bad("the form's version is not that of " + form.filename);
    }
    auto type = form.get("filetype");
    if (type != (name.wheel ? "bdist_wheel" : "sdist")) {
        return bad(
            "filetype is bdist_wheel for a wheel, sdist for a source "
            "distribution");
    }
    LS_TRY(text, read_metadata(*form.content, form.filename, name.wheel));
    LS_TRY(fields, read_stanza(text, kPythonMetadata));
    LS_TRY(inside, canonical(fields.get("Version")));
    if (normalize(fields.get("Name")) != name.project ||
        inside != name.version) {
        return bad(
            "the metadata in the file is of another package or "
            "version");
    }
    upload.metadata = std::move(text);
    upload.fields = std::move(fields);
    return upload;
}

std::string path_of(const FileName& name, std::string_view file) {
    return "packages/" + name.project + "/" + name.version + "/" +
           std::string(file);
}

Json list_of(const Stanza& fields, std::string_view name) {
    auto out = Json::array();
    for (auto value : fields.all(name)) {
        out.push_back(value);
    }
    return out;
}

// What the JSON API tells of a release.
Json info_of(const Upload& upload) {
    const auto& fields = upload.fields;
    auto body = fields.body().empty() ? std::string(fields.get("Description"))
                                      : fields.body();
    return Json{
        {"name", upload.project},
        {"version", upload.name.version},
        {"summary", fields.get("Summary")},
        {"description", body},
        {"description_content_type", fields.get("Description-Content-Type")},
        {"author", fields.get("Author")},
        {"author_email", fields.get("Author-email")},
        {"maintainer", fields.get("Maintainer")},
        {"license", fields.get("License")},
        {"home_page", fields.get("Home-page")},
        {"keywords", fields.get("Keywords")},
        {"classifiers", list_of(fields, "Classifier")},
        {"project_urls", list_of(fields, "Project-URL")},
        {"requires_dist", list_of(fields, "Requires-Dist")},
        {"requires_python", fields.get("Requires-Python")}};
}

Result<PackageDraft> draft_of(Context& ctx, const Request& request, Form& form,
                              const Upload& upload) {
    PackageDraft draft;
    draft.name = upload.project;
    draft.key = upload.name.project;
    draft.summary = std::string(upload.fields.get("Summary"));
    draft.keywords = std::string(upload.fields.get("Keywords"));
    draft.version = draft.version_key = upload.name.version;
    LS_TRY(sort_key,
           version_sort_key(VersionScheme::pep440, upload.name.version));
    draft.sort_key = std::move(sort_key);
    draft.version_data = dump(Json{{"info", info_of(upload)}});
    draft.if_exists = IfExists::add;
    draft.same_bytes_are_fine = true;
    draft.request_id = request.request_id;
    auto path = path_of(upload.name, form.filename);
    LS_TRY(metadata, ctx.blobs.stage(upload.metadata));
    Json data = {{"filename", form.filename},
                 {"requires_python", upload.fields.get("Requires-Python")},
                 {"metadata_sha256", metadata.digest().encoded()},
                 {"packagetype", form.get("filetype")},
                 {"python_version", form.get("pyversion")}};
    auto attestations = form.get("attestations");
    FileDraft file;
    file.path = path;
    file.blob = std::move(*form.content);
    file.role = upload.name.wheel ? "wheel" : "sdist";
    if (!attestations.empty()) {
        auto parsed = Json::parse(attestations, nullptr, false);
        if (!parsed.is_array()) {
            return bad("attestations are a JSON list");
        }
        data["attestations"] = true;
        FileDraft beside;
        beside.path = path + ".provenance";
        LS_TRY(blob, ctx.blobs.stage(dump(
                         Json{{"version", 1},
                              {"attestation_bundles",
                               Json::array({{{"publisher", nullptr},
                                             {"attestations", parsed}}})}})));
        beside.blob = std::move(blob);
        beside.role = "provenance";
        beside.media_type = "application/vnd.pypi.integrity.v1+json";
        draft.files.push_back(std::move(beside));
    }
    file.data = dump(data);
    FileDraft beside;
    beside.path = path + ".metadata";
    beside.blob = std::move(metadata);
    beside.role = "metadata";
    beside.media_type = "text/plain; charset=utf-8";
    draft.files.push_back(std::move(file));
    draft.files.push_back(std::move(beside));
    return draft;
}

Result<Reply> upload_file(Context& ctx, const Request& request) {
    LS_TRY(form, read_form(ctx, request));
    LS_TRY(upload, check_upload(form));
    LS_TRY(draft, draft_of(ctx, request, form, upload));
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    return written_reply(200, std::move(written), "OK\n", "text/plain");
}

// The quality that an Accept header gives a media type; -1: not named.
int quality_of(std::string_view accept, std::string_view type) {
    int best = -1;
    while (!accept.empty()) {
        auto part = accept.substr(0, accept.find(','));
        accept.remove_prefix(std::min(accept.size(), part.size() + 1));
        auto name = part.substr(0, part.find(';'));
        while (name.starts_with(' ')) {
            name.remove_prefix(1);
        }
        while (name.ends_with(' ')) {
            name.remove_suffix(1);
        }
        if (name != type) {
            continue;
        }
        int quality = 1000;
        if (auto q = part.find("q="); q != part.npos) {
            auto text = part.substr(q + 2);
            double value = 1;
            std::from_chars(text.data(), text.data() + text.size(), value);
            quality = static_cast<int>(value * 1000);
        }
        best = std::max(best, quality);
    }
    return best;
}

struct Chosen {
    bool json = false;
    std::string_view html_type = "text/html; charset=utf-8";
};

Chosen choose(const Request& request) {
    auto accept = request.header("accept").value_or("");
    auto json =
        std::max(quality_of(accept, kJsonType),
                 quality_of(accept, "application/vnd.pypi.simple.latest+json"));
    auto html =
        std::max(quality_of(accept, kHtmlType),
                 quality_of(accept, "application/vnd.pypi.simple.latest+html"));
    auto plain =
        std::max(quality_of(accept, "text/html"), quality_of(accept, "*/*"));
    Chosen chosen;
    chosen.json = json > 0 && json >= html && json >= plain;
    if (html > 0 && html > plain) {
        chosen.html_type = kHtmlType;
    }
    return chosen;
}

Result<Reply> serve_simple(Context& ctx, const Request& request,
                           std::string_view scope, const std::string& path) {
    auto chosen = choose(request);
    LS_TRY(reply,
           ctx.indexes.serve(*ctx.repository, request, scope,
                             path + (chosen.json ? ".json" : ".html"), ""));
    reply.media_type = chosen.json ? kJsonType : chosen.html_type;
    reply.header("Vary", "Accept");
    return reply;
}

Result<Reply> list_projects(Context& ctx, const Request& request) {
    return serve_simple(ctx, request, kProjects, "projects");
}

Reply moved_to(std::string_view location) {
    Reply reply;
    reply.status = 301;
    reply.header("Location", location);
    return reply;
}

Result<Reply> show_project(Context& ctx, const Request& request) {
    const auto& name = request.parameter("name");
    auto key = normalize(name);
    if (!is_name(name)) {
        return Error{Code::not_found, "there is no such project"};
    }
    if (key != name || !request.ends_in_slash) {
        auto up = request.ends_in_slash ? "../" : "";
        return moved_to(up + key + "/");
    }
    return serve_simple(ctx, request, key, "simple/" + key);
}

Result<Reply> get_file(Context& ctx, const Request& request) {
    LS_TRY(entry, ctx.packages.file(*ctx.access,
                                    "packages/" + request.parameter("path")));
    auto reply = file_reply(ctx, entry);
    reply.header("Cache-Control", "max-age=31536000, immutable");
    return reply;
}

Result<Reply> get_provenance(Context& ctx, const Request& request) {
    auto path = "packages/" + normalize(request.parameter("name")) + "/" +
                request.parameter("version") + "/" + request.parameter("file") +
                ".provenance";
    LS_TRY(entry, ctx.packages.file(*ctx.access, path));
    return file_reply(ctx, entry);
}

bool is_distribution(const StoredFile& file) {
    return file.role == "wheel" || file.role == "sdist";
}

Json parse(const std::string& data) {
    auto json = Json::parse(data, nullptr, false);
    return json.is_object() ? json : Json::object();
}

// An entry of "urls" and "releases" of the JSON API.
Json release_file(const Context& ctx, const StoredVersion& version,
                  const StoredFile& file) {
    auto data = parse(file.data);
    return Json{
        {"filename", data.value("filename", "")},
        {"url", ctx.base_url + "/" + percent_encode(file.path, "/+~!@$,=")},
        {"digests",
         {{"sha256", file.digest.encoded()},
          {"md5", file.digests.md5},
          {"blake2b_256", file.digests.blake2b_256}}},
        {"size", file.size_bytes},
        {"packagetype", data.value("packagetype", "")},
        {"python_version", data.value("python_version", "")},
        {"requires_python", data.value("requires_python", "")},
        {"upload_time_iso_8601", utc_time(file.created_at_ms, true)},
        {"yanked", version.state == VersionState::yanked},
        {"yanked_reason", version.reason}};
}

Result<Reply> show_json(Context& ctx, const Request& request) {
    LS_TRY(package, ctx.packages.package(*ctx.access,
                                         normalize(request.parameter("name"))));
    const auto& wanted = request.parameter("version");
    const StoredVersion* shown = nullptr;
    auto releases = Json::object();
    for (const auto& version : package.versions) {
        auto files = Json::array();
        for (const auto& file : version.files) {
            if (is_distribution(file)) {
                files.push_back(release_file(ctx, version, file));
            }
        }
        releases[version.version] = std::move(files);
        bool fits = wanted.empty() ? version.version == package.latest
                                   : version.version == wanted;
        shown = fits ? &version : shown;
    }
    if (shown == nullptr && wanted.empty() && !package.versions.empty()) {
        shown = &package.versions.back();
    }
    if (shown == nullptr) {
        return Error{Code::not_found, "there is no such release"};
    }
    Json body = {{"info", parse(shown->data)["info"]},
                 {"urls", releases[shown->version]},
                 {"last_serial", package.revision},
                 {"vulnerabilities", Json::array()}};
    body["info"]["yanked"] = shown->state == VersionState::yanked;
    if (wanted.empty()) {
        body["releases"] = std::move(releases);
    }
    return json_document(ctx, dump(body), package.key);
}

constexpr std::array kRoutes = {
    Route{.method = Method::post,
          .pattern = "/",
          .action = Action::push,
          .named = true,
          .handle = upload_file,
          .body = BodyMode::spool},
    Route{.method = Method::post,
          .pattern = "/legacy/",
          .action = Action::push,
          .named = true,
          .handle = upload_file,
          .body = BodyMode::spool},
    Route{Method::get, "/simple/", Action::pull, true, list_projects},
    Route{Method::get, "/simple/{name}/", Action::pull, true, show_project},
    Route{Method::get, "/simple/{name}", Action::pull, true, show_project},
    Route{Method::get, "/packages/{path+}", Action::pull, true, get_file},
    Route{Method::get, "/integrity/{name}/{version}/{file}/provenance",
          Action::pull, true, get_provenance},
    Route{Method::get, "/pypi/{name}/json", Action::pull, true, show_json},
    Route{Method::get, "/pypi/{name}/{version}/json", Action::pull, true,
          show_json},
};

struct PageFile {
    const StoredVersion* version;
    const StoredFile* file;
    Json data;
    std::string url;  // relative to the project's page
};

std::string html_page(const StoredPackage& package,
                      const std::vector<PageFile>& files) {
    std::string out =
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">"
        "<meta name=\"pypi:repository-version\" content=\"1.1\">"
        "<title>Links for " +
        escape(package.name) + "</title></head>\n<body><h1>Links for " +
        escape(package.name) + "</h1>\n";
    for (const auto& one : files) {
        auto digest = std::string(one.file->digest.encoded());
        out += "<a href=\"" + one.url + "#sha256=" + digest + "\"";
        auto python = one.data.value("requires_python", "");
        if (!python.empty()) {
            out += " data-requires-python=\"" + escape(python) + "\"";
        }
        if (one.version->state == VersionState::yanked) {
            out += " data-yanked=\"" + escape(one.version->reason) + "\"";
        }
        auto metadata = "sha256=" + one.data.value("metadata_sha256", "");
        for (const char* name : {"core", "dist-info"}) {
            out.append(" data-").append(name).append("-metadata=\"");
            out.append(metadata).append("\"");
        }
        if (one.data.value("attestations", false)) {
            out += " data-provenance=\"" + one.url + ".provenance\"";
        }
        out += ">" + escape(one.data.value("filename", "")) + "</a><br>\n";
    }
    return out + "</body></html>\n";
}

Json json_page(const StoredPackage& package,
               const std::vector<PageFile>& files) {
    auto list = Json::array();
    for (const auto& one : files) {
        // Not "dist-info-metadata" too: pip before 23.1 fails on it (PEP 714).
        Json hash = {{"sha256", one.data.value("metadata_sha256", "")}};
        Json entry = {{"filename", one.data.value("filename", "")},
                      {"url", one.url},
                      {"hashes", {{"sha256", one.file->digest.encoded()}}},
                      {"size", one.file->size_bytes},
                      {"upload-time", utc_time(one.file->created_at_ms, true)},
                      {"core-metadata", hash},
                      {"yanked", false}};
        auto python = one.data.value("requires_python", "");
        if (!python.empty()) {
            entry["requires-python"] = python;
        }
        if (one.version->state == VersionState::yanked) {
            entry["yanked"] = one.version->reason.empty()
                                  ? Json(true)
                                  : Json(one.version->reason);
        }
        if (one.data.value("attestations", false)) {
            entry["provenance"] = one.url + ".provenance";
        }
        list.push_back(std::move(entry));
    }
    auto versions = Json::array();
    for (const auto& version : package.versions) {
        versions.push_back(version.version);
    }
    return Json{{"meta", {{"api-version", "1.1"}}},
                {"name", package.key},
                {"versions", std::move(versions)},
                {"files", std::move(list)}};
}

Result<void> put_pages(IndexContext& ctx, const std::string& path,
                       const std::string& html, const Json& json) {
    LS_TRY(page, ctx.put(path + ".html", html,
                         {.media_type = "text/html", .gzip = true}));
    LS_TRY(document, ctx.put(path + ".json", dump(json),
                             {.media_type = kJsonType, .gzip = true}));
    static_cast<void>(page);
    static_cast<void>(document);
    return {};
}

Result<void> index_project(IndexContext& ctx, std::string_view key) {
    LS_TRY(package, ctx.package(key));
    if (!package) {
        return {};
    }
    std::vector<PageFile> files;
    for (const auto& version : package->versions) {
        for (const auto& file : version.files) {
            if (is_distribution(file)) {
                files.push_back(
                    {&version, &file, parse(file.data),
                     "../../" + percent_encode(file.path, "/+~!@$,=")});
            }
        }
    }
    return put_pages(ctx, "simple/" + package->key, html_page(*package, files),
                     json_page(*package, files));
}

Result<void> index_projects(IndexContext& ctx) {
    std::string html =
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">"
        "<meta name=\"pypi:repository-version\" content=\"1.1\">"
        "<title>Simple index</title></head>\n<body>\n";
    auto projects = Json::array();
    for (std::string last;;) {
        LS_TRY(packages, ctx.packages("", kPage, last));
        for (const auto& package : packages) {
            last = package.key;
            html += "<a href=\"" + package.key + "/\">" + escape(package.name) +
                    "</a><br>\n";
            projects.push_back({{"name", package.name}});
        }
        if (packages.size() < kPage) {
            break;
        }
    }
    return put_pages(ctx, "projects", html + "</body></html>\n",
                     Json{{"meta", {{"api-version", "1.1"}}},
                          {"projects", std::move(projects)}});
}

class Pypi final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 2> kMounts = {"pypi",
                                                                    "poetry"};
        static constexpr std::array kSetup = {
            SetupFile{"{home}/.config/pip/pip.conf",
                      "[global]\nindex-url = {url}/simple/\n"},
            SetupFile{"{home}/.pypirc",
                      "[distutils]\nindex-servers = {repository}\n\n"
                      "[{repository}]\nrepository = {url}/\n"
                      "username = __token__\npassword = {token}\n"},
            SetupFile{"{home}/.netrc",
                      "machine {name} login __token__ password {token}\n"}};
        static constexpr FormatInfo kInfo{
            .key = "pypi",
            .title = "Python packages",
            .mount = "",
            .specification = "https://packaging.python.org/specifications/",
            .mounts = kMounts,
            .index = IndexKind::plain,
            .setup = kSetup};
        return kInfo;
    }

    std::span<const Route> routes() const override { return kRoutes; }

    // The list of projects only when one comes or goes.
    std::vector<std::string> scopes(
        const StoredPackage& package) const override {
        std::vector<std::string> scopes = {package.key};
        if (package.created_at_ms == package.updated_at_ms ||
            package.versions.empty()) {
            scopes.emplace_back(kProjects);
        }
        return scopes;
    }

    Result<void> reindex(IndexContext& ctx,
                         std::string_view scope) const override {
        return scope == kProjects ? index_projects(ctx)
                                  : index_project(ctx, scope);
    }

    std::string package_key(std::string_view name) const override {
        return normalize(name);
    }
    std::string version_key(std::string_view version) const override {
        auto text = canonical(version);
        return text ? *text : std::string(version);
    }
};

}  // namespace

namespace formats {

const Format& pypi() {
    static const Pypi kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
