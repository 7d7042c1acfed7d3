#include "auth/password_gate.hpp"

#include "auth/password.hpp"
#include "auth/secret.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxKnown = 4096;
constexpr std::int64_t kKnownMs = 5 * 60'000;
constexpr std::chrono::seconds kLongestWait{5};

// Not 503: a flood is no failure of ours, and each of those is logged.
Error busy() {
    return {Code::rate_limited, "too many logins at once, retry later",
            "TOOMANYREQUESTS", "1"};
}

}  // namespace

PasswordGate::PasswordGate(std::size_t at_once, std::size_t waiting)
    : at_once_(at_once), may_wait_(waiting) {
    auto key = random_key();
    if (key) {
        key_ = std::move(*key);
    }
    // Made now, so that the first login does not take longer than others.
    static_cast<void>(no_password_hash());
}

void PasswordGate::add_decoy(std::string hash) {
    std::lock_guard guard(mutex_);
    decoy_ = std::move(hash);
}

std::string PasswordGate::alias(std::string_view user) const {
    // No name of a principal begins so.
    return "?" + secret_hash(keyed_hash(key_, user, "alias"));
}

// The same for a name each time.
std::string PasswordGate::decoy_for(std::string_view user) const {
    std::lock_guard guard(mutex_);
    bool other = !decoy_.empty() && (keyed_hash(key_, user, "")[0] & 1) != 0;
    return other ? decoy_ : no_password_hash();
}

bool PasswordGate::is_known(const std::string& key, const std::string& hash,
                            std::int64_t now_ms) {
    auto found = known_.find(key);
    return found != known_.end() && found->second.until_ms > now_ms &&
           equal_secrets(found->second.hash, hash);
}

void PasswordGate::remember(const std::string& key, const std::string& hash,
                            std::int64_t now_ms) {
    if (known_.size() >= kMaxKnown) {
        std::erase_if(known_, [&](const auto& entry) {
            return entry.second.until_ms <= now_ms;
        });
    }
    if (known_.size() >= kMaxKnown) {
        known_.clear();
    }
    known_[key] = {hash, now_ms + kKnownMs};
}

Result<bool> PasswordGate::verify(std::string_view user,
                                  std::string_view password,
                                  const std::string& hash,
                                  std::int64_t now_ms) {
    if (key_.empty()) {
        return Error{Code::internal, "no random numbers to be had"};
    }
    bool nobody = hash.empty();
    auto against = nobody ? decoy_for(user) : hash;
    auto key = keyed_hash(key_, user, password);
    std::unique_lock guard(mutex_);
    auto may_run = [&] {
        return running_ < at_once_ && !verifying_.contains(key);
    };
    if (!nobody && is_known(key, hash, now_ms)) {
        return true;
    }
    if (!may_run()) {
        if (waiting_ >= may_wait_) {
            return busy();
        }
        ++waiting_;
        bool ran = free_.wait_for(guard, kLongestWait, may_run);
        --waiting_;
        if (!ran) {
            return busy();
        }
        // Somebody with the same password may have been before us.
        if (!nobody && is_known(key, hash, now_ms)) {
            return true;
        }
    }
    ++running_;
    verifying_.insert(key);
    guard.unlock();
    bool right = verify_password(against, password);
    guard.lock();
    --running_;
    verifying_.erase(key);
    right = right && !nobody;
    if (right) {
        remember(key, hash, now_ms);
    }
    guard.unlock();
    free_.notify_all();
    return right;
}

std::size_t PasswordGate::remembered() const {
    std::lock_guard guard(mutex_);
    return known_.size();
}

}  // namespace longshore
