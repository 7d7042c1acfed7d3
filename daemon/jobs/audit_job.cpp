#include "jobs/audit_job.hpp"

#include <chrono>

#include <spdlog/spdlog.h>

#include "auth/audit_queue.hpp"
#include "common/clock.hpp"
#include "common/probe.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"
#include "jobs/periodic.hpp"

namespace longshore {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFlushEvery{500};
constexpr milliseconds kPruneEvery = std::chrono::hours(1);
constexpr milliseconds kPruneMore{100};
constexpr std::size_t kPruneAtOnce = 5000;
constexpr std::int64_t kDayMs = 86'400'000;

milliseconds prune(Database& database, std::int64_t days) {
    auto now = unix_ms();
    Actor by;
    by.credential = "local";
    std::int64_t gone = 0;
    auto pruned = database.write([&](Transaction& t) -> Result<void> {
        LS_TRY(count,
               db::prune_audit(t, now - days * kDayMs, kPruneAtOnce, by, now));
        gone = count;
        return {};
    });
    LS_PROBE(audit, pruned);
    if (!pruned) {
        spdlog::warn("retention of the audit log: {}", pruned.error().message);
        return kPruneEvery;
    }
    return gone >= static_cast<std::int64_t>(kPruneAtOnce) ? kPruneMore
                                                           : kPruneEvery;
}

}  // namespace

AuditJob::AuditJob(Database& database, AuditQueue& queue, std::int64_t days)
    : database_(database),
      queue_(queue),
      flush_(std::make_unique<Periodic>([this] {
          flush();
          return kFlushEvery;
      })) {
    if (days > 0) {
        prune_ = std::make_unique<Periodic>(
            [&database, days] { return prune(database, days); });
    }
}

AuditJob::~AuditJob() = default;

void AuditJob::flush() {
    if (auto written = queue_.flush(database_, unix_ms()); !written) {
        spdlog::error("audit log: {}", written.error().message);
    }
}

void AuditJob::stop() {
    prune_.reset();
    flush_.reset();
    flush();
}

}  // namespace longshore
