#include "auth/auth.hpp"

#include <algorithm>
#include <utility>

#include "common/clock.hpp"
#include "db/database.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kHtpasswdEveryMs = 250;
constexpr std::int64_t kTidyEveryMs = 10'000;
constexpr std::int64_t kRotateEveryMs = 60'000;

// True when it is time, which begins a new pause.
bool is_due(std::int64_t& at_ms, std::int64_t now_ms, std::int64_t every_ms) {
    // A clock that was set back must not stop everything.
    if (now_ms >= at_ms || at_ms - now_ms > every_ms) {
        at_ms = now_ms + every_ms;
        return true;
    }
    return false;
}

}  // namespace

Result<std::unique_ptr<Auth>> Auth::open(Database& database,
                                         const AuthSettings& settings,
                                         PolicyWatch::OnChange on_change,
                                         Guards* guards) {
    std::unique_ptr<Auth> auth(new Auth(database));
    auth->guards_ = guards;
    auth->authorizer_ = Authorizer(guards);
    if (settings.enabled) {
        LS_CHECK(auth->start(settings, std::move(on_change)));
    }
    return auth;
}

Result<void> Auth::start(const AuthSettings& settings,
                         PolicyWatch::OnChange on_change) {
    KeyRingSettings key_settings{settings.root, settings.service,
                                 settings.key_age_s};
    LS_TRY(keys, KeyRing::open(std::move(key_settings), unix_ms()));
    keys_ = std::move(keys);
    // A flood of logins is to leave threads for everything else.
    gate_ = std::make_unique<PasswordGate>(
        std::max<std::size_t>(1, settings.threads / 4),
        std::max<std::size_t>(1, settings.threads / 2) - 1);
    policy_ = std::make_unique<PolicyWatch>(database_, std::move(on_change));
    // Whoever waits for an issuer's keys takes a thread too.
    external_ = std::make_unique<ExternalTokens>(
        database_, std::max<std::size_t>(1, settings.threads / 4));
    authenticator_ = std::make_unique<Authenticator>(Authenticator::Parts{
        database_, *policy_, *keys_, *gate_, *external_, guards_});
    tokens_ = std::make_unique<TokenService>(*authenticator_, *keys_, guards_);
    first_run_ = std::make_unique<FirstRun>(database_, settings.root);
    setup_ = std::make_unique<SetupPage>(*first_run_, settings.public_url);
    authorizer_ = Authorizer(
        *authenticator_,
        AuthorizerSettings{settings.service, settings.public_url}, guards_);
    if (settings.htpasswd.empty()) {
        // What a file said that is no longer named is void.
        HtpasswdFile none;
        LS_TRY(changed, sync_htpasswd(database_, none));
        static_cast<void>(changed);
    } else {
        htpasswd_ = std::make_unique<HtpasswdWatch>(settings.htpasswd);
    }
    std::vector<std::string> notes;
    LS_CHECK(look_at_htpasswd(notes));
    LS_TRY(policy, policy_->current());
    static_cast<void>(policy);
    return {};
}

Result<void> Auth::look_at_htpasswd(std::vector<std::string>& notes) {
    if (!htpasswd_) {
        return {};
    }
    HtpasswdFile file;
    LS_TRY(changed, htpasswd_->changed(file));
    if (!changed) {
        return {};
    }
    LS_TRY(written, sync_htpasswd(database_, file));
    if (!file.hashes.empty()) {
        gate_->add_decoy(file.hashes.begin()->second);
    }
    for (const auto& refused : file.refused) {
        notes.push_back("htpasswd: " + refused);
    }
    if (written) {
        notes.emplace_back("htpasswd: read anew");
    }
    return {};
}

Result<std::string> Auth::warning() const {
    if (!enabled()) {
        return std::string(
            "auth is off: whoever reaches nginx may pull, push and delete");
    }
    LS_TRY(administrator, FirstRun(database_, "").administrator());
    return std::string(
        administrator.empty()
            ? "there is no administrator yet, so nobody can push; one is made "
              "by: registryctl setup NAME, or registryctl setup --link"
            : "");
}

Result<void> Auth::step(std::int64_t now_ms, std::vector<std::string>& notes) {
    if (!enabled()) {
        return {};
    }
    if (is_due(htpasswd_at_ms_, now_ms, kHtpasswdEveryMs)) {
        // A file that is being replaced may be away for a moment.
        if (auto looked = look_at_htpasswd(notes); !looked) {
            notes.push_back(looked.error().message);
        }
    }
    LS_TRY(policy, policy_->current());
    static_cast<void>(policy);
    LS_TRY(set_back, keys_->look_at_clock(now_ms));
    if (set_back) {
        notes.emplace_back(
            "the clock was set back: access tokens are void, clients ask for "
            "new ones");
    }
    if (is_due(rotate_at_ms_, now_ms, kRotateEveryMs)) {
        LS_CHECK(keys_->rotate(now_ms));
    }
    if (is_due(tidy_at_ms_, now_ms, kTidyEveryMs)) {
        LS_CHECK(authenticator_->tidy(now_ms));
        LS_CHECK(first_run_->tidy());
    }
    return {};
}

}  // namespace longshore
