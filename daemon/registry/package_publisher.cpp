#include "registry/package_publisher.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "common/clock.hpp"
#include "common/probe.hpp"
#include "db/audit.hpp"
#include "db/documents.hpp"
#include "db/journal.hpp"
#include "db/oci.hpp"
#include "db/scrub.hpp"
#include "registry/format.hpp"
#include "registry/indexes.hpp"
#include "registry/package_edit.hpp"
#include "registry/package_rows.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::size_t kMaxProperties = 100;
constexpr std::size_t kMaxPropertyText = 1024;

Result<Repository> repository_of(Transaction& t, const Access& access) {
    LS_TRY(id, rows::repository_id(t, access));
    LS_TRY(found, db::repository_of(t, id));
    if (!found) {
        return Error{Code::not_found, "there is no such repository"};
    }
    return *found;
}

// Event and audit row of one change.
struct Change {
    std::string_view action;     // "package.publish"
    std::string_view reference;  // "name version", or a path
    std::string digest = {};
    std::uint64_t size_bytes = 0;
    std::string detail = {};
    std::string_view request_id;
};

Result<void> tell(Transaction& t, const Access& access, const Change& change) {
    Event event;
    event.type = change.action;
    event.name = access.name().text();
    event.reference = change.reference;
    event.digest = change.digest;
    event.size_bytes = change.size_bytes;
    event.request_id = change.request_id;
    event.at_ms = unix_ms();
    LS_CHECK(db::add_event(t, event));
    db::AuditEntry entry;
    entry.at_ms = event.at_ms;
    entry.action = change.action;
    entry.actor = access.actor();
    entry.repository = event.name;
    entry.target = event.reference;
    entry.detail = change.detail;
    LS_TRY(added, db::append_audit(t, entry));
    static_cast<void>(added);
    return {};
}

Error taken(std::string what) {
    return Error{Code::already_exists, std::move(what)};
}

std::string title(const PackageDraft& draft) {
    return draft.name + " " + draft.version;
}

Result<void> check_tombstones(Transaction& t, std::int64_t repository,
                              const PackageDraft& draft) {
    std::vector<db::Tombstone> stones = {{draft.key, "", ""},
                                         {draft.key, draft.version_key, ""}};
    for (const auto& file : draft.files) {
        stones.push_back({"", "", file.path});
    }
    for (const auto& stone : stones) {
        LS_TRY(buried, db::is_buried(t, repository, stone));
        if (buried) {
            return Error{Code::conflict,
                         (stone.path.empty() ? title(draft) : stone.path) +
                             " was deleted and cannot be published again"};
        }
    }
    return {};
}

// What is in the way of the draft; which of its files are there already.
struct Standing {
    std::optional<StoredPackage> package;  // alone
    std::optional<StoredVersion> version;
    std::vector<std::optional<StoredFile>> files;  // as the draft's
};

Result<Standing> look(Transaction& t, std::int64_t repository,
                      const PackageDraft& draft, bool with_bytes) {
    Standing now;
    LS_CHECK(check_tombstones(t, repository, draft));
    LS_TRY(package, db::find_package(t, repository, draft.key));
    now.package = std::move(package);
    if (now.package) {
        LS_TRY(version,
               db::find_version(t, now.package->id, draft.version_key));
        now.version = std::move(version);
    }
    bool all_same = !draft.files.empty() && draft.same_bytes_are_fine;
    for (const auto& file : draft.files) {
        LS_TRY(found, db::find_file(t, repository, file.path));
        if (found && !with_bytes) {
            // One that a scrub has taken away may come again: heal() sees.
            LS_TRY(damaged, db::is_damaged(t, found->digest));
            if (damaged) {
                return now;
            }
        }
        bool same = found && with_bytes &&
                    found->digest.text() == file.blob.digest().text();
        all_same = all_same && same;
        bool ours =
            found && now.version && found->version_id == now.version->id;
        bool may = (same && draft.same_bytes_are_fine && ours) ||
                   (ours && draft.if_exists == IfExists::replace) ||
                   (!with_bytes && draft.same_bytes_are_fine);
        if (found && !may) {
            return taken(file.path + " is already there");
        }
        now.files.push_back(std::move(found));
    }
    if (now.version && draft.if_exists == IfExists::fail && !all_same &&
        (with_bytes || !draft.same_bytes_are_fine)) {
        return taken(title(draft) + " is already published");
    }
    return now;
}

Result<void> put_file(Transaction& t, std::int64_t repository,
                      std::int64_t version, const FileDraft& draft,
                      std::int64_t now_ms) {
    LS_TRY(blob,
           db::ensure_blob(t, draft.blob.digest(), draft.blob.size_bytes()));
    LS_CHECK(db::close_damage(t, draft.blob.digest(), "blob", now_ms));
    StoredFile file;
    file.path = draft.path;
    file.role = draft.role;
    file.media_type = draft.media_type;
    file.data = draft.data;
    file.digests = draft.blob.digests();
    file.created_at_ms = now_ms;
    LS_TRY(id, db::add_file(t, repository, version, file, blob));
    if (!draft.properties.empty()) {
        return db::put_properties(t, repository, db::Subject::file, id,
                                  draft.properties);
    }
    return {};
}

// The package's row as the draft wants it; in the transaction.
Result<StoredPackage> save_package(Transaction& t, std::int64_t repository,
                                   const PackageDraft& draft,
                                   const std::optional<StoredPackage>& known,
                                   std::int64_t now_ms) {
    bool is_new = !known;
    StoredPackage package = known.value_or(StoredPackage{});
    package.key = draft.key;
    package.name = draft.name;
    package.data = draft.package_data.value_or(package.data);
    bool searched =
        is_new || draft.summary.value_or(package.summary) != package.summary ||
        draft.keywords.value_or(package.keywords) != package.keywords;
    package.summary = draft.summary.value_or(package.summary);
    package.keywords = draft.keywords.value_or(package.keywords);
    package.updated_at_ms = now_ms;
    if (is_new) {
        package.created_at_ms = now_ms;
        LS_TRY(id, db::add_package(t, repository, package));
        package.id = id;
    } else {
        LS_CHECK(db::change_package(t, package));
    }
    if (searched) {
        LS_CHECK(db::index_package(t, repository, package));
    }
    return package;
}

Result<StoredVersion> save_version(Transaction& t, const Access& access,
                                   std::int64_t repository,
                                   const PackageDraft& draft,
                                   std::int64_t package, std::int64_t now_ms) {
    StoredVersion version;
    version.version = draft.version;
    version.key = draft.version_key;
    version.sort_key = draft.sort_key;
    version.data = draft.version_data;
    version.publisher = access.actor().principal;
    version.published_at_ms = now_ms;
    LS_TRY(id, db::add_version(t, package, version));
    version.id = id;
    if (!draft.properties.empty()) {
        LS_CHECK(db::put_properties(t, repository, db::Subject::version, id,
                                    draft.properties));
    }
    return version;
}

// The keys whose answers end with a change of these scopes.
std::vector<std::string> drops_of(std::string_view repository,
                                  const std::vector<std::string>& scopes,
                                  std::string_view package_key) {
    std::vector<std::string> drops = {key::package(repository, package_key)};
    for (const auto& scope : scopes) {
        if (scope != package_key) {
            drops.push_back(key::package(repository, scope));
        }
    }
    return drops;
}

// The files that the draft names, as they are stored now.
Result<std::vector<StoredFile>> stored_files(Transaction& t,
                                             std::int64_t repository,
                                             const PackageDraft& draft) {
    std::vector<StoredFile> files;
    for (const auto& file : draft.files) {
        LS_TRY(found, db::find_file(t, repository, file.path));
        if (found) {
            files.push_back(std::move(*found));
        }
    }
    return files;
}

Result<void> check_properties(const std::vector<Property>& properties) {
    bool good = properties.size() <= kMaxProperties;
    for (const auto& one : properties) {
        good = good && !one.name.empty() &&
               one.name.size() <= kMaxPropertyText &&
               one.value.size() <= kMaxPropertyText;
    }
    if (!good) {
        return Error{Code::invalid_argument,
                     "a package has at most " + std::to_string(kMaxProperties) +
                         " properties with names of 1 to " +
                         std::to_string(kMaxPropertyText) +
                         " and values of at most as many bytes"};
    }
    return {};
}

}  // namespace

const Format* PackagePublisher::format(std::string_view key) const noexcept {
    return find_format(formats_, key);
}

Result<void> PackagePublisher::check(const Access& access,
                                     const PackageDraft& draft) {
    return database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(standing, look(t, id, draft, false));
        static_cast<void>(standing);
        return {};
    });
}

// Bytes that a scrub has taken away are back with whoever brings them, even
// where the version cannot be published once more.
Result<void> PackagePublisher::heal(PackageDraft& draft) {
    std::vector<FileDraft*> damaged;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        damaged.clear();
        for (auto& file : draft.files) {
            LS_TRY(lost, db::is_damaged(t, file.blob.digest()));
            if (lost) {
                damaged.push_back(&file);
            }
        }
        return {};
    }));
    if (damaged.empty()) {
        return {};
    }
    for (auto* file : damaged) {
        LS_CHECK(file->blob.adopt());
    }
    return database_.write([&](Transaction& t) -> Result<void> {
        for (const auto* file : damaged) {
            LS_CHECK(
                db::close_damage(t, file->blob.digest(), "blob", unix_ms()));
        }
        return {};
    });
}

Result<Written> PackagePublisher::publish(const Access& access,
                                          PackageDraft draft) {
    LS_CHECK(heal(draft));
    // Refused before anything is written what the transaction would refuse.
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(standing, look(t, id, draft, true));
        static_cast<void>(standing);
        return {};
    }));
    for (auto& file : draft.files) {
        LS_CHECK(file.blob.adopt());
    }
    LS_PROBE(publish, adopted);
    Repository repository;
    std::vector<std::string> scopes;
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(found, repository_of(t, access));
        repository = std::move(found);
        auto id = repository.id;
        auto now_ms = unix_ms();
        LS_TRY(standing, look(t, id, draft, true));
        LS_TRY(package, save_package(t, id, draft, standing.package, now_ms));
        StoredVersion version;
        if (standing.version) {
            version = *standing.version;
        } else {
            LS_TRY(made,
                   save_version(t, access, id, draft, package.id, now_ms));
            version = std::move(made);
            LS_CHECK(db::renew_latest(t, package.id));
            for (const auto& record : draft.log_records) {
                LS_CHECK(TransparencyLog::append(t, id, record));
            }
        }
        std::uint64_t bytes = 0;
        for (std::size_t i = 0; i < draft.files.size(); ++i) {
            const auto& file = draft.files[i];
            const auto& old = standing.files[i];
            if (old && old->digest.text() == file.blob.digest().text()) {
                continue;
            }
            if (old) {
                LS_CHECK(db::delete_file(t, old->id));
            }
            LS_CHECK(put_file(t, id, version.id, file, now_ms));
            bytes += file.blob.size_bytes();
        }
        for (const auto& tag : draft.tags) {
            LS_CHECK(db::put_package_tag(t, package.id, tag, version.id));
        }
        LS_TRY(files, stored_files(t, id, draft));
        version.files = std::move(files);
        auto digest = version.files.empty() ? std::string()
                                            : version.files[0].digest.str();
        package.versions = {std::move(version)};
        scopes = format(repository.format)->scopes(package);
        LS_CHECK(mark(t, repository, scopes, draft.key));
        return tell(t, access,
                    {"package.publish", title(draft), std::move(digest), bytes,
                     "", draft.request_id});
    }));
    LS_PROBE(publish, committed);
    return finish(repository, scopes, draft.key);
}

Result<Written> PackagePublisher::edit(
    const Access& access, std::string_view key,
    const std::function<Result<void>(StoredPackage&)>& change,
    const EditOptions& options) {
    Repository repository;
    std::vector<std::string> scopes;
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(found, repository_of(t, access));
        repository = std::move(found);
        LS_TRY(before, rows::whole_package(t, repository.id, key));
        if (!before) {
            return Error{Code::not_found, "package " + std::string(key) +
                                              " is not in this repository"};
        }
        auto after = *before;
        LS_CHECK(change(after));
        LS_CHECK(
            save_edit(t, repository.id, *before, after, options.tombstones));
        // What went counts as much as what is left.
        const auto* of = format(repository.format);
        scopes = of->scopes(*before);
        for (auto& scope : of->scopes(after)) {
            if (std::find(scopes.begin(), scopes.end(), scope) ==
                scopes.end()) {
                scopes.push_back(std::move(scope));
            }
        }
        LS_CHECK(mark(t, repository, scopes, key));
        return tell(t, access,
                    {options.action, before->name, "", 0, options.detail,
                     options.request_id});
    }));
    LS_PROBE(edit, committed);
    return finish(repository, scopes, key);
}

Result<Written> PackagePublisher::put_loose(const Access& access,
                                            FileDraft draft,
                                            std::string_view request_id) {
    LS_CHECK(draft.blob.adopt());
    Repository repository;
    std::vector<std::string> scopes;
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(found, repository_of(t, access));
        repository = std::move(found);
        auto id = repository.id;
        LS_TRY(old, db::find_file(t, id, draft.path));
        if (old && old->version_id != 0) {
            return taken(draft.path + " is a file of a package");
        }
        if (old) {
            LS_CHECK(db::delete_file(t, old->id));
        }
        LS_CHECK(put_file(t, id, 0, draft, unix_ms()));
        scopes = format(repository.format)->loose_scopes(draft.path);
        LS_CHECK(mark(t, repository, scopes, ""));
        return tell(t, access,
                    {"file.put", draft.path, draft.blob.digest().str(),
                     draft.blob.size_bytes(), "", request_id});
    }));
    LS_PROBE(loose, committed);
    return finish(repository, scopes, "");
}

Result<Written> PackagePublisher::remove_loose(const Access& access,
                                               std::string_view path,
                                               std::string_view request_id) {
    Repository repository;
    std::vector<std::string> scopes;
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(found, repository_of(t, access));
        repository = std::move(found);
        LS_TRY(old, db::find_file(t, repository.id, path));
        if (!old || old->version_id != 0) {
            return Error{Code::not_found, "no such file: " + std::string(path)};
        }
        LS_CHECK(db::delete_file(t, old->id));
        scopes = format(repository.format)->loose_scopes(path);
        LS_CHECK(mark(t, repository, scopes, ""));
        return tell(
            t, access,
            {"file.delete", path, old->digest.str(), 0, "", request_id});
    }));
    return finish(repository, scopes, "");
}

Result<Written> PackagePublisher::set_properties(
    const Access& access, std::string_view package_key,
    std::string_view version_key, std::string_view path,
    const std::vector<Property>& properties, std::string_view request_id) {
    LS_CHECK(check_properties(properties));
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(subject,
               rows::find_subject(t, id, package_key, version_key, path));
        LS_CHECK(
            db::put_properties(t, id, subject.kind, subject.id, properties));
        if (indexes_ == nullptr) {
            auto key = key::package(access.name().text(), package_key);
            LS_CHECK(db::add_drop(t, key));
        }
        return tell(t, access,
                    {"properties.set", path.empty() ? package_key : path, "", 0,
                     std::string(version_key), request_id});
    }));
    Written written;
    written.drops.push_back(key::package(access.name().text(), package_key));
    return written;
}

// In the transaction of a change: what lags behind it, until it was made.
Result<void> PackagePublisher::mark(Transaction& t,
                                    const Repository& repository,
                                    const std::vector<std::string>& scopes,
                                    std::string_view package_key) const {
    auto now = unix_ms();
    for (const auto& scope : scopes) {
        LS_CHECK(db::mark_stale(t, repository.id, scope, now));
    }
    if (indexes_ != nullptr) {
        return {};
    }
    for (const auto& key : drops_of(repository.key, scopes, package_key)) {
        LS_CHECK(db::add_drop(t, key));
    }
    return {};
}

// Makes the documents anew; the drops end what nginx keeps of both. What is
// committed is committed: a document that cannot be made now is made by the
// next read, at the latest by the sweep.
Result<Written> PackagePublisher::finish(const Repository& repository,
                                         const std::vector<std::string>& scopes,
                                         std::string_view package_key) {
    Written written;
    written.drops = drops_of(repository.key, scopes, package_key);
    if (indexes_ == nullptr) {
        return written;
    }
    for (const auto& scope : scopes) {
        if (auto made = indexes_->refresh(repository, scope); !made) {
            spdlog::warn("index {} of {} is late: {}", scope, repository.key,
                         made.error().message);
        }
        LS_PROBE(publish, indexed);
    }
    return written;
}

Result<void> PackagePublisher::count(std::span<const TallyLine> lines) {
    if (lines.empty()) {
        return {};
    }
    auto day = unix_ms() / kDayMs;
    return database_.write([&](Transaction& t) -> Result<void> {
        for (const auto& line : lines) {
            LS_TRY(repository, db::find_repository(t, line.repository));
            if (repository) {
                LS_CHECK(db::count_download(t, repository->id, line.reference,
                                            line.count, day));
            }
        }
        return {};
    });
}

}  // namespace longshore
