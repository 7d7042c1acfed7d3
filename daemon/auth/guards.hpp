// Guards: what stands before and beside the check of credentials: limits of
// the rate of requests and of failed logins, counters, and the queue of the
// audit log. One for a daemon; thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "auth/audit_queue.hpp"
#include "auth/login_counts.hpp"
#include "auth/rate_limit.hpp"
#include "common/protocol.hpp"
#include "common/result.hpp"

namespace longshore {

struct Caller;

/// Events a minute, as many at once; 0: no limit.
struct GuardSettings {
    std::uint64_t requests_per_address = 0;
    std::uint64_t requests_per_principal = 0;
    std::uint64_t failed_logins_per_address = 0;
};

class Guards {
public:
    explicit Guards(const GuardSettings& settings);

    /// Whether the address may ask once more. The second half of a question,
    /// with the body that was waited for, is not counted again.
    /// @errors rate_limited (`detail`: seconds to wait)
    Result<void> admit(const Question& question, std::int64_t now_ms);

    /// The same for who turned out to ask; nobody is limited by name.
    /// @errors rate_limited
    Result<void> admit(const Caller& caller, const Question& question,
                       std::int64_t now_ms);

    /// Before a password is tried. @errors rate_limited
    Result<void> admit_login(std::string_view peer, std::int64_t now_ms);
    /// After a wrong one.
    void login_failed(std::string_view peer, std::int64_t now_ms);

    LoginCounts& counts() noexcept { return counts_; }
    AuditQueue& audit() noexcept { return audit_; }

private:
    RateLimit requests_of_address_;
    RateLimit requests_of_principal_;
    RateLimit failed_logins_;
    LoginCounts counts_;
    AuditQueue audit_;
};

}  // namespace longshore
