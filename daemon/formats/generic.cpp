// Files of any kind at paths of the client's choice: PUT, GET, DELETE, lists,
// checksums, resumable uploads. docs/formats/generic.md.
//
//     name/version/file…   version of package name
//     name/file, file      "-" stands for the version
//
#include <array>

#include <nlohmann/json.hpp>

#include "common/encoding.hpp"
#include "registry/listing.hpp"
#include "registry/package_format.hpp"
#include "syntax/version.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxPath = 1024;
constexpr std::string_view kNoVersion = "-";
constexpr std::size_t kMaxMetadata = 256 * 1024;

// Whose version a path is a file of.
struct Place {
    std::string name;
    std::string version;
};

Place place_of(std::string_view path) {
    auto first = path.find('/');
    if (first == std::string_view::npos) {
        return {std::string(path), std::string(kNoVersion)};
    }
    auto second = path.find('/', first + 1);
    if (second == std::string_view::npos) {
        return {std::string(path.substr(0, first)), std::string(kNoVersion)};
    }
    return {std::string(path.substr(0, first)),
            std::string(path.substr(first + 1, second - first - 1))};
}

Result<std::string> path_of(const Request& request) {
    const auto& path = request.parameter("path");
    if (path.size() > kMaxPath || path.starts_with("-/") || path == "-") {
        return Error{Code::invalid_argument,
                     "a path has at most 1024 bytes and does not begin with "
                     "\"-/\""};
    }
    return path;
}

struct SumHeader {
    std::string_view header;
    std::string_view name;
    std::string (*of)(const StoredFile&);
    std::string (*staged)(const StagedBlob&);
};
constexpr std::array kChecksums = {
    SumHeader{
        "X-Checksum-Sha256", "sha256",
        [](const StoredFile& f) { return std::string(f.digest.encoded()); },
        [](const StagedBlob& b) { return std::string(b.digest().encoded()); }},
    SumHeader{"X-Checksum-Md5", "md5",
              [](const StoredFile& f) { return f.digests.md5; },
              [](const StagedBlob& b) { return b.digests().md5; }},
    SumHeader{"X-Checksum-Sha1", "sha1",
              [](const StoredFile& f) { return f.digests.sha1; },
              [](const StagedBlob& b) { return b.digests().sha1; }},
    SumHeader{"X-Checksum-Sha512", "sha512",
              [](const StoredFile& f) { return f.digests.sha512; },
              [](const StagedBlob& b) { return b.digests().sha512; }},
};
constexpr auto kAlgorithms = Extra::md5 | Extra::sha1 | Extra::sha512;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return out;
}

// What the client says of its bytes must be so.
Result<void> check_sums(const Request& request, const StagedBlob& blob) {
    for (const auto& one : kChecksums) {
        auto said = request.header(one.header);
        auto is = one.staged(blob);
        if (said && lower(*said) != is) {
            return Error{Code::digest_mismatch,
                         "the body's " + std::string(one.name) + " is " + is +
                             ", " + std::string(one.header) + " says " +
                             lower(*said).substr(0, 128)};
        }
    }
    return {};
}

void add_sums(Reply& reply, const StoredFile& file) {
    for (const auto& one : kChecksums) {
        auto value = one.of(file);
        if (!value.empty()) {
            reply.header(one.header, value);
        }
    }
}

std::string media_type_of(const Request& request) {
    auto type = request.header("content-type").value_or("");
    // What curl says of any body it was given on its command line.
    bool said = !type.empty() && type.size() <= 255 &&
                type != "application/x-www-form-urlencoded" &&
                !type.starts_with("multipart/");
    return said ? std::string(type) : "application/octet-stream";
}

Result<PackageDraft> draft_of(Context& ctx, const Request& request,
                              const std::string& path) {
    auto place = place_of(path);
    PackageDraft draft;
    draft.name = draft.key = place.name;
    draft.version = draft.version_key = place.version;
    // Maven's order knows numbers in any text.
    LS_TRY(key, version_sort_key(VersionScheme::maven, place.version));
    draft.sort_key = std::move(key);
    draft.if_exists = setting(*ctx.repository, "overwrite", false)
                          ? IfExists::replace
                          : IfExists::add;
    draft.same_bytes_are_fine = true;
    draft.request_id = request.request_id;
    return draft;
}

bool wants_deploy(const Request& request) {
    return lower(request.header("x-checksum-deploy").value_or("")) == "true";
}

Result<void> before_put(Context& ctx, const Request& request) {
    LS_TRY(path, path_of(request));
    if (wants_deploy(request) || request.argument("properties")) {
        return {};
    }
    LS_TRY(draft, draft_of(ctx, request, path));
    FileDraft file;
    file.path = path;
    draft.files.push_back(std::move(file));
    return ctx.package_publisher.check(*ctx.access, draft);
}

Result<Reply> publish(Context& ctx, const Request& request,
                      const std::string& path, StagedBlob blob) {
    LS_CHECK(check_sums(request, blob));
    LS_TRY(draft, draft_of(ctx, request, path));
    auto digest = blob.digest();
    draft.files.push_back(
        {path, std::move(blob), "file", media_type_of(request)});
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    auto url = ctx.base_url + "/" + percent_encode(path, "/+~!@$,=");
    nlohmann::json body = {
        {"path", path}, {"url", url}, {"sha256", digest.encoded()}};
    auto reply = written_reply(201, std::move(written), body.dump());
    reply.header("Location", url);
    reply.header("X-Checksum-Sha256", digest.encoded());
    return reply;
}

// The same bytes as a file that is here already, without sending them.
Result<Reply> deploy(Context& ctx, const Request& request,
                     const std::string& path) {
    auto said = request.header("x-checksum-sha256");
    Digest digest;
    if (!said || !Digest::parse("sha256:" + lower(*said), digest)) {
        return Error{Code::invalid_argument,
                     "X-Checksum-Deploy needs X-Checksum-Sha256"};
    }
    LS_TRY(known, ctx.packages.file_with(*ctx.access, digest));
    return publish(ctx, request, path, ctx.blobs.existing(known));
}

// The body is a JSON object of names and lists of values.
Result<Reply> set_properties(Context& ctx, const Request& request,
                             const std::string& path) {
    LS_TRY(source, ctx.blobs.open(request));
    LS_TRY(text, Blobs::read_all(*source, kMaxMetadata));
    auto json = nlohmann::json::parse(text, nullptr, false);
    std::vector<Property> properties;
    bool good = json.is_object();
    if (good) {
        for (const auto& [name, values] : json.items()) {
            for (const auto& value : values) {
                good = good && values.is_array() && value.is_string();
                if (good) {
                    properties.push_back({name, value.get<std::string>()});
                }
            }
        }
    }
    if (!good) {
        return Error{Code::invalid_argument,
                     "properties are {\"name\": [\"value\"]}"};
    }
    LS_TRY(entry, ctx.packages.file(*ctx.access, path));
    LS_TRY(written, ctx.package_publisher.set_properties(
                        *ctx.access, entry.package_key, "", path, properties,
                        request.request_id));
    return written_reply(204, std::move(written));
}

Result<Reply> get_properties(Context& ctx, const std::string& path) {
    LS_TRY(properties, ctx.packages.properties(*ctx.access, "", "", path));
    auto json = nlohmann::json::object();
    for (const auto& one : properties) {
        json[one.name].push_back(one.value);
    }
    return json_document(ctx, json.dump());
}

Result<Reply> put_file(Context& ctx, const Request& request) {
    LS_TRY(path, path_of(request));
    if (request.argument("properties")) {
        return set_properties(ctx, request, path);
    }
    if (wants_deploy(request)) {
        return deploy(ctx, request, path);
    }
    LS_TRY(blob, ctx.blobs.stage(request, kAlgorithms));
    return publish(ctx, request, path, std::move(blob));
}

Result<Reply> get_file(Context& ctx, const Request& request) {
    const auto& path = request.parameter("path");
    if (path.empty() || request.ends_in_slash) {
        return folder_reply(ctx, request, path);
    }
    if (request.argument("properties")) {
        return get_properties(ctx, path);
    }
    auto entry = ctx.packages.file(*ctx.access, path);
    if (!entry && entry.error().code == Code::not_found) {
        return to_folder(ctx, request, path);
    }
    if (!entry) {
        return std::move(entry).error();
    }
    auto reply = file_reply(ctx, *entry);
    add_sums(reply, entry->file);
    return reply;
}

// A file, or with a slash at its end all that lies in a package or version.
Result<Reply> delete_file(Context& ctx, const Request& request) {
    const auto& path = request.parameter("path");
    auto place = place_of(request.ends_in_slash ? path + "/" : path);
    bool whole = request.ends_in_slash && path.find('/') == path.npos;
    bool version =
        request.ends_in_slash && path == place.name + "/" + place.version;
    if (request.ends_in_slash && !whole && !version) {
        return Error{Code::invalid_argument,
                     "a package, a version or a file can be deleted"};
    }
    auto take_out = [&](StoredPackage& package) -> Result<void> {
        auto before = package.versions.size();
        std::size_t files = 0;
        std::erase_if(package.versions, [&](auto& one) {
            if (whole || (version && one.key == place.version)) {
                return true;
            }
            files += std::erase_if(one.files, [&](const auto& file) {
                return !request.ends_in_slash && file.path == path;
            });
            return one.files.empty();
        });
        if (files == 0 && package.versions.size() == before) {
            return Error{Code::not_found, "no such file: " + path};
        }
        return {};
    };
    EditOptions options{"package.delete", path,
                        std::string(request.request_id)};
    LS_TRY(written, ctx.package_publisher.edit(*ctx.access, place.name,
                                               take_out, options));
    return written_reply(204, std::move(written));
}

// A session whose bytes nginx takes: PATCH with Content-Range, then PUT.
Result<Reply> start_upload(Context& ctx, const Request&) {
    LS_TRY(id, ctx.uploads.start_package(*ctx.access));
    Reply reply;
    reply.status = 202;
    reply.header("Location", ctx.base_url + "/-/uploads/" + id);
    reply.header("Range", "0-0");
    return reply;
}

Result<Reply> finish_upload(Context& ctx, const Request& request) {
    if (!request.received) {
        return Error{Code::not_found, "there is no such upload"};
    }
    auto path = request.argument("path").value_or("");
    auto segments = decode_segments("/" + percent_encode(path, "/"));
    if (path.empty() || path.size() > kMaxPath || path.starts_with("-/") ||
        !segments || segments->ends_in_slash) {
        return Error{Code::invalid_argument,
                     "?path= says where the file is to be"};
    }
    LS_TRY(blob, ctx.blobs.stage(request, kAlgorithms));
    return publish(ctx, request, path, std::move(blob));
}

Result<Reply> lost_upload(Context&, const Request&) {
    return Error{Code::not_found, "there is no such upload"};
}

constexpr std::array kRoutes = {
    Route{Method::post, "/-/uploads/", Action::push, true, start_upload},
    Route{Method::get, "/-/uploads/{id}", Action::push, true, lost_upload, "",
          true},
    Route{Method::patch, "/-/uploads/{id}", Action::push, true, lost_upload, "",
          true},
    Route{Method::put, "/-/uploads/{id}", Action::push, true, finish_upload, "",
          true},
    Route{Method::remove, "/-/uploads/{id}", Action::push, true, lost_upload,
          "", true},
    Route{Method::get, "/{path*}", Action::pull, true, get_file},
    Route{.method = Method::put,
          .pattern = "/{path+}",
          .action = Action::push,
          .named = true,
          .handle = put_file,
          .body = BodyMode::spool,
          .algorithms = kAlgorithms,
          .before = before_put},
    Route{Method::remove, "/{path+}", Action::remove, true, delete_file},
    Route{Method::remove, "/{path+}/", Action::remove, true, delete_file},
};

class Generic final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 2> kMounts = {"generic",
                                                                    "raw"};
        static constexpr std::array kSetup = {
            SetupFile{"{home}/.netrc",
                      "machine {name} login {user} password {token}\n"},
            SetupFile{"",
                      "curl -fnT FILE {url}/NAME/VERSION/FILE\n"
                      "curl -fnO {url}/NAME/VERSION/FILE\n"}};
        static constexpr FormatInfo kInfo{.key = "generic",
                                          .title = "Generic files",
                                          .mount = "",
                                          .specification = "",
                                          .mounts = kMounts,
                                          .setup = kSetup};
        return kInfo;
    }
    std::span<const Route> routes() const override { return kRoutes; }
};

}  // namespace

namespace formats {

const Format& generic() {
    static const Generic kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
