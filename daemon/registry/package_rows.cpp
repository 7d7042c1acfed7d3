#include "registry/package_rows.hpp"

#include <string>
#include <unordered_map>

namespace longshore::rows {

Result<std::int64_t> repository_id(Transaction& t, const Access& access) {
    auto name = access.name().text();
    LS_TRY(found, db::find_repository(t, name));
    if (!found) {
        return Error{Code::not_found,
                     "there is no repository " + std::string(name)};
    }
    return found->id;
}

Result<std::optional<StoredPackage>> whole_package(Transaction& t,
                                                   std::int64_t repository,
                                                   std::string_view key) {
    LS_TRY(found, db::find_package(t, repository, key));
    if (!found) {
        return std::optional<StoredPackage>();
    }
    LS_TRY(versions, db::versions_of(t, found->id));
    LS_TRY(files, db::files_of_package(t, found->id));
    LS_TRY(tags, db::tags_of_package(t, found->id));
    std::unordered_map<std::int64_t, StoredVersion*> by_id;
    for (auto& version : versions) {
        by_id[version.id] = &version;
    }
    for (auto& file : files) {
        if (auto owner = by_id.find(file.version_id); owner != by_id.end()) {
            owner->second->files.push_back(std::move(file));
        }
    }
    found->versions = std::move(versions);
    found->tags = std::move(tags);
    return found;
}

Result<SubjectRow> find_subject(Transaction& t, std::int64_t repository,
                                std::string_view package_key,
                                std::string_view version_key,
                                std::string_view path) {
    Error absent{Code::not_found, "no such package, version or file"};
    if (!path.empty()) {
        LS_TRY(file, db::find_file(t, repository, path));
        if (!file) {
            return absent;
        }
        return SubjectRow{db::Subject::file, file->id};
    }
    LS_TRY(package, db::find_package(t, repository, package_key));
    if (!package) {
        return absent;
    }
    if (version_key.empty()) {
        return SubjectRow{db::Subject::package, package->id};
    }
    LS_TRY(version, db::find_version(t, package->id, version_key));
    if (!version) {
        return absent;
    }
    return SubjectRow{db::Subject::version, version->id};
}

}  // namespace longshore::rows
