// KeyRing: the keys that sign access tokens. Secret ones lie in
// <root>/keys/token/<kid>.key (0600: made at, seed), the public ones in
// <root>/keys/token.pub, which nginx reads. A new key is made known before it
// signs, an old one stays known until its last token has ended, so changing
// keys breaks nothing. When the clock was set back, all of them go: nginx tells
// by the clock whether a token is from before a revocation, and such a token
// may say a time that is still to come (docs/decisions/0008). Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/clock_mark.hpp"
#include "common/result.hpp"
#include "common/token.hpp"

namespace longshore {

/// Seconds that an access token is good for.
inline constexpr std::int64_t kAccessTokenSeconds = 300;

struct KeyRingSettings {
    std::string root;
    std::string service;  // issuer and audience
    std::int64_t max_age_s = 30 * 86'400;
    std::function<ClockMark()> clock = read_clock;
};

class KeyRing {
public:
    /// Reads the keys, makes the first one, publishes.
    /// @errors unavailable, internal, corrupt (a key file that is none)
    static Result<std::unique_ptr<KeyRing>> open(KeyRingSettings settings,
                                                 std::int64_t now_ms);
    ~KeyRing();

    /// Whether the clock was set back; if so, another key is in the place of
    /// all, and their tokens are void. Looks at the clock alone unless it was
    /// set. @errors unavailable, internal
    Result<bool> look_at_clock(std::int64_t now_ms);

    /// Makes, publishes and forgets keys as their age says; now and then.
    /// @errors unavailable, internal
    Result<void> rotate(std::int64_t now_ms);

    /// Issuer, audience and times are filled in: from now for `seconds`.
    /// @errors invalid_argument, too_large, internal: as sign_token()
    Result<std::string> sign(TokenClaims claims, std::int64_t now_ms,
                             std::int64_t seconds) const;

    TokenVerdict verify(std::string_view token, std::int64_t now_ms,
                        std::span<char, kMaxTokenPayload> scratch,
                        TokenView& out) const;

    const std::string& service() const noexcept { return settings_.service; }
    /// Ids of the keys that are known, the oldest first; for tests and logs.
    std::vector<std::string> ids() const;

private:
    struct Key;
    struct Keys;
    explicit KeyRing(KeyRingSettings settings);
    Result<void> load();
    Result<void> publish(const Keys& keys);
    Result<std::shared_ptr<Key>> make(std::int64_t now_ms);
    std::shared_ptr<const Keys> current() const;
    Result<void> put(std::shared_ptr<Keys> next,
                     const std::vector<std::string>& gone);
    std::string mark_path() const;

    KeyRingSettings settings_;
    mutable std::mutex mutex_;  // of keys_
    std::shared_ptr<const Keys> keys_;
    std::mutex rotating_;
    std::optional<ClockMark> mark_;  // since when keys are good; rotating_
};

}  // namespace longshore
