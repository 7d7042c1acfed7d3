// ExternalTokens: from a token that a configured issuer signed to what its
// rules give. Issuers, keys and rules are read from the database each time, so
// what was removed a moment ago is void now. Nothing is fetched here: a key
// that is not known is asked for at the job that fetches (jobs/issuer_keys),
// at most once in kKeysPauseMs for an issuer, and a few callers may wait a
// moment for it. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "auth/policy.hpp"
#include "common/result.hpp"

namespace longshore {

class Database;
class KeySet;
struct Jwt;
struct TokenReport;

/// Between two attempts to fetch an issuer's keys, whoever asks for them.
inline constexpr std::int64_t kKeysPauseMs = 30'000;
/// Keys are fetched again when they are so old, and after a failure.
inline constexpr std::int64_t kKeysAgeMs = 600'000;
inline constexpr std::int64_t kKeysRetryMs = 60'000;
/// A request waits no longer for keys that are being fetched.
inline constexpr std::int64_t kKeysWaitMs = 4000;
/// Patterns that the rules may give to one token; more are passed over.
inline constexpr std::size_t kMaxGiven = 32;

/// Who shows a token of an issuer, and what its rules gave.
struct ExternalIdentity {
    std::int64_t issuer_id = 0;
    std::int64_t generation = 0;  // of the issuer
    std::string issuer;           // its name
    std::string name;             // "issuer:sub", printable, bounded; for logs
    std::int64_t service_rule = 0;  // by which it acts as `service`; or 0
    PrincipalId service = 0;
    struct Given {
        std::int64_t rule = 0;  // its number
        Rule what;
    };
    std::vector<Given> gives;
    std::int64_t ends_at_ms = 0;

    /// The rule that gives it; null for none.
    const Rule* find(std::string_view repository, Action action) const noexcept;
};

/// An issuer whose keys are to be fetched now.
struct KeysWanted {
    std::int64_t issuer_id = 0;
    std::int64_t generation = 0;  // of the issuer
    std::string name;
    std::string url;
    std::string keys_url;  // "": said by the URL's discovery document
    std::string ca_file;
    bool private_network = false;
};

class ExternalTokens {
public:
    /// `may_wait`: requests that may wait for keys at once.
    ExternalTokens(Database& database, std::size_t may_wait)
        : database_(database), may_wait_(may_wait) {}

    /// @errors unauthenticated (UNAUTHORIZED; says why), unavailable (no keys
    ///         yet, or they are being fetched), corrupt
    Result<ExternalIdentity> verify(std::string_view token);

    /// Step by step, for an operator. Never waits.
    /// @errors unavailable, corrupt
    Result<TokenReport> report(std::string_view token);

    /// What a token of ours that was had by such a token says, as far as its
    /// issuer and rules still are there.
    /// @errors unauthenticated (nothing is left of it), unavailable, corrupt
    Result<ExternalIdentity> still_good(ExternalIdentity said,
                                        std::int64_t issued_s);

    // The job's side.

    /// Called, by any thread, when keys are wanted at once. Before the first
    /// request.
    void on_want(std::function<void()> wake);
    /// To be fetched now. @errors unavailable, corrupt
    Result<std::vector<KeysWanted>> due(std::int64_t now_ms);
    /// What became of it: the text of the keys, or why not. True if that is
    /// news. Keys of an issuer that was changed meanwhile are none.
    /// @errors unavailable, corrupt
    Result<bool> fetched(const KeysWanted& wanted, Result<std::string> keys,
                         std::int64_t now_ms);

private:
    struct Found;
    enum class Wait : std::uint8_t { refreshed, too_soon, busy };

    Result<Found> find(std::string_view issuer_url);
    Result<std::shared_ptr<const KeySet>> keys_of(std::int64_t issuer_id,
                                                  std::int64_t version);
    Result<void> check_signature(const Jwt& jwt, Found& found, bool wait);
    Wait wait_for_keys(std::int64_t issuer_id, std::int64_t tried_at_ms);

    struct Known {
        std::int64_t version = 0;
        std::shared_ptr<const KeySet> set;
    };
    struct Flight {
        bool wanted = false;
        bool running = false;
        std::uint64_t landed = 0;
    };

    Database& database_;
    const std::size_t may_wait_;
    std::mutex mutex_;
    std::condition_variable landed_;
    std::map<std::int64_t, Known> known_;
    std::map<std::int64_t, Flight> flights_;
    std::size_t waiting_ = 0;
    std::function<void()> wake_;
};

/// The document of OpenID Connect Discovery 1.0 section 4: where the keys are.
/// @errors invalid_argument (no such document, or of another issuer)
Result<std::string> read_discovery(std::string_view text,
                                   std::string_view issuer_url);
/// Where that document is.
std::string discovery_url(std::string_view issuer_url);

}  // namespace longshore
