#include "jobs/verify.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include <nlohmann/json.hpp>

#include "common/oci_path.hpp"
#include "db/journal.hpp"
#include "db/oci.hpp"
#include "db/packages.hpp"
#include "db/scrub.hpp"
#include "registry/disk_walk.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

constexpr std::size_t kPage = 10'000;

using Sizes = std::map<std::string, std::optional<std::uint64_t>>;

// What the tables say about one name.
struct Tables {
    Sizes manifests;
    Sizes layers;
    std::map<std::string, std::string> tags;
};

template <typename List>
Result<Sizes> all_sizes(Transaction& t, db::Id name, List list) {
    Sizes sizes;
    std::string last;
    for (;;) {
        LS_TRY(page, list(t, name, kPage, last));
        for (auto& row : page) {
            last = row.digest;
            sizes.emplace(std::move(row.digest), row.size_bytes);
        }
        if (page.size() < kPage) {
            return sizes;
        }
    }
}

Result<Tables> read_tables(Database& database, std::string_view name) {
    Tables tables;
    LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
        tables = {};
        LS_TRY(row, db::find_name(t, name));
        if (!row) {
            return {};
        }
        LS_TRY(manifests, all_sizes(t, row->id, db::list_manifests));
        LS_TRY(layers, all_sizes(t, row->id, db::list_links));
        tables.manifests = std::move(manifests);
        tables.layers = std::move(layers);
        std::string last;
        for (;;) {
            LS_TRY(page, db::list_tags(t, row->id, kPage, last));
            for (auto& tagged : page) {
                last = tagged.tag;
                tables.tags.emplace(std::move(tagged.tag),
                                    std::move(tagged.digest));
            }
            if (page.size() < kPage) {
                return {};
            }
        }
    }));
    return tables;
}

class NameVerifier {
public:
    NameVerifier(BlobStore& store, std::string name, Tables tables)
        : store_(store), name_(std::move(name)), tables_(std::move(tables)) {}

    Result<void> run() {
        LS_CHECK(links("manifest", disk::revisions(store_, name_),
                       layout::revision_link, tables_.manifests));
        LS_CHECK(links("layer", disk::layers(store_, name_), layout::layer_link,
                       tables_.layers));
        return tags();
    }

    std::vector<Difference> differences;
    std::size_t dangling = 0;

private:
    void differ(std::string problem, std::string_view reference,
                std::string_view wanted, std::string_view found) {
        differences.push_back({std::move(problem), name_,
                               std::string(reference), std::string(wanted),
                               std::string(found)});
    }

    using LinkPath = Path (*)(std::string_view, std::string_view,
                              const Digest&) noexcept;

    Result<void> links(const std::string& what, const std::string& folder,
                       LinkPath path_of, const Sizes& wanted) {
        std::set<std::string> seen;
        LS_CHECK(disk::each_digest(store_, folder, [&](const Digest& digest) {
            if (!store_.exists(path_of(store_.root(), name_, digest))) {
                return true;
            }
            seen.insert(digest.str());
            if (!wanted.contains(digest.str())) {
                if (store_.size(digest)) {
                    differ(what + " is not in the database", digest.text(), "",
                           digest.text());
                } else {
                    ++dangling;
                }
            }
            return true;
        }));
        for (const auto& [text, size] : wanted) {
            LS_TRY(digest, Digest::parse(text));
            if (!seen.contains(text)) {
                differ(what + " is not on disk", text, text, "");
            } else {
                check_link(what, path_of(store_.root(), name_, digest), digest);
            }
            check_blob(what, digest, size);
        }
        return {};
    }

    void check_link(const std::string& what, const Path& path,
                    const Digest& digest) {
        auto target = disk::read_link(store_, path);
        if (!target || *target != digest) {
            differ(what + " link differs", digest.text(), digest.text(),
                   target ? target->str() : target.error().message);
        }
    }

    void check_blob(const std::string& what, const Digest& digest,
                    const std::optional<std::uint64_t>& wanted) {
        auto size = store_.size(digest);
        if (!size) {
            differ(what + " has no blob", digest.text(),
                   wanted ? std::to_string(*wanted) + " bytes" : "", "");
        } else if (wanted != *size) {
            differ(what + " has a blob of another size", digest.text(),
                   wanted ? std::to_string(*wanted) + " bytes" : "",
                   std::to_string(*size) + " bytes");
        }
    }

    Result<void> tags() {
        std::map<std::string, std::string> found;
        LS_CHECK(store_.list(
            Path{disk::tags(store_, name_)},
            [&](const BlobStore::Entry& entry) {
                if (entry.folder && is_tag(entry.name)) {
                    auto target = disk::read_link(
                        store_,
                        layout::tag_current(store_.root(), name_, entry.name));
                    if (target) {
                        found.emplace(entry.name, target->text());
                    }
                }
                return true;
            }));
        for (const auto& [tag, digest] : tables_.tags) {
            auto on_disk = found.find(tag);
            if (on_disk == found.end()) {
                differ("tag is not on disk", tag, digest, "");
            } else if (on_disk->second != digest) {
                differ("tag differs", tag, digest, on_disk->second);
            }
        }
        for (const auto& [tag, digest] : found) {
            if (tables_.tags.contains(tag)) {
                continue;
            }
            // A tag of something that is gone cannot be served by anybody.
            LS_TRY(parsed, Digest::parse(digest));
            if (store_.exists(
                    layout::revision_link(store_.root(), name_, parsed)) &&
                store_.size(parsed)) {
                differ("tag is not in the database", tag, "", digest);
            } else {
                ++dangling;
            }
        }
        return {};
    }

    BlobStore& store_;
    std::string name_;
    Tables tables_;
};

Result<std::set<std::string>> all_names(Database& database, BlobStore& store) {
    std::set<std::string> names;
    LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
        std::string last;
        for (;;) {
            LS_TRY(page, db::list_names(t, kPage, last));
            if (page.empty()) {
                return {};
            }
            last = page.back();
            names.insert(page.begin(), page.end());
        }
    }));
    LS_CHECK(disk::each_name(store, [&](std::string_view name) {
        names.emplace(name);
        return true;
    }));
    return names;
}

Result<void> verify_name(Database& database, BlobStore& store,
                         const std::string& name, int settle_ms,
                         VerifyReport& report) {
    std::vector<Difference> before;
    for (int attempt = 0;; ++attempt) {
        LS_TRY(tables, read_tables(database, name));
        auto manifests = tables.manifests.size();
        auto layers = tables.layers.size();
        auto tags = tables.tags.size();
        NameVerifier verifier(store, name, std::move(tables));
        LS_CHECK(verifier.run());
        auto& now = verifier.differences;
        if (now.empty() || attempt > 0) {
            report.repositories += manifests + layers + tags > 0 ? 1 : 0;
            report.manifests += manifests;
            report.layers += layers;
            report.tags += tags;
            report.dangling += verifier.dangling;
            for (auto& difference : now) {
                if (std::find(before.begin(), before.end(), difference) !=
                    before.end()) {
                    report.differences.push_back(std::move(difference));
                }
            }
            return {};
        }
        before = std::move(now);
        std::this_thread::sleep_for(std::chrono::milliseconds(settle_ms));
    }
}

std::optional<Difference> look_at(BlobStore& store,
                                  const std::string& repository,
                                  const StoredFile& file) {
    auto size = store.size(file.digest);
    if (size && *size == file.size_bytes) {
        return std::nullopt;
    }
    return Difference{
        size ? "file has a blob of another size" : "file has no blob",
        repository, file.path, std::to_string(file.size_bytes) + " bytes",
        size ? std::to_string(*size) + " bytes" : ""};
}

// Files of packages have a name in the database alone, so only their blobs can
// be missing.
Result<void> verify_files(Database& database, BlobStore& store,
                          const Repository& repository, int settle_ms,
                          VerifyReport& report) {
    std::vector<std::string> doubtful;
    std::string last;
    for (bool more = true; more;) {
        std::vector<StoredFile> files;
        LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
            LS_TRY(page, db::list_files(t, repository.id, "", kPage, last));
            files = std::move(page);
            return {};
        }));
        report.files += files.size();
        more = files.size() == kPage;
        for (auto& file : files) {
            if (look_at(store, repository.key, file)) {
                doubtful.push_back(file.path);
            }
            last = std::move(file.path);
        }
    }
    if (doubtful.empty()) {
        return {};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(settle_ms));
    return database.read([&](Transaction& t) -> Result<void> {
        for (const auto& path : doubtful) {
            LS_TRY(file, db::find_file(t, repository.id, path));
            auto difference =
                file ? look_at(store, repository.key, *file) : std::nullopt;
            if (difference) {
                report.differences.push_back(std::move(*difference));
            }
        }
        return {};
    });
}

Result<void> verify_packages(Database& database, BlobStore& store,
                             int settle_ms, VerifyReport& report) {
    std::vector<Repository> repositories;
    std::string last;
    do {
        LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
            LS_TRY(page, db::list_repositories(t, kPage, last));
            repositories = std::move(page);
            return {};
        }));
        for (const auto& repository : repositories) {
            LS_CHECK(
                verify_files(database, store, repository, settle_ms, report));
            last = repository.key;
        }
    } while (repositories.size() == kPage);
    return {};
}

Result<void> list_quarantined(Database& database, VerifyReport& report) {
    return database.read([&](Transaction& t) -> Result<void> {
        report.quarantined.clear();
        std::string digest;
        std::string area;
        for (;;) {
            LS_TRY(page, db::open_damages(t, kPage, digest, area));
            for (auto& damage : page) {
                digest = damage.digest;
                area = damage.area;
                if (damage.state == "quarantined") {
                    report.quarantined.push_back(std::move(damage.digest));
                }
            }
            if (page.size() < kPage) {
                return {};
            }
        }
    });
}

}  // namespace

std::string VerifyReport::json() const {
    using Json = nlohmann::ordered_json;
    auto list = Json::array();
    for (const auto& difference : differences) {
        list.push_back({{"problem", difference.problem},
                        {"repository", difference.name},
                        {"reference", difference.reference},
                        {"database", difference.wanted},
                        {"disk", difference.found}});
    }
    Json body = {{"clean", differences.empty()},
                 {"indexed", takeover_complete},
                 {"repositories", repositories},
                 {"manifests", manifests},
                 {"layers", layers},
                 {"tags", tags},
                 {"files", files},
                 {"dangling", dangling},
                 {"quarantined", quarantined},
                 {"differences", list}};
    return body.dump(2, ' ', false, Json::error_handler_t::replace);
}

Result<VerifyReport> verify(Database& database, BlobStore& store,
                            int settle_ms) {
    VerifyReport report;
    LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
        LS_TRY(state, db::meta(t, "takeover"));
        report.takeover_complete = state == "complete";
        return {};
    }));
    LS_TRY(names, all_names(database, store));
    for (const auto& name : names) {
        LS_CHECK(verify_name(database, store, name, settle_ms, report));
    }
    LS_CHECK(verify_packages(database, store, settle_ms, report));
    LS_CHECK(list_quarantined(database, report));
    return report;
}

}  // namespace longshore
