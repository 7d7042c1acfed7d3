// Helm charts: the classic repository with its index.yaml, ChartMuseum's API
// for pushing, provenance files, and the charts that are OCI artifacts beside.
// Specification: Helm, "The Chart Repository Guide"; ChartMuseum, "API".
// docs/formats/helm.md.
#include <algorithm>
#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "archive/reader.hpp"
#include "http/date.hpp"
#include "http/multipart.hpp"
#include "registry/package_format.hpp"
#include "syntax/control_file.hpp"
#include "syntax/version.hpp"
#include "syntax/yaml.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxChartYaml = 1024 * 1024;
constexpr std::size_t kMaxProvenance = 1024 * 1024;
constexpr std::size_t kMaxName = 250;
constexpr std::size_t kPage = 1000;
constexpr std::string_view kIndex = "index.yaml";
constexpr std::string_view kSaved = R"({"saved":true})";

Error bad(std::string message) {
    return Error{Code::invalid_argument, std::move(message)};
}

std::string text_of(const Json& from, const char* name) {
    auto found = from.find(name);
    return found != from.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string();
}

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && name != "." &&
           name != ".." && std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                      c == '.';
           });
}

std::string file_of(const std::string& name, const std::string& version) {
    return name + "-" + version + ".tgz";
}

struct Chart {
    std::string name;
    std::string version;
    std::string sort_key;
    Json metadata;  // Chart.yaml, with the dependencies of requirements.yaml
};

// "/a/b" of "https://host/a/b".
std::string path_of(std::string_view url) {
    auto host = url.find("://");
    auto path = host == url.npos ? host : url.find('/', host + 3);
    return path == url.npos ? std::string() : std::string(url.substr(path));
}

// The chart is the one folder of its archive; subcharts lie deeper.
Result<std::map<std::string, std::string>> read_files(
    const ByteSource& source) {
    LS_TRY(reader, ArchiveReader::open(source, Kind::tar | Kind::gzip));
    std::map<std::string, std::string> files;
    ArchiveEntry entry;
    for (;;) {
        LS_TRY(more, reader.next(entry));
        if (!more) {
            return files;
        }
        auto slash = entry.path.find('/');
        if (slash == std::string::npos || entry.type != EntryType::file) {
            continue;
        }
        auto leaf = entry.path.substr(slash + 1);
        if (leaf == "Chart.yaml" || leaf == "requirements.yaml") {
            LS_TRY(text, reader.read_entry(kMaxChartYaml));
            files[leaf] = std::move(text);
            files["/folder"] = entry.path.substr(0, slash);
        }
    }
}

Result<Chart> read_chart(const ByteSource& source) {
    LS_TRY(files, read_files(source));
    if (!files.contains("Chart.yaml")) {
        return bad("the archive has no <chart>/Chart.yaml");
    }
    Chart chart;
    LS_TRY(metadata, read_yaml(files["Chart.yaml"]));
    if (!metadata.is_object()) {
        return bad("Chart.yaml is no mapping");
    }
    chart.name = text_of(metadata, "name");
    auto text = text_of(metadata, "version");
    auto api = text_of(metadata, "apiVersion");
    if (!is_name(chart.name) || files["/folder"] != chart.name) {
        return bad(
            "the chart's name is that of its folder: letters, digits, "
            "- _ and .");
    }
    if (api != "v1" && api != "v2") {
        return bad("apiVersion is v1 or v2");
    }
    LS_TRY(version, parse_version(VersionScheme::helm, text));
    LS_TRY(sort_key, version_sort_key(VersionScheme::helm, text));
    static_cast<void>(version);
    chart.version = text;
    chart.sort_key = std::move(sort_key);
    if (api == "v1" && files.contains("requirements.yaml")) {
        LS_TRY(requirements, read_yaml(files["requirements.yaml"]));
        if (requirements.is_object() && requirements.contains("dependencies")) {
            metadata["dependencies"] = requirements["dependencies"];
        }
    }
    chart.metadata = std::move(metadata);
    return chart;
}

std::string keywords_of(const Json& metadata) {
    std::string out;
    auto keywords = metadata.find("keywords");
    if (keywords != metadata.end() && keywords->is_array()) {
        for (const auto& one : *keywords) {
            if (one.is_string()) {
                out += (out.empty() ? "" : " ") + one.get<std::string>();
            }
        }
    }
    return out;
}

// A provenance file is a clear-signed text that begins with the chart's
// Chart.yaml and lists the digest of its archive.
struct Provenance {
    std::string name;
    std::string version;
    std::string text;
};

Result<Provenance> read_provenance(std::string text) {
    LS_TRY(clear, strip_clear_signature(text));
    if (clear.signature.empty()) {
        return bad("a provenance file is a clear-signed text");
    }
    auto end = clear.text.find("\n...\n");
    LS_TRY(metadata, read_yaml(clear.text.substr(0, end)));
    if (end == std::string::npos || !metadata.is_object()) {
        return bad("a provenance file holds Chart.yaml and digests of files");
    }
    Provenance out{text_of(metadata, "name"), text_of(metadata, "version"), ""};
    if (!is_name(out.name) || out.version.empty()) {
        return bad("the provenance file names no chart");
    }
    out.text = std::move(text);
    return out;
}

Result<FileDraft> provenance_file(Context& ctx, const Provenance& from) {
    LS_TRY(blob, ctx.blobs.stage(from.text));
    FileDraft file;
    file.path = file_of(from.name, from.version) + ".prov";
    file.blob = std::move(blob);
    file.role = "provenance";
    file.media_type = "application/pgp-signature";
    return file;
}

// What a push brings: as the body, or as the parts of a form.
struct Push {
    std::optional<StagedBlob> chart;
    std::string provenance;
};

class PushForm final : public MultipartReceiver {
public:
    PushForm(Context& ctx, Push& push) : ctx_(ctx), push_(push) {}

    Result<ByteSink> begin(const PartHead& head) override {
        if (head.name != "chart") {
            return ByteSink();
        }
        if (push_.chart || writer_) {
            return bad("there is one chart in a push");
        }
        LS_TRY(writer, ctx_.blobs.writer());
        writer_.emplace(std::move(writer));
        return ByteSink(
            [this](std::string_view bytes) { return writer_->write(bytes); });
    }

    Result<void> field(const PartHead& head, std::string value) override {
        if (head.name == "prov") {
            push_.provenance = std::move(value);
        }
        return {};
    }

    Result<void> end(const PartHead&) override {
        LS_TRY(blob, writer_->finish());
        push_.chart.emplace(std::move(blob));
        writer_.reset();
        return {};
    }

private:
    Context& ctx_;
    Push& push_;
    std::optional<BlobWriter> writer_;
};

Result<Push> read_push(Context& ctx, const Request& request) {
    Push push;
    auto type = request.header("content-type").value_or("");
    if (!type.starts_with("multipart/form-data")) {
        LS_TRY(blob, ctx.blobs.stage(request));
        push.chart.emplace(std::move(blob));
        return push;
    }
    LS_TRY(boundary, multipart_boundary(type));
    LS_TRY(body, ctx.blobs.open(request));
    PushForm form(ctx, push);
    MultipartLimits limits;
    limits.field = kMaxProvenance;
    LS_CHECK(read_multipart(*body, boundary, form, limits));
    return push;
}

PackageDraft draft_of(const Chart& chart, const Request& request) {
    PackageDraft draft;
    draft.name = draft.key = chart.name;
    draft.version = draft.version_key = chart.version;
    draft.sort_key = chart.sort_key;
    draft.summary = text_of(chart.metadata, "description");
    draft.keywords = keywords_of(chart.metadata);
    draft.version_data = dump(Json{{"metadata", chart.metadata}});
    draft.request_id = request.request_id;
    return draft;
}

// `?force`: a chart of the same version is replaced, if the repository's
// settings allow it.
Result<bool> is_forced(const Context& ctx, const Request& request) {
    if (!request.argument("force")) {
        return false;
    }
    if (!setting(*ctx.repository, "overwrite", false)) {
        return Error{Code::already_exists,
                     "versions are not replaced here; the repository's "
                     "setting \"overwrite\" allows it"};
    }
    return true;
}

Result<Reply> push_chart(Context& ctx, const Request& request) {
    LS_TRY(push, read_push(ctx, request));
    if (!push.chart) {
        if (push.provenance.empty()) {
            return bad("the form has neither chart nor prov");
        }
        LS_TRY(provenance, read_provenance(std::move(push.provenance)));
        static_cast<void>(provenance);
        return bad(
            "the form has no chart; a provenance file alone goes to "
            "/api/prov");
    }
    LS_TRY(source, push.chart->open());
    LS_TRY(chart, read_chart(*source));
    LS_TRY(forced, is_forced(ctx, request));
    auto draft = draft_of(chart, request);
    draft.if_exists = forced ? IfExists::replace : IfExists::fail;
    FileDraft file;
    file.path = file_of(chart.name, chart.version);
    file.blob = std::move(*push.chart);
    file.role = "chart";
    file.media_type = "application/gzip";
    draft.files.push_back(std::move(file));
    if (!push.provenance.empty()) {
        LS_TRY(provenance, read_provenance(std::move(push.provenance)));
        if (provenance.name != chart.name ||
            provenance.version != chart.version) {
            return bad("the provenance file is of another chart");
        }
        LS_TRY(signature, provenance_file(ctx, provenance));
        draft.files.push_back(std::move(signature));
    }
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    return written_reply(201, std::move(written), std::string(kSaved));
}

Result<Reply> push_provenance(Context& ctx, const Request& request) {
    LS_TRY(push, read_push(ctx, request));
    auto text = std::move(push.provenance);
    if (push.chart) {
        LS_TRY(source, push.chart->open());
        LS_TRY(bytes, Blobs::read_all(*source, kMaxProvenance));
        text = std::move(bytes);
    }
    LS_TRY(provenance, read_provenance(std::move(text)));
    LS_TRY(package, ctx.packages.package(*ctx.access, provenance.name));
    const auto* version = package.find(provenance.version);
    if (version == nullptr) {
        return Error{Code::not_found, "there is no chart " + provenance.name +
                                          " " + provenance.version};
    }
    LS_TRY(file, provenance_file(ctx, provenance));
    PackageDraft draft;
    draft.name = draft.key = package.name;
    draft.version = draft.version_key = version->version;
    draft.sort_key = version->sort_key;
    LS_TRY(forced, is_forced(ctx, request));
    draft.if_exists = forced ? IfExists::replace : IfExists::add;
    draft.same_bytes_are_fine = true;
    draft.files.push_back(std::move(file));
    draft.request_id = request.request_id;
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    return written_reply(201, std::move(written), std::string(kSaved));
}

Result<Reply> delete_chart(Context& ctx, const Request& request) {
    auto key = request.parameter("version");
    auto change = [&](StoredPackage& package) -> Result<void> {
        auto gone = std::erase_if(package.versions, [&](const auto& version) {
            return version.key == key;
        });
        return gone > 0 ? Result<void>()
                        : Error{Code::not_found, "there is no such version"};
    };
    EditOptions options{"package.delete", key, std::string(request.request_id)};
    LS_TRY(written,
           ctx.package_publisher.edit(*ctx.access, request.parameter("name"),
                                      change, options));
    return written_reply(200, std::move(written), R"({"deleted":true})");
}

// An entry of index.yaml and of the API.
Json entry_of(const StoredVersion& version, const StoredFile& file) {
    auto data = Json::parse(version.data, nullptr, false);
    auto entry = data.is_object() ? data.value("metadata", Json::object())
                                  : Json::object();
    entry["created"] = utc_time(version.published_at_ms, true);
    entry["digest"] = file.digest.encoded();
    entry["urls"] = Json::array({file.path});
    return entry;
}

// Newest first, as Helm itself sorts them.
Json entries_of(const StoredPackage& package) {
    auto entries = Json::array();
    for (auto version = package.versions.rbegin();
         version != package.versions.rend(); ++version) {
        for (const auto& file : version->files) {
            if (file.role == "chart") {
                entries.push_back(entry_of(*version, file));
            }
        }
    }
    return entries;
}

// The charts that are artifacts of OCI names which the caller may pull from.
Result<Json> oci_charts(Context& ctx) {
    auto charts = Json::object();
    std::string name;
    std::string tag;
    for (;;) {
        LS_TRY(page, ctx.catalog.charts(kPage, name, tag));
        for (const auto& one : page.items) {
            name = one.name;
            tag = one.tag;
            if (ctx.may_list(ctx.authority, one.name)) {
                charts[one.name].push_back(
                    {{"name", one.name.substr(one.name.rfind('/') + 1)},
                     {"tag", one.tag},
                     {"digest", one.digest},
                     {"urls",
                      Json::array({"oci://" + one.name + ":" + one.tag})}});
            }
        }
        if (!page.more) {
            return charts;
        }
    }
}

Result<Reply> list_charts(Context& ctx, const Request& request) {
    if (request.argument("oci")) {
        LS_TRY(charts, oci_charts(ctx));
        return json_document(ctx, dump(charts));
    }
    // The same entries as in the index, so from its own document.
    LS_TRY(bytes, ctx.indexes.read(*ctx.repository, kIndex, "charts.json",
                                   ctx.base_url));
    return json_document(ctx, std::move(bytes));
}

Result<Reply> show_chart(Context& ctx, const Request& request) {
    LS_TRY(package,
           ctx.packages.package(*ctx.access, request.parameter("name")));
    return json_document(ctx, dump(entries_of(package)), package.key);
}

Result<Reply> show_version(Context& ctx, const Request& request) {
    LS_TRY(package,
           ctx.packages.package(*ctx.access, request.parameter("name")));
    const auto* version = package.find(request.parameter("version"));
    if (version != nullptr) {
        for (const auto& file : version->files) {
            if (file.role == "chart") {
                return json_document(ctx, dump(entry_of(*version, file)),
                                     package.key);
            }
        }
    }
    return Error{Code::not_found, "there is no such version"};
}

Result<Reply> health(Context& ctx, const Request&) {
    return json_document(ctx, R"({"healthy":true})");
}

Result<Reply> info_page(Context& ctx, const Request&) {
    return json_document(ctx, R"({"version":"v0.16.0"})");
}

Result<Reply> get_index(Context& ctx, const Request& request) {
    return ctx.indexes.serve(*ctx.repository, request, kIndex, kIndex,
                             ctx.base_url);
}

Result<Reply> get_file(Context& ctx, const Request& request) {
    LS_TRY(entry, ctx.packages.file(*ctx.access, request.parameter("file")));
    return file_reply(ctx, entry);
}

constexpr std::array kRoutes = {
    Route{Method::get, "/index.yaml", Action::pull, true, get_index},
    Route{Method::get, "/health", Action::pull, true, health},
    Route{Method::get, "/info", Action::pull, true, info_page},
    Route{Method::get, "/api/charts", Action::pull, true, list_charts},
    Route{.method = Method::post,
          .pattern = "/api/charts",
          .action = Action::push,
          .named = true,
          .handle = push_chart,
          .body = BodyMode::spool},
    Route{.method = Method::post,
          .pattern = "/api/prov",
          .action = Action::push,
          .named = true,
          .handle = push_provenance,
          .body = BodyMode::spool,
          .max_body_bytes = 2 * kMaxProvenance},
    Route{Method::get, "/api/charts/{name}", Action::pull, true, show_chart},
    Route{Method::get, "/api/charts/{name}/{version}", Action::pull, true,
          show_version},
    Route{Method::remove, "/api/charts/{name}/{version}", Action::remove, true,
          delete_chart},
    Route{Method::get, "/{file}", Action::pull, true, get_file},
    Route{Method::get, "/charts/{file}", Action::pull, true, get_file},
};

class Helm final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 1> kMounts = {"helm"};
        static constexpr std::array kSetup = {
            SetupFile{"",
                      "helm repo add {repository} {url} --username {user} "
                      "--password {token}\n"
                      "curl -fu {user}:{token} --data-binary @FILE "
                      "{url}/api/charts\n",
                      "#", "helm repo remove {repository}\n"}};
        static constexpr FormatInfo kInfo{
            .key = "helm",
            .title = "Helm charts",
            .mount = "",
            .specification = "https://helm.sh/docs/topics/chart_repository/",
            .mounts = kMounts,
            .index = IndexKind::with_links,
            .setup = kSetup};
        return kInfo;
    }

    std::span<const Route> routes() const override { return kRoutes; }

    // One index for all charts.
    std::vector<std::string> scopes(const StoredPackage&) const override {
        return {std::string(kIndex)};
    }

    Result<void> reindex(IndexContext& ctx, std::string_view) const override {
        struct Row {
            std::string sort_key;
            Json entry;
        };
        std::map<std::string, std::vector<Row>> charts;
        for (std::int64_t last = 0;;) {
            LS_TRY(files, ctx.files(kPage, last));
            for (const auto& one : files) {
                last = one.file.id;
                if (one.file.role == "chart") {
                    charts[one.package_name].push_back(
                        {one.version.sort_key,
                         entry_of(one.version, one.file)});
                }
            }
            if (files.size() < kPage) {
                break;
            }
        }
        Json entries = Json::object();
        for (auto& [name, rows] : charts) {
            std::sort(rows.begin(), rows.end(),
                      [](const auto& a, const auto& b) {
                          return a.sort_key > b.sort_key;
                      });
            for (auto& row : rows) {
                entries[name].push_back(std::move(row.entry));
            }
        }
        LS_TRY(list, ctx.put("charts.json", dump(entries),
                             {.media_type = "application/json"}));
        static_cast<void>(list);
        Json index = {
            {"apiVersion", "v1"},
            {"entries", std::move(entries)},
            {"generated", utc_time(ctx.now_ms(), true)},
            // By it the push plugin finds the API below a path.
            {"serverInfo", {{"contextPath", path_of(ctx.base_url())}}}};
        LS_TRY(made, ctx.put(kIndex, write_yaml(index),
                             {.media_type = "application/yaml", .gzip = true}));
        static_cast<void>(made);
        return {};
    }
};

}  // namespace

namespace formats {

const Format& helm() {
    static const Helm kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
