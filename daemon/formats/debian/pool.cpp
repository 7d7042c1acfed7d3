#include "formats/debian/pool.hpp"

#include <algorithm>

#include "common/encoding.hpp"
#include "registry/signer.hpp"
#include "syntax/debian_version.hpp"

namespace longshore::debian {
namespace {

void take_drops(Published& out, Written written) {
    for (auto& drop : written.drops) {
        if (std::find(out.drops.begin(), out.drops.end(), drop) ==
            out.drops.end()) {
            out.drops.push_back(std::move(drop));
        }
    }
}

// Said before the transaction does, so that it is said of all files together.
Result<void> check_free(Context& ctx, const FileDraft& file) {
    auto found = ctx.packages.file(*ctx.access, file.path);
    if (!found) {
        return found.error().code == Code::not_found
                   ? Result<void>()
                   : Result<void>(std::move(found).error());
    }
    if (found->file.digest == file.blob.digest()) {
        return {};
    }
    return Error{Code::already_exists,
                 file.path + " is already there with other bytes"};
}

// A file that was there before is listed in more places now.
Result<void> list_in(Context& ctx, const Request& request,
                     std::string_view package, const std::string& path,
                     const std::vector<Place>& places, Published& out) {
    LS_TRY(entry, ctx.packages.file(*ctx.access, path));
    auto facts = read_facts(entry.file.data);
    bool all = std::all_of(places.begin(), places.end(),
                           [&](const auto& one) { return facts.is_in(one); });
    if (all) {
        return {};
    }
    auto add = [&](StoredPackage& stored) -> Result<void> {
        for (auto& version : stored.versions) {
            for (auto& file : version.files) {
                if (file.path != path) {
                    continue;
                }
                auto now = read_facts(file.data);
                for (const auto& place : places) {
                    if (!now.is_in(place)) {
                        now.places.push_back(place);
                    }
                }
                file.data = write_facts(now);
            }
        }
        return {};
    };
    EditOptions options{"package.publish", path,
                        std::string(request.request_id)};
    LS_TRY(written,
           ctx.package_publisher.edit(*ctx.access, package, add, options));
    take_drops(out, std::move(written));
    return {};
}

PackageDraft draft_of(std::string_view name, const Version& version,
                      const Request& request) {
    PackageDraft draft;
    draft.name = draft.key = name;
    draft.version = draft.version_key = version.text;
    draft.sort_key = version.key;
    draft.if_exists = IfExists::add;
    draft.same_bytes_are_fine = true;
    draft.request_id = request.request_id;
    return draft;
}

// The key that signs is there before the first documents are made, which see
// one state of the database.
Result<void> have_key(Context& ctx) {
    if (ctx.signing == nullptr) {
        return Error{Code::unavailable, "there is nothing to sign with"};
    }
    LS_TRY(key, ctx.signing->public_keys_armored(ctx.repository->id));
    static_cast<void>(key);
    return {};
}

// `main` is the path whose facts say where the package is listed.
Result<void> publish(Context& ctx, const Request& request, PackageDraft draft,
                     const std::string& main, const std::vector<Place>& places,
                     Published& out) {
    for (const auto& file : draft.files) {
        LS_CHECK(check_free(ctx, file));
    }
    LS_CHECK(have_key(ctx));
    auto name = draft.key;
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    take_drops(out, std::move(written));
    out.paths.push_back(main);
    return list_in(ctx, request, name, main, places, out);
}

// What a .dsc lists: sent before, or published with another version.
Result<StoredFile> part_of_source(Context& ctx, const ListedFile& file) {
    auto sent = ctx.packages.file(*ctx.access, incoming_path(ctx, file.name));
    if (sent && sent->file.digest == file.digest) {
        return std::move(sent->file);
    }
    auto known = ctx.packages.file_with(*ctx.access, file.digest);
    if (!known && known.error().code == Code::not_found) {
        return Error{Code::invalid_argument,
                     file.name + " with SHA-256 " +
                         std::string(file.digest.encoded()) +
                         " was not sent, and is not in this repository"};
    }
    return known;
}

// Whether the version has anything in a place, its sources aside.
bool is_listed(const StoredVersion& version, std::string_view role) {
    return std::any_of(version.files.begin(), version.files.end(),
                       [&](const auto& file) { return file.role == role; });
}

}  // namespace

std::string incoming_path(const Context& ctx, std::string_view file) {
    auto user = percent_encode(ctx.identity.name());
    return "incoming/" + (user.empty() ? "-" : user) + "/" + std::string(file);
}

Result<void> add_deb(Context& ctx, const Request& request, const DebFile& deb,
                     std::string_view extension,
                     const std::vector<Place>& places, StagedBlob blob,
                     Published& out) {
    auto facts = facts_of(deb);
    facts.places = places;
    auto draft = draft_of(deb.name, deb.version, request);
    draft.summary = facts.description.substr(0, facts.description.find('\n'));
    auto path =
        pool_path(deb.name, deb.version.text, deb.architecture, extension);
    draft.files.push_back({path, std::move(blob),
                           std::string(extension == ".udeb" ? kUdeb : kDeb),
                           "application/vnd.debian.binary-package",
                           write_facts(facts)});
    return publish(ctx, request, std::move(draft), path, places, out);
}

Result<void> add_source(Context& ctx, const Request& request,
                        SourceUpload source, const std::vector<Place>& places,
                        Published& out) {
    std::string name(source.list.stanza.get("Source"));
    if (!is_package(name)) {
        return Error{Code::invalid_argument,
                     "not a source package: bad name " + name.substr(0, 128)};
    }
    LS_TRY(version, parse_debian_version(source.list.stanza.get("Version")));
    auto folder = source_folder(name, version.text);
    Facts facts;
    facts.places = places;
    facts.architecture = "source";
    facts.stanza = source_stanza(source.list, source.dsc, folder);
    auto draft = draft_of(name, version, request);
    auto main = folder + "/" + source.dsc.name;
    draft.files.push_back({main, std::move(source.blob), std::string(kDsc),
                           "text/x-debian-dsc", write_facts(facts)});
    for (const auto& file : source.list.files) {
        LS_TRY(part, part_of_source(ctx, file));
        if (part.size_bytes != file.size_bytes) {
            return Error{Code::digest_mismatch,
                         file.name + " has another size than the .dsc says"};
        }
        draft.files.push_back({folder + "/" + file.name,
                               ctx.blobs.existing(part), std::string(kSource)});
    }
    return publish(ctx, request, std::move(draft), main, places, out);
}

Result<Written> remove_from(Context& ctx, const Request& request,
                            const Place& place, std::string_view name,
                            std::string_view version,
                            std::string_view architecture) {
    LS_TRY(wanted, parse_debian_version(version));
    auto remove = [&](StoredPackage& package) -> Result<void> {
        auto* of = package.find(wanted.text);
        bool found = false;
        auto leave = [&](StoredFile& file) {
            auto facts = read_facts(file.data);
            if (!facts.is_in(place) ||
                (!architecture.empty() && facts.architecture != architecture)) {
                return false;
            }
            found = true;
            std::erase(facts.places, place);
            file.data = write_facts(facts);
            return facts.places.empty();
        };
        if (of != nullptr) {
            std::erase_if(of->files, leave);
        }
        if (!found) {
            return Error{Code::not_found,
                         std::string(name) + " " + wanted.text + " " +
                             std::string(architecture) + " is not in " +
                             place.suite + " " + place.component};
        }
        if (!is_listed(*of, kDsc)) {
            std::erase_if(of->files, [](const auto& file) {
                return file.role == kSource;
            });
        }
        if (of->files.empty()) {
            std::erase_if(package.versions, [&](const auto& one) {
                return one.key == wanted.text;
            });
        }
        return {};
    };
    EditOptions options{"package.delete",
                        wanted.text + " " + std::string(architecture) +
                            " from " + place.suite + " " + place.component,
                        std::string(request.request_id)};
    return ctx.package_publisher.edit(*ctx.access, name, remove, options);
}

}  // namespace longshore::debian
