#include "registry/uses.hpp"

#include <algorithm>
#include <exception>

#include <spdlog/spdlog.h>

#include "common/clock.hpp"
#include "db/database.hpp"
#include "db/retention.hpp"

namespace longshore {
namespace {

// Bytes in a name end no name, so a key is read in one way only.
constexpr char kBetween = '\n';
constexpr std::size_t kMaxNoted = 16'384;
constexpr std::size_t kBatch = 500;
// Rules count in days.
constexpr std::int64_t kCloseEnoughMs = 3600LL * 1000;

std::string key_of(std::string_view name, std::string_view reference) {
    std::string key(name);
    key += kBetween;
    key += reference;
    return key;
}

Result<std::vector<db::Use>> stale_uses(
    Transaction& t,
    const std::unordered_map<std::string, std::int64_t>& noted) {
    std::vector<db::Use> stale;
    for (const auto& [key, at_ms] : noted) {
        auto between = key.find(kBetween);
        LS_TRY(use, db::find_use(t, std::string_view(key).substr(0, between),
                                 std::string_view(key).substr(between + 1)));
        if (use && at_ms - use->pulled_at_ms >= kCloseEnoughMs) {
            use->pulled_at_ms = at_ms;
            stale.push_back(*use);
        }
    }
    return stale;
}

}  // namespace

Result<void> Uses::start() {
    auto now = unix_ms();
    return database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(since, db::uses_since(t));
        return since > 0 ? Result<void>() : db::set_uses_since(t, now);
    });
}

void Uses::note(std::string_view name, std::string_view reference) noexcept {
    try {
        auto key = key_of(name, reference);
        bool full = false;
        {
            std::unique_lock guard(mutex_);
            opened_.wait(guard, [&] { return closed_.count(key) == 0; });
            noted_[std::move(key)] = unix_ms();
            full = noted_.size() >= kMaxNoted;
        }
        if (full) {
            if (auto flushed = flush(); !flushed) {
                spdlog::warn("uses of manifests: {}", flushed.error().message);
            }
        }
    } catch (const std::exception& error) {
        spdlog::error("a use was not noted: {}", error.what());
    }
}

Result<void> Uses::flush() {
    std::lock_guard flushing(flushing_);
    Noted noted;
    {
        std::lock_guard guard(mutex_);
        noted.swap(noted_);
    }
    auto written = write(noted);
    if (!written) {
        put_back(noted);
    }
    return written;
}

Result<void> Uses::write(const Noted& noted) {
    if (noted.empty()) {
        return {};
    }
    std::vector<db::Use> stale;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, stale_uses(t, noted));
        stale = std::move(found);
        return {};
    }));
    for (std::size_t at = 0; at < stale.size(); at += kBatch) {
        auto end = std::min(at + kBatch, stale.size());
        LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
            for (auto i = at; i < end; ++i) {
                LS_CHECK(db::put_pull(t, stale[i]));
            }
            return {};
        }));
    }
    return {};
}

// Not without bound: a database that takes no writes removes nothing either.
void Uses::put_back(const Noted& noted) {
    std::lock_guard guard(mutex_);
    for (const auto& [key, at_ms] : noted) {
        if (noted_.size() >= kMaxNoted / 2) {
            return;
        }
        auto& known = noted_[key];
        known = std::max(known, at_ms);
    }
}

Uses::Closed Uses::close(std::string_view name,
                         const std::vector<std::string>& references,
                         std::set<std::string>& used) {
    std::vector<std::string> keys;
    // What is on its way into the tables is seen there by whoever closes.
    std::lock_guard flushing(flushing_);
    std::lock_guard guard(mutex_);
    for (const auto& reference : references) {
        auto key = key_of(name, reference);
        if (noted_.count(key) > 0) {
            used.insert(reference);
        } else if (closed_.insert(key).second) {
            keys.push_back(std::move(key));
        }
    }
    return {*this, std::move(keys)};
}

Uses::Closed::~Closed() {
    {
        std::lock_guard guard(uses_->mutex_);
        for (const auto& key : keys_) {
            uses_->closed_.erase(key);
        }
    }
    uses_->opened_.notify_all();
}

}  // namespace longshore
