#include "registry/package_edit.hpp"

#include <algorithm>

#include "common/clock.hpp"
#include "db/packages.hpp"

namespace longshore {
namespace {

const StoredFile* file_of(const StoredVersion& version, std::int64_t id) {
    auto found = std::find_if(version.files.begin(), version.files.end(),
                              [&](const auto& file) { return file.id == id; });
    return found == version.files.end() ? nullptr : &*found;
}

Result<void> save_files(Transaction& t, std::int64_t repository,
                        const StoredVersion& before, const StoredVersion& after,
                        bool tombstones) {
    for (const auto& file : before.files) {
        const auto* kept = file_of(after, file.id);
        if (kept == nullptr) {
            LS_CHECK(db::delete_file(t, file.id));
            if (tombstones) {
                LS_CHECK(
                    db::bury(t, repository, {"", "", file.path}, unix_ms()));
            }
        } else if (kept->data != file.data) {
            LS_CHECK(db::change_file(t, *kept));
        }
    }
    return {};
}

Result<void> remove_version(Transaction& t, std::int64_t repository,
                            const StoredPackage& package,
                            const StoredVersion& version, bool tombstones) {
    LS_CHECK(db::delete_version(t, version.id));
    if (!tombstones) {
        return {};
    }
    LS_CHECK(
        db::bury(t, repository, {package.key, version.key, ""}, unix_ms()));
    for (const auto& file : version.files) {
        LS_CHECK(db::bury(t, repository, {"", "", file.path}, unix_ms()));
    }
    return {};
}

bool differs(const StoredVersion& a, const StoredVersion& b) {
    return a.state != b.state || a.reason != b.reason || a.data != b.data;
}

Result<void> save_tags(Transaction& t, const StoredPackage& before,
                       const StoredPackage& after) {
    for (const auto& tag : before.tags) {
        if (after.tag(tag.tag) == nullptr) {
            LS_CHECK(db::delete_package_tag(t, before.id, tag.tag));
        }
    }
    for (const auto& tag : after.tags) {
        const auto* version = after.find(tag.version_key);
        if (version == nullptr) {
            return Error{Code::invalid_argument,
                         "tag " + tag.tag + " names a version that is not " +
                             "there: " + tag.version_key};
        }
        const auto* old = before.tag(tag.tag);
        if (old == nullptr || *old != tag.version_key) {
            LS_CHECK(db::put_package_tag(t, before.id, tag.tag, version->id));
        }
    }
    return {};
}

}  // namespace

Result<void> save_edit(Transaction& t, std::int64_t repository,
                       const StoredPackage& before, StoredPackage& after,
                       bool tombstones) {
    for (const auto& version : before.versions) {
        const auto* kept = after.find(version.key);
        if (kept == nullptr) {
            // Its tags go with it.
            std::erase_if(after.tags, [&](const auto& tag) {
                return tag.version_key == version.key;
            });
            LS_CHECK(
                remove_version(t, repository, before, version, tombstones));
            continue;
        }
        if (differs(version, *kept)) {
            LS_CHECK(db::change_version(t, *kept));
        }
        LS_CHECK(save_files(t, repository, version, *kept, tombstones));
    }
    if (after.versions.empty()) {
        return db::delete_package(t, before.id);
    }
    LS_CHECK(save_tags(t, before, after));
    LS_CHECK(db::renew_latest(t, before.id));
    after.updated_at_ms = unix_ms();
    LS_CHECK(db::change_package(t, after));
    if (after.summary != before.summary || after.keywords != before.keywords ||
        after.name != before.name) {
        return db::index_package(t, repository, after);
    }
    return {};
}

}  // namespace longshore
