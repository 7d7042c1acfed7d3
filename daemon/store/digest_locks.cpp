#include "store/digest_locks.hpp"

#include <utility>

namespace longshore {
namespace {

std::size_t nibble(char c) noexcept {
    return static_cast<std::size_t>(c <= '9' ? c - '0' : c - 'a' + 10) & 0xf;
}

}  // namespace

std::size_t DigestLocks::stripe_of(const Digest& digest) noexcept {
    auto encoded = digest.encoded();
    return encoded.size() < 2 ? 0
                              : nibble(encoded[0]) * 16 + nibble(encoded[1]);
}

DigestLocks::Held::Held(Held&& other) noexcept
    : locks_(std::exchange(other.locks_, nullptr)),
      stripe_(other.stripe_),
      alone_(other.alone_) {}

DigestLocks::Held& DigestLocks::Held::operator=(Held&& other) noexcept {
    if (this != &other) {
        release();
        locks_ = std::exchange(other.locks_, nullptr);
        stripe_ = other.stripe_;
        alone_ = other.alone_;
    }
    return *this;
}

DigestLocks::Held::~Held() {
    release();
}

void DigestLocks::Held::release() noexcept {
    auto* locks = std::exchange(locks_, nullptr);
    if (locks == nullptr) {
        return;
    }
    auto& stripe = locks->stripes_[stripe_];
    {
        std::lock_guard guard(stripe.mutex);
        if (alone_) {
            stripe.alone = false;
        } else {
            --stripe.sharers;
        }
    }
    stripe.changed.notify_all();
}

DigestLocks::Held DigestLocks::share(const Digest& digest) {
    auto index = stripe_of(digest);
    auto& stripe = stripes_[index];
    std::unique_lock guard(stripe.mutex);
    stripe.changed.wait(guard, [&] { return !stripe.alone; });
    ++stripe.sharers;
    return {*this, index, false};
}

std::optional<DigestLocks::Held> DigestLocks::try_alone(
    std::size_t index, std::chrono::milliseconds patience) {
    auto& stripe = stripes_[index];
    std::unique_lock guard(stripe.mutex);
    if (!stripe.changed.wait_for(guard, patience, [&] {
            return !stripe.alone && stripe.sharers == 0;
        })) {
        return std::nullopt;
    }
    stripe.alone = true;
    return Held(*this, index, true);
}

}  // namespace longshore
