#include "auth/audit_queue.hpp"

#include <algorithm>
#include <utility>

#include "auth/address.hpp"
#include "auth/policy.hpp"
#include "common/probe.hpp"
#include "db/accounts.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::size_t kMaxLogins = 16'384;

bool is_known(const Actor& actor) noexcept {
    return actor.principal_id != 0 && actor.principal_id != kAnonymous;
}

Result<void> write(Transaction& t, const AuditNote& note, std::int64_t at_ms,
                   std::int64_t count, bool suppressed) {
    db::AuditEntry entry;
    entry.at_ms = at_ms;
    entry.action = note.action;
    entry.verdict = suppressed     ? "suppressed"
                    : note.refused ? "refused"
                                   : "done";
    entry.status = note.status;
    entry.actor = note.actor;
    entry.repository = note.repository;
    entry.target = note.target;
    entry.detail = note.detail;
    entry.count = count;
    if (!note.claimed.empty()) {
        LS_TRY(known, db::find_principal(t, note.claimed));
        entry.target = known ? note.claimed : "";
    }
    LS_TRY(added, db::append_audit(t, entry));
    static_cast<void>(added);
    return {};
}

}  // namespace

// What was counted in the minute before becomes rows.
void AuditQueue::start_minute(std::int64_t now_ms) {
    auto minute = now_ms / kMinuteMs;
    if (minute == minute_) {
        return;
    }
    minute_ = minute;
    strangers_ = known_ = 0;
    std::int64_t untold = 0;
    auto tell = [&](Counted& counted) {
        if (waiting_.size() > 2 * kWaiting) {
            untold += counted.suppressed;  // nothing can be written for long
        } else if (counted.suppressed > 0) {
            AuditNote note;
            note.action = "suppressed";
            note.actor = std::move(counted.actor);
            waiting_.push_back(
                {std::move(note), now_ms, counted.suppressed, true});
        }
    };
    for (auto& [key, counted] : counted_) {
        tell(counted);
    }
    tell(others_);
    counted_.clear();
    others_ = {};
    others_.suppressed = untold;
    std::erase_if(logins_, [&](const auto& login) {
        return login.second + kLoginMs <= now_ms;
    });
}

AuditQueue::Counted& AuditQueue::counted(const AuditNote& note) {
    auto network = network_of(note.actor.peer);
    auto key = network + "|" + std::to_string(note.actor.principal_id);
    auto found = counted_.find(key);
    if (found == counted_.end()) {
        if (counted_.size() >= kKeys) {
            return others_;
        }
        found = counted_.emplace(std::move(key), Counted{}).first;
        auto& actor = found->second.actor;
        actor.peer = std::move(network);
        actor.principal_id = note.actor.principal_id;
        actor.principal = note.actor.principal;
    }
    return found->second;
}

void AuditQueue::add(AuditNote note, std::int64_t now_ms) {
    std::lock_guard guard(mutex_);
    start_minute(now_ms);
    auto& mine = counted(note);
    bool known = is_known(note.actor);
    auto& all = known ? known_ : strangers_;
    // A principal that does much within its rights is no flood.
    bool own_limit = mine.rows >= kEach && (!known || note.refused);
    if (own_limit || all >= (known ? kKnown : kStrangers) ||
        waiting_.size() >= kWaiting) {
        ++mine.suppressed;
        return;
    }
    ++mine.rows;
    ++all;
    waiting_.push_back({std::move(note), now_ms});
}

void AuditQueue::add_login(const Actor& actor, std::int64_t now_ms) {
    if (!is_known(actor)) {
        return;
    }
    {
        std::lock_guard guard(mutex_);
        auto key = network_of(actor.peer) + "|" +
                   std::to_string(actor.principal_id) + "|" + actor.credential +
                   "|" + actor.credential_id;
        auto& until = logins_[std::move(key)];
        if (until > now_ms && until <= now_ms + kLoginMs) {
            return;
        }
        until = now_ms + kLoginMs;
        if (logins_.size() > kMaxLogins) {
            logins_.clear();
        }
    }
    AuditNote note;
    note.action = "login";
    note.actor = actor;
    add(std::move(note), now_ms);
}

Result<void> AuditQueue::flush(Database& database, std::int64_t now_ms) {
    std::lock_guard one(flushing_);
    std::vector<Waiting> batch;
    {
        std::lock_guard guard(mutex_);
        start_minute(now_ms);
        batch.swap(waiting_);
    }
    if (batch.empty()) {
        return {};
    }
    auto written = database.write([&](Transaction& t) -> Result<void> {
        for (const auto& one_note : batch) {
            LS_CHECK(write(t, one_note.note, one_note.at_ms, one_note.count,
                           one_note.suppressed));
        }
        return {};
    });
    LS_PROBE(audit, written);
    if (!written) {
        std::lock_guard guard(mutex_);
        batch.insert(batch.end(), std::make_move_iterator(waiting_.begin()),
                     std::make_move_iterator(waiting_.end()));
        waiting_ = std::move(batch);
    }
    return written;
}

}  // namespace longshore
