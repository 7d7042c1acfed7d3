#include "formats/debian/handlers.hpp"

#include <array>
#include <optional>

#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "common/encoding.hpp"
#include "formats/debian/pool.hpp"
#include "registry/package_format.hpp"

namespace longshore::debian {
namespace {

constexpr std::string_view kArchive = "!<arch>\n";
constexpr std::string_view kIncoming = "incoming/";
// What was sent and never published by a .changes goes with a later one.
constexpr std::int64_t kForgottenMs = 24 * 3600 * 1000;
constexpr std::size_t kForgetAtOnce = 100;

Result<Place> place_of(const Request& request) {
    Place place{request.parameter("suite"), request.parameter("component")};
    if (!is_suite(place.suite) || !is_suite(place.component)) {
        return Error{Code::invalid_argument,
                     "a suite and a component have letters, digits and "
                     ". + ~ _ - in their names"};
    }
    return place;
}

Reply published_reply(const Context& ctx, Published published) {
    auto files = nlohmann::json::array();
    for (const auto& path : published.paths) {
        files.push_back(
            {{"path", path},
             {"url", ctx.base_url + "/" + percent_encode(path, "/+~")}});
    }
    Written written;
    written.drops = std::move(published.drops);
    auto reply = written_reply(201, std::move(written),
                               nlohmann::json{{"files", files}}.dump());
    if (files.size() == 1) {
        reply.header("Location", files[0]["url"].get<std::string>());
    }
    return reply;
}

Result<bool> is_archive(const ByteSource& source) {
    std::array<char, kArchive.size()> head;
    LS_TRY(got, source.read_at(0, head));
    return std::string_view(head.data(), got) == kArchive;
}

ListedFile listed(const StagedBlob& blob, std::string name) {
    ListedFile file;
    file.name = std::move(name);
    file.size_bytes = blob.size_bytes();
    file.md5 = blob.digests().md5;
    file.sha1 = blob.digests().sha1;
    file.digest = blob.digest();
    return file;
}

Result<void> put_dsc(Context& ctx, const Request& request,
                     std::string_view text, StagedBlob blob,
                     const std::vector<Place>& places, Published& out) {
    SourceUpload source;
    LS_TRY(list, read_upload_list(text));
    source.list = std::move(list);
    auto name = std::string(source.list.stanza.get("Source")) + "_";
    name += without_epoch(source.list.stanza.get("Version"));
    name += ".dsc";
    if (!is_file_name(name)) {
        return Error{Code::invalid_argument, "not a source package"};
    }
    source.dsc = listed(blob, std::move(name));
    source.blob = std::move(blob);
    return add_source(ctx, request, std::move(source), places, out);
}

// "contrib/utils" is of the component contrib; "utils" of main.
std::string component_of(std::string_view section) {
    auto slash = section.find('/');
    return std::string(slash == section.npos ? "main"
                                             : section.substr(0, slash));
}

// A package that a .changes lists, checked, before anything is published.
struct Binary {
    DebFile deb;
    std::string extension;
    Place place;
    StoredFile file;
};

class ChangesUpload {
public:
    ChangesUpload(Context& ctx, const Request& request)
        : ctx_(ctx), request_(request) {}

    Result<void> read(std::string_view text) {
        LS_TRY(list, read_upload_list(text));
        list_ = std::move(list);
        for (auto suite : words(list_.stanza.get("Distribution"))) {
            if (!is_suite(suite)) {
                return Error{Code::invalid_argument,
                             "Distribution of the .changes names no suite"};
            }
            suites_.emplace_back(suite);
        }
        if (suites_.empty()) {
            return Error{Code::invalid_argument,
                         "the .changes has no Distribution"};
        }
        for (const auto& file : list_.files) {
            LS_CHECK(read_file(file));
        }
        return {};
    }

    Result<Published> publish() {
        Published out;
        if (dsc_) {
            SourceUpload source;
            source.dsc = *list_.find(dsc_->name);
            LS_TRY(text, read_stored(dsc_->file, kMaxListBytes));
            LS_TRY(list, read_upload_list(text));
            source.list = std::move(list);
            source.blob = ctx_.blobs.existing(dsc_->file);
            auto where = places(component_of(source.dsc.section));
            LS_CHECK(add_source(ctx_, request_, std::move(source), where, out));
        }
        for (const auto& one : binaries_) {
            LS_CHECK(add_deb(ctx_, request_, one.deb, one.extension,
                             places(one.place.component),
                             ctx_.blobs.existing(one.file), out));
        }
        LS_CHECK(clear());
        return out;
    }

private:
    struct Dsc {
        std::string name;
        StoredFile file;
    };

    std::vector<Place> places(const std::string& component) const {
        std::vector<Place> out;
        for (const auto& suite : suites_) {
            out.push_back({suite, component});
        }
        return out;
    }

    Result<std::string> read_stored(const StoredFile& file,
                                    std::uint64_t max_bytes) {
        LS_TRY(source, ctx_.blobs.open(file.digest));
        return Blobs::read_all(*source, max_bytes);
    }

    // What was sent before under that name has to be what is listed.
    Result<StoredFile> sent(const ListedFile& file) {
        auto found =
            ctx_.packages.file(*ctx_.access, incoming_path(ctx_, file.name));
        if (!found && found.error().code == Code::not_found) {
            return Error{Code::invalid_argument,
                         file.name + " was not sent before the .changes"};
        }
        if (!found) {
            return std::move(found).error();
        }
        const auto& stored = found->file;
        if (stored.size_bytes != file.size_bytes ||
            stored.digest != file.digest ||
            (!stored.digests.md5.empty() && stored.digests.md5 != file.md5)) {
            return Error{Code::digest_mismatch,
                         file.name + " is not what the .changes lists"};
        }
        return std::move(found->file);
    }

    Result<void> read_file(const ListedFile& file) {
        LS_TRY(stored, sent(file));
        auto component = component_of(file.section);
        if (!is_suite(component)) {
            return Error{Code::invalid_argument,
                         "bad section: " + file.section.substr(0, 64)};
        }
        if (file.name.ends_with(".dsc")) {
            dsc_ = Dsc{file.name, std::move(stored)};
            return {};
        }
        for (std::string_view extension : {".deb", ".udeb", ".ddeb"}) {
            if (!file.name.ends_with(extension)) {
                continue;
            }
            LS_TRY(source, ctx_.blobs.open(stored.digest));
            LS_TRY(deb, read_deb(*source));
            auto name = deb.name + "_";
            name += without_epoch(deb.version.text);
            name += "_" + deb.architecture;
            if (file.name != name + std::string(extension)) {
                return Error{Code::invalid_argument,
                             file.name + " holds " + name};
            }
            binaries_.push_back({std::move(deb), std::string(extension),
                                 Place{"", component}, std::move(stored)});
            return {};
        }
        return {};
    }

    Result<void> forget(std::string_view path) {
        auto removed = ctx_.package_publisher.remove_loose(*ctx_.access, path,
                                                           request_.request_id);
        if (!removed && removed.error().code != Code::not_found) {
            return std::move(removed).error();
        }
        return {};
    }

    // What is in the pool now, and what nobody came back for.
    Result<void> clear() {
        for (const auto& file : list_.files) {
            LS_CHECK(forget(incoming_path(ctx_, file.name)));
        }
        LS_TRY(left,
               ctx_.packages.files(*ctx_.access, kIncoming, kForgetAtOnce, ""));
        for (const auto& file : left.items) {
            if (file.created_at_ms < unix_ms() - kForgottenMs) {
                LS_CHECK(forget(file.path));
            }
        }
        return {};
    }

    Context& ctx_;
    const Request& request_;
    UploadList list_;
    std::vector<std::string> suites_;
    std::vector<Binary> binaries_;
    std::optional<Dsc> dsc_;
};

}  // namespace

Result<Reply> put_package(Context& ctx, const Request& request) {
    LS_TRY(place, place_of(request));
    LS_TRY(source, ctx.blobs.open(request));
    LS_TRY(binary, is_archive(*source));
    Published published;
    if (binary) {
        LS_TRY(deb, read_deb(*source));
        LS_TRY(blob, ctx.blobs.stage(request, kAlgorithms));
        LS_CHECK(add_deb(ctx, request, deb, ".deb", {place}, std::move(blob),
                         published));
    } else {
        if (source->size() > kMaxListBytes) {
            return Error{Code::invalid_argument,
                         "neither a Debian package nor a .dsc"};
        }
        LS_TRY(text, Blobs::read_all(*source, kMaxListBytes));
        LS_TRY(blob, ctx.blobs.stage(request, kAlgorithms));
        LS_CHECK(
            put_dsc(ctx, request, text, std::move(blob), {place}, published));
    }
    return published_reply(ctx, std::move(published));
}

Result<void> before_incoming(Context&, const Request& request) {
    if (!is_file_name(request.parameter("file"))) {
        return Error{Code::invalid_argument, "no name of a file in an upload"};
    }
    return {};
}

Result<Reply> put_incoming(Context& ctx, const Request& request) {
    const auto& name = request.parameter("file");
    LS_CHECK(before_incoming(ctx, request));
    if (name.ends_with(".changes")) {
        LS_TRY(source, ctx.blobs.open(request));
        LS_TRY(text, Blobs::read_all(*source, kMaxListBytes));
        ChangesUpload upload(ctx, request);
        LS_CHECK(upload.read(text));
        LS_TRY(published, upload.publish());
        return published_reply(ctx, std::move(published));
    }
    LS_TRY(blob, ctx.blobs.stage(request, kAlgorithms));
    FileDraft draft;
    draft.path = incoming_path(ctx, name);
    draft.blob = std::move(blob);
    draft.role = "incoming";
    LS_TRY(written, ctx.package_publisher.put_loose(
                        *ctx.access, std::move(draft), request.request_id));
    return written_reply(201, std::move(written));
}

Result<Reply> delete_package(Context& ctx, const Request& request) {
    LS_TRY(place, place_of(request));
    LS_TRY(written, remove_from(ctx, request, place, request.parameter("name"),
                                request.parameter("version"),
                                request.parameter("architecture")));
    return written_reply(204, std::move(written));
}

}  // namespace longshore::debian
