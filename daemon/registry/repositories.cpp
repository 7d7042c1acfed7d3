#include "registry/repositories.hpp"

#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "common/package_path.hpp"
#include "common/protocol.hpp"
#include "db/audit.hpp"
#include "db/journal.hpp"
#include "db/packages.hpp"
#include "registry/format.hpp"

namespace longshore {
namespace {

constexpr std::size_t kBatch = 200;
constexpr std::size_t kMaxText = 64 * 1024;

Error unknown(const Access& access) {
    return Error{Code::not_found,
                 "there is no repository " + access.name().str()};
}

Result<void> tell(Transaction& t, const Access& access, std::string_view action,
                  const std::string& detail) {
    db::AuditEntry entry;
    entry.at_ms = unix_ms();
    entry.action = action;
    entry.actor = access.actor();
    entry.repository = access.name().text();
    entry.detail = detail;
    LS_TRY(added, db::append_audit(t, entry));
    static_cast<void>(added);
    return {};
}

Result<void> check_texts(const Format& format, const std::string& description,
                         const std::string& settings) {
    if (description.size() > kMaxText || settings.size() > kMaxText) {
        return Error{Code::invalid_argument,
                     "description and settings have at most 64 KiB"};
    }
    if (!nlohmann::json::parse(settings, nullptr, false).is_object()) {
        return Error{Code::invalid_argument, "settings are a JSON object"};
    }
    return format.check_settings(settings);
}

Result<void> refuse_full(Transaction& t, const Repository& repository) {
    LS_TRY(packages, db::list_packages(t, repository.id, "", 1, ""));
    LS_TRY(files, db::list_files(t, repository.id, "", 1, ""));
    if (packages.empty() && files.empty()) {
        return {};
    }
    return Error{Code::conflict, "repository " + repository.key +
                                     " holds packages, which would go with it"};
}

}  // namespace

const Format* Repositories::format(std::string_view key) const noexcept {
    return find_format(formats_, key);
}

Result<Repository> Repositories::find(const Access& access) {
    std::optional<Repository> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(one, db::find_repository(t, access.name().text()));
        found = std::move(one);
        return {};
    }));
    if (!found) {
        return unknown(access);
    }
    return *found;
}

Result<Page<Repository>> Repositories::list(std::size_t n,
                                            std::string_view last) {
    Page<Repository> page;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_repositories(t, n + 1, last));
        page.items = std::move(found);
        return {};
    }));
    page.more = page.items.size() > n;
    if (page.more) {
        page.items.pop_back();
    }
    return page;
}

Result<Repository> Repositories::create(const Access& access,
                                        const NewRepository& wanted) {
    Repository repository;
    repository.key = access.name().text();
    repository.format = wanted.format;
    repository.kind = wanted.kind;
    repository.description = wanted.description;
    repository.settings = wanted.settings;
    repository.created_at_ms = unix_ms();
    auto target = "/generic/" + repository.key;
    auto path = parse_package_path(target);
    if (!path || path->repository != repository.key) {
        return Error{Code::invalid_argument,
                     "the name of a repository of packages is one component: "
                     "lower-case letters, digits, and . _ - between them"};
    }
    const auto* of = format(wanted.format);
    if (of == nullptr || of->info().mounts.empty()) {
        return Error{Code::invalid_argument,
                     "there is no format " + wanted.format +
                         " with repositories of its own"};
    }
    if (wanted.kind != RepositoryKind::local) {
        return Error{Code::unsupported,
                     "format " + wanted.format + " has local repositories"};
    }
    LS_CHECK(check_texts(*of, wanted.description, wanted.settings));
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(known, db::find_repository(t, repository.key));
        if (known) {
            return Error{Code::already_exists,
                         "there is a repository " + repository.key +
                             " of format " + known->format};
        }
        LS_TRY(id, db::add_repository(t, repository));
        repository.id = id;
        return tell(t, access, "repository.create", repository.format);
    }));
    return repository;
}

Result<Repository> Repositories::change(const Access& access,
                                        const std::string& description,
                                        const std::string& settings) {
    LS_TRY(repository, find(access));
    const auto* of = format(repository.format);
    if (of == nullptr) {
        return unknown(access);
    }
    LS_CHECK(check_texts(*of, description, settings));
    repository.description = description;
    repository.settings = settings;
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::change_repository(t, repository));
        LS_CHECK(drop(t, access));
        return tell(t, access, "repository.change", settings);
    }));
    return repository;
}

Result<void> Repositories::remove(const Access& access, bool with_content) {
    LS_TRY(repository, find(access));
    // Piece by piece, so that other writers come in between.
    for (bool gone = false; !gone;) {
        LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
            if (!with_content) {
                LS_CHECK(refuse_full(t, repository));
            }
            LS_TRY(done, db::shrink_repository(t, repository.id, kBatch));
            gone = done;
            if (!done) {
                return {};
            }
            LS_CHECK(drop(t, access));
            return tell(t, access, "repository.delete", repository.format);
        }));
    }
    return {};
}

// What nginx keeps is the answer's business where there is one.
Result<void> Repositories::drop(Transaction& t, const Access& access) const {
    auto key = key::repository(access.name().text());
    return beside_ ? db::add_drop(t, key) : Result<void>();
}

}  // namespace longshore
