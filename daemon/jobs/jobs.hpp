// The background work of one daemon: indexing of a directory that was taken
// over, purge of forgotten uploads, retention, garbage collection, scrub, uses
// of manifests, retention of the outbox, documents that lag behind their
// packages, what nginx must drop because of other processes, deleted manifests
// that are to be brought back, keys whose time is over, looking at the policy,
// keys of issuers. Each has its own thread; all end with this object.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace longshore {

class Auth;
class ClockWatch;
class Collector;
class Drops;
class ExternalTokens;
class Indexes;
class Outbox;
class Periodic;
class RetentionJob;
class ScrubJob;
class Signer;
class Takeover;
class Undeletes;
class Uploads;
class Uses;

/// What removes things for their age: the first two in this order and one at a
/// time; the clock is that of uploads.
struct Removers {
    RetentionJob& retention;
    Collector& collector;
    ClockWatch& upload_clock;
};

struct JobSettings {
    std::int64_t upload_max_age_s = 168 * 3600;
    std::int64_t event_max_age_s = 7 * 24 * 3600;
    std::int64_t event_max_count = 1'000'000;
};

class Jobs {
public:
    Jobs(Takeover& takeover, Uploads& uploads, Outbox& outbox, Indexes& indexes,
         Signer& signer, Auth& auth, Drops& drops, Uses& uses,
         const Removers& removers, Undeletes& undeletes, ScrubJob& scrub,
         const JobSettings& settings);
    ~Jobs();

private:
    std::atomic<bool> stopping_ = false;
    std::unique_ptr<Periodic> indexer_;
    std::unique_ptr<Periodic> upload_purge_;
    std::unique_ptr<Periodic> event_sweep_;
    std::unique_ptr<Periodic> document_sweep_;
    std::unique_ptr<Periodic> drop_look_;
    std::unique_ptr<Periodic> key_sweep_;
    std::unique_ptr<Periodic> use_flush_;
    std::unique_ptr<Periodic> removal_;
    std::unique_ptr<Periodic> undelete_look_;
    std::unique_ptr<Periodic> scrub_;
    std::unique_ptr<Periodic> policy_look_;
    std::unique_ptr<Periodic> issuer_keys_;
    ExternalTokens* external_ = nullptr;
};

}  // namespace longshore
