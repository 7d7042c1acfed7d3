// PolicyWatch: the policy as the database has it now. Whoever asks gets the
// version that is committed at that moment, not what a timer has seen; a
// thread that looks every kPolicyLookMs makes sure that nginx is told also
// when nobody asks. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "auth/policy.hpp"
#include "common/result.hpp"

namespace longshore {

class Database;

inline constexpr std::chrono::milliseconds kPolicyLookMs{250};

class PolicyWatch {
public:
    /// Told which keys are void, after the new policy is in force.
    using OnChange = std::function<void(std::span<const std::string>)>;

    PolicyWatch(Database& database, OnChange on_change)
        : database_(database), on_change_(std::move(on_change)) {}

    /// Never null. @errors unavailable, corrupt
    Result<std::shared_ptr<const Policy>> current();

private:
    Result<std::shared_ptr<const Policy>> refresh();
    std::shared_ptr<const Policy> kept();

    Database& database_;
    OnChange on_change_;
    std::mutex mutex_;  // of policy_
    std::shared_ptr<const Policy> policy_;
    std::mutex refreshing_;
};

}  // namespace longshore
