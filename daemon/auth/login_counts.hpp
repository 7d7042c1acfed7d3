// LoginCounts: what became of credentials, for the metrics. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "auth/credential.hpp"

namespace longshore {

enum class LoginOutcome : std::uint8_t {
    accepted,
    refused,  // wrong, unknown, expired, revoked
    locked,   // too many wrong passwords for the name
    limited,  // too many wrong ones from the address
    busy,     // too many at once
};

class LoginCounts {
public:
    void count(CredentialKind kind, LoginOutcome outcome) noexcept {
        counts_[static_cast<std::size_t>(kind)]
               [static_cast<std::size_t>(outcome)]
                   .fetch_add(1, std::memory_order_relaxed);
    }
    /// A request refused because of its rate.
    void rate_limited(bool by_principal) noexcept {
        rate_limited_[by_principal ? 1 : 0].fetch_add(
            1, std::memory_order_relaxed);
    }
    void token_issued() noexcept {
        issued_.fetch_add(1, std::memory_order_relaxed);
    }
    /// OpenMetrics text without its end.
    std::string open_metrics() const;

private:
    using Counter = std::atomic<std::uint64_t>;
    std::array<std::array<Counter, 5>, 8> counts_{};
    std::array<Counter, 2> rate_limited_{};
    Counter issued_{0};
};

}  // namespace longshore
