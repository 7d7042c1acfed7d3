#include "auth/policy_watch.hpp"

#include <algorithm>
#include <vector>

#include "auth/accounts.hpp"
#include "common/protocol.hpp"
#include "db/accounts.hpp"
#include "db/database.hpp"

namespace longshore {
namespace {

Result<std::int64_t> stored_version(Database& database) {
    std::int64_t version = 0;
    LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::policy_version(t));
        version = found;
        return {};
    }));
    return version;
}

// What the changes between two versions made void.
Result<std::vector<std::string>> void_keys(Database& database,
                                           std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> changed;
    LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::changes_between(t, from, to));
        changed = std::move(found);
        return {};
    }));
    std::vector<std::string> everything = {std::string(key::kPolicy)};
    // Fewer than there were: some are forgotten already.
    if (to < from || changed.size() < static_cast<std::size_t>(to - from)) {
        return everything;
    }
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
    if (changed.empty() || changed.front() == 0) {
        return everything;
    }
    std::vector<std::string> keys;
    keys.reserve(changed.size());
    for (auto id : changed) {
        keys.push_back(key::principal(id));
    }
    return keys;
}

}  // namespace

std::shared_ptr<const Policy> PolicyWatch::kept() {
    std::lock_guard guard(mutex_);
    return policy_;
}

Result<std::shared_ptr<const Policy>> PolicyWatch::current() {
    LS_TRY(version, stored_version(database_));
    auto policy = kept();
    if (policy && policy->version() == version) {
        return policy;
    }
    return refresh();
}

Result<std::shared_ptr<const Policy>> PolicyWatch::refresh() {
    std::lock_guard guard(refreshing_);
    LS_TRY(version, stored_version(database_));
    auto old = kept();
    if (old && old->version() == version) {
        return old;
    }
    LS_TRY(policy, load_policy(database_));
    std::vector<std::string> keys = {std::string(key::kPolicy)};
    if (old) {
        LS_TRY(some, void_keys(database_, old->version(), policy->version()));
        keys = std::move(some);
    }
    {
        std::lock_guard swap(mutex_);
        policy_ = policy;
    }
    if (on_change_) {
        on_change_(keys);
    }
    return policy;
}

}  // namespace longshore
