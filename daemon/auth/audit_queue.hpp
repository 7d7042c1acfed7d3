// AuditQueue: rows of the audit log that come in any number from outside
// (refused requests, logins, issued tokens), written in batches. Of one
// address and principal a few a minute are rows, the rest are counted in one
// more, so that nobody fills the disk. Changes and writes do not come this
// way: they are rows of their own transaction. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/result.hpp"
#include "model/actor.hpp"

namespace longshore {

class Database;

struct AuditNote {
    std::string action;
    bool refused = false;
    int status = 0;
    Actor actor;
    /// Name that a password was tried for. It may be anything, a password
    /// too, so it becomes `target` only if there is such a principal.
    std::string claimed = {};
    std::string repository = {};
    std::string target = {};
    std::string detail = {};
};

class AuditQueue {
public:
    // Rows in one minute: of one address and principal; of all that nobody
    // vouches for; of principals. Then how many addresses are told apart.
    static constexpr std::uint32_t kEach = 20;
    static constexpr std::uint32_t kStrangers = 200;
    static constexpr std::uint32_t kKnown = 3000;
    static constexpr std::size_t kKeys = 128;
    static constexpr std::size_t kWaiting = 4096;
    /// A login is one row in so long, of one credential from one address.
    static constexpr std::int64_t kLoginMs = 5 * 60'000;

    /// Never fails: what there is no room for is counted.
    void add(AuditNote note, std::int64_t now_ms);

    /// The first use of a credential from an address in a while.
    void add_login(const Actor& actor, std::int64_t now_ms);

    /// Writes what waits. What cannot be written now waits on.
    /// @errors unavailable
    Result<void> flush(Database& database, std::int64_t now_ms);

private:
    struct Waiting {
        AuditNote note;
        std::int64_t at_ms;
        std::int64_t count = 1;
        bool suppressed = false;
    };
    struct Counted {
        std::uint32_t rows = 0;
        std::int64_t suppressed = 0;
        Actor actor;
    };
    void start_minute(std::int64_t now_ms);
    Counted& counted(const AuditNote& note);

    std::mutex mutex_;
    std::mutex flushing_;  // one flush at a time keeps the order
    std::vector<Waiting> waiting_;
    std::int64_t minute_ = 0;
    std::uint32_t strangers_ = 0;
    std::uint32_t known_ = 0;
    std::unordered_map<std::string, Counted> counted_;
    Counted others_;
    std::unordered_map<std::string, std::int64_t> logins_;
};

}  // namespace longshore
