#include "jobs/jobs.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <spdlog/spdlog.h>

#include "auth/auth.hpp"
#include "common/clock.hpp"
#include "jobs/clock_watch.hpp"
#include "jobs/collector.hpp"
#include "jobs/drops.hpp"
#include "jobs/indexer.hpp"
#include "jobs/issuer_keys.hpp"
#include "jobs/outbox.hpp"
#include "jobs/periodic.hpp"
#include "jobs/retention_job.hpp"
#include "jobs/scrub_job.hpp"
#include "jobs/undeletes.hpp"
#include "registry/indexes.hpp"
#include "registry/signer.hpp"
#include "registry/uploads.hpp"
#include "registry/uses.hpp"

namespace longshore {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPurgeEvery = std::chrono::hours(1);
constexpr milliseconds kEventSweepEvery = std::chrono::minutes(5);
constexpr milliseconds kKeySweepEvery = std::chrono::hours(1);
constexpr milliseconds kDocumentSweepEvery = std::chrono::seconds(5);
constexpr milliseconds kScrubRetry = std::chrono::seconds(10);
constexpr milliseconds kRemovalRetry = std::chrono::seconds(10);
constexpr milliseconds kUseFlushEvery = std::chrono::seconds(10);
constexpr milliseconds kDropLookEvery = std::chrono::seconds(1);
constexpr milliseconds kUndeleteLookEvery = std::chrono::seconds(1);

Result<std::size_t> purge(Uploads& uploads, ClockWatch& clock,
                          std::int64_t max_age_s) {
    LS_TRY(quiet, clock.is_quiet());
    return quiet ? std::size_t{0} : uploads.purge(max_age_s);
}

}  // namespace

Jobs::Jobs(Takeover& takeover, Uploads& uploads, Outbox& outbox,
           Indexes& indexes, Signer& signer, Auth& auth, Drops& drops,
           Uses& uses, const Removers& removers, Undeletes& undeletes,
           ScrubJob& scrub, const JobSettings& settings)
    : indexer_(std::make_unique<Periodic>(
          [indexer = Indexer(takeover)]() mutable { return indexer.step(); })),
      upload_purge_(std::make_unique<Periodic>(
          [&uploads, &clock = removers.upload_clock, settings] {
              auto purged = purge(uploads, clock, settings.upload_max_age_s);
              if (!purged) {
                  spdlog::warn("purge of uploads: {}", purged.error().message);
              } else if (*purged > 0) {
                  spdlog::info("purged {} forgotten uploads", *purged);
              }
              return kPurgeEvery;
          })),
      event_sweep_(std::make_unique<Periodic>([&outbox, settings] {
          auto swept =
              outbox.sweep(settings.event_max_age_s, settings.event_max_count);
          if (!swept) {
              spdlog::warn("sweep of events: {}", swept.error().message);
          }
          return kEventSweepEvery;
      })),
      document_sweep_(std::make_unique<Periodic>([&indexes] {
          if (auto swept = indexes.sweep(); !swept) {
              spdlog::warn("sweep of documents: {}", swept.error().message);
          }
          return kDocumentSweepEvery;
      })),
      drop_look_(std::make_unique<Periodic>([&drops] {
          if (auto told = drops.step(); !told) {
              spdlog::warn("drops: {}", told.error().message);
          }
          return kDropLookEvery;
      })),
      key_sweep_(std::make_unique<Periodic>([&signer] {
          if (auto swept = signer.sweep(unix_ms()); !swept) {
              spdlog::warn("sweep of signing keys: {}", swept.error().message);
          }
          return kKeySweepEvery;
      })),
      use_flush_(std::make_unique<Periodic>([&uses] {
          if (auto written = uses.flush(); !written) {
              spdlog::warn("uses of manifests: {}", written.error().message);
          }
          return kUseFlushEvery;
      })),
      removal_(std::make_unique<Periodic>([this, removers]() -> milliseconds {
          auto stopping = [this] { return stopping_.load(); };
          auto kept = removers.retention.step(stopping);
          if (!kept) {
              spdlog::warn("retention: {}", kept.error().message);
          }
          auto next = removers.collector.step(stopping);
          if (!next) {
              spdlog::warn("garbage collection: {}", next.error().message);
          }
          return kept && next ? *next : kRemovalRetry;
      })),
      undelete_look_(std::make_unique<Periodic>([&undeletes] {
          if (auto done = undeletes.step(); !done) {
              spdlog::warn("undelete: {}", done.error().message);
          }
          return kUndeleteLookEvery;
      })),
      scrub_(std::make_unique<Periodic>([this, &scrub]() -> milliseconds {
          auto next = scrub.step([this] { return stopping_.load(); });
          if (!next) {
              spdlog::warn("scrub: {}", next.error().message);
              return kScrubRetry;
          }
          return *next;
      })) {
    if (!auth.enabled()) {
        return;
    }
    policy_look_ = std::make_unique<Periodic>([&auth] {
        std::vector<std::string> notes;
        auto stepped = auth.step(unix_ms(), notes);
        for (const auto& note : notes) {
            spdlog::warn("{}", note);
        }
        if (!stepped) {
            spdlog::error("accounts: {}", stepped.error().message);
        }
        return kPolicyLookMs;
    });
    external_ = auth.external();
    auto stopping = [this] { return stopping_.load(); };
    issuer_keys_ = std::make_unique<Periodic>(
        [keys = IssuerKeys(*external_, stopping)]() mutable {
            return keys.step();
        });
    external_->on_want([this] { issuer_keys_->wake(); });
}

Jobs::~Jobs() {
    stopping_ = true;
    if (external_ != nullptr) {
        external_->on_want({});
    }
}

}  // namespace longshore
