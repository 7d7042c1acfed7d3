// PasswordGate: verifies passwords a few at a time, so that a flood of logins
// takes neither all threads nor much memory, and remembers for some minutes
// what it found right. A remembered password is only good for the stored hash
// that it was found right for. Thread-safe; blocks while it verifies.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "common/result.hpp"

namespace longshore {

class PasswordGate {
public:
    /// `at_once`: verifications that run; `waiting`: callers that may wait for
    /// one of them to end.
    PasswordGate(std::size_t at_once, std::size_t waiting);

    /// Whether the password is that of the hash; "" is the hash of nobody and
    /// takes as long as any.
    /// @errors rate_limited (too many at once; `detail` is the seconds to
    ///         wait), internal (no entropy)
    Result<bool> verify(std::string_view user, std::string_view password,
                        const std::string& hash, std::int64_t now_ms);

    /// What stands for a name that nobody has, in this process.
    std::string alias(std::string_view user) const;

    /// A hash of the kind that others have, to be verified for names that
    /// there are not, each name with one of them.
    void add_decoy(std::string hash);

    std::size_t remembered() const;

private:
    struct Known {
        std::string hash;
        std::int64_t until_ms;
    };
    bool is_known(const std::string& key, const std::string& hash,
                  std::int64_t now_ms);
    void remember(const std::string& key, const std::string& hash,
                  std::int64_t now_ms);
    std::string decoy_for(std::string_view user) const;

    const std::size_t at_once_;
    const std::size_t may_wait_;
    std::string key_;  // of this process; "": there is no entropy
    mutable std::mutex mutex_;
    std::condition_variable free_;
    std::size_t running_ = 0;
    std::size_t waiting_ = 0;
    std::unordered_set<std::string> verifying_;
    std::unordered_map<std::string, Known> known_;
    std::string decoy_;
};

}  // namespace longshore
