#include "auth/guards.hpp"

#include <string>

#include "auth/address.hpp"
#include "auth/authenticator.hpp"

namespace longshore {
namespace {

// Of this machine: a proxy that does not say for whom it asks, and whose
// clients must not be held to account for each other.
bool is_local(std::string_view peer) noexcept {
    return peer.empty() || peer.starts_with("127.") || peer == "::1" ||
           peer.starts_with("unix:");
}

Error too_many(std::string_view what, std::int64_t seconds) {
    return {
        Code::rate_limited,
        std::string(what) + "; try again in " + std::to_string(seconds) + " s",
        "TOOMANYREQUESTS", std::to_string(seconds)};
}

}  // namespace

Guards::Guards(const GuardSettings& settings)
    : requests_of_address_(settings.requests_per_address,
                           settings.requests_per_address),
      requests_of_principal_(settings.requests_per_principal,
                             settings.requests_per_principal),
      failed_logins_(settings.failed_logins_per_address,
                     settings.failed_logins_per_address) {}

Result<void> Guards::admit(const Question& question, std::int64_t now_ms) {
    if (question.type == QuestionType::received || is_local(question.peer) ||
        !requests_of_address_.enabled()) {
        return {};
    }
    auto wait = requests_of_address_.take(network_of(question.peer), now_ms);
    if (wait == 0) {
        return {};
    }
    counts_.rate_limited(false);
    return too_many("too many requests from this address", wait);
}

Result<void> Guards::admit(const Caller& caller, const Question& question,
                           std::int64_t now_ms) {
    if (question.type == QuestionType::received || caller.id == kAnonymous ||
        !requests_of_principal_.enabled()) {
        return {};
    }
    auto wait = requests_of_principal_.take(
        std::to_string(caller.id) + " " + caller.name, now_ms);
    if (wait == 0) {
        return {};
    }
    counts_.rate_limited(true);
    return too_many("too many requests of this account", wait);
}

Result<void> Guards::admit_login(std::string_view peer, std::int64_t now_ms) {
    if (is_local(peer) || !failed_logins_.enabled()) {
        return {};
    }
    auto wait = failed_logins_.wait(network_of(peer), now_ms);
    if (wait == 0) {
        return {};
    }
    return too_many("too many wrong passwords from this address", wait);
}

void Guards::login_failed(std::string_view peer, std::int64_t now_ms) {
    if (!is_local(peer)) {
        static_cast<void>(failed_logins_.take(network_of(peer), now_ms));
    }
}

}  // namespace longshore
