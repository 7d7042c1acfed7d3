#include "auth/changes.hpp"

#include <algorithm>

#include "common/clock.hpp"
#include "db/accounts.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"

namespace longshore {

Result<void> Changes::write(
    const std::function<Result<void>(Transaction&)>& work) {
    return database_.write([&](Transaction& t) -> Result<void> {
        if (expected_) {
            LS_TRY(version, db::policy_version(t));
            if (std::find(expected_->begin(), expected_->end(), version) ==
                expected_->end()) {
                return Error{Code::precondition_failed,
                             "it was changed since it was looked at"};
            }
        }
        return work(t);
    });
}

Result<void> Changes::tell(Transaction& t, std::string_view action,
                           std::string target, std::string repository,
                           std::string detail) const {
    db::AuditEntry entry;
    entry.at_ms = unix_ms();
    entry.action = action;
    entry.actor = actor_;
    entry.repository = std::move(repository);
    entry.target = std::move(target);
    entry.detail = std::move(detail);
    LS_TRY(added, db::append_audit(t, entry));
    static_cast<void>(added);
    return {};
}

}  // namespace longshore
