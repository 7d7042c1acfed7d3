// KeyRing: the keys that sign access tokens. Secret ones lie in
// <root>/keys/token/<kid>.key (0600: made at, seed), the public ones in
// <root>/keys/token.pub, which nginx reads. A new key is made known before it
// signs, an old one stays known until its last token has ended, so changing
// keys breaks nothing. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "common/token.hpp"

namespace longshore {

/// Seconds that an access token is good for.
inline constexpr std::int64_t kAccessTokenSeconds = 300;

struct KeyRingSettings {
    std::string root;
    std::string service;  // issuer and audience
    std::int64_t max_age_s = 30 * 86'400;
};

class KeyRing {
public:
    /// Reads the keys, makes the first one, publishes.
    /// @errors unavailable, internal, corrupt (a key file that is none)
    static Result<std::unique_ptr<KeyRing>> open(KeyRingSettings settings,
                                                 std::int64_t now_ms);
    ~KeyRing();

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

    KeyRingSettings settings_;
    mutable std::mutex mutex_;  // of keys_
    std::shared_ptr<const Keys> keys_;
    std::mutex rotating_;
};

}  // namespace longshore
