#include "auth/key_ring.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include <dirent.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include "auth/secret.hpp"
#include "common/encoding.hpp"
#include "common/file.hpp"
#include "common/probe.hpp"
#include "common/range.hpp"

namespace longshore {
namespace {

constexpr std::size_t kKeyId = 12;
constexpr std::string_view kSuffix = ".key";
// nginx looks at the public keys once a second.
constexpr std::int64_t kKnownBeforeMs = 5'000;
// After the last token of a key has ended; clocks may differ.
constexpr std::int64_t kSpareMs = 120'000;
constexpr std::int64_t kLeewaySeconds = 5;

std::string encode_bytes(const Ed25519Bytes& bytes) {
    return base64url_encode(
        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

struct KeyFile {
    std::int64_t made_ms = 0;
    SigningKey key;
};

// "<made, ms> <base64url of the seed>\n"
Result<KeyFile> parse_key(std::string_view text, const std::string& path) {
    auto broken = Error{Code::corrupt, path + " is no key file"};
    if (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    auto space = text.find(' ');
    if (space == std::string_view::npos) {
        return broken;
    }
    auto made = parse_decimal(text.substr(0, space));
    auto encoded = text.substr(space + 1);
    Ed25519Bytes seed{};
    if (!made || *made > INT64_MAX / 2 ||
        encoded.size() != base64url_length(seed.size())) {
        return broken;
    }
    std::array<char, 64> decoded{};
    auto size = base64url_decode(encoded, decoded.data());
    if (!size || *size != seed.size()) {
        return broken;
    }
    std::copy_n(decoded.begin(), seed.size(), seed.begin());
    auto key = SigningKey::from_seed(seed);
    OPENSSL_cleanse(decoded.data(), decoded.size());
    OPENSSL_cleanse(seed.data(), seed.size());
    if (!key) {
        return std::move(key).error();
    }
    return KeyFile{static_cast<std::int64_t>(*made), std::move(*key)};
}

}  // namespace

struct KeyRing::Key {
    std::string id;
    std::int64_t made_ms;
    SigningKey key;
};

// The oldest first. Never changes once it is to be seen.
struct KeyRing::Keys {
    std::vector<std::shared_ptr<const Key>> all;
    TokenKeys verifying;
};

KeyRing::KeyRing(KeyRingSettings settings) : settings_(std::move(settings)) {}
KeyRing::~KeyRing() = default;

Result<std::unique_ptr<KeyRing>> KeyRing::open(KeyRingSettings settings,
                                               std::int64_t now_ms) {
    std::unique_ptr<KeyRing> ring(new KeyRing(std::move(settings)));
    LS_CHECK(make_folder(ring->settings_.root + "/keys", 0755));
    LS_CHECK(make_folder(ring->settings_.root + "/keys/token", 0700));
    LS_CHECK(ring->load());
    LS_TRY(other, ring->look_at_clock(now_ms));
    static_cast<void>(other);
    LS_CHECK(ring->rotate(now_ms));
    // Also when nothing is new: the file may be gone or of another life.
    LS_CHECK(ring->publish(*ring->current()));
    return ring;
}

Result<void> KeyRing::load() {
    auto folder = settings_.root + "/keys/token";
    DIR* listing = ::opendir(folder.c_str());
    if (listing == nullptr) {
        return errno_error("read " + folder, errno);
    }
    std::vector<std::string> ids;
    while (const auto* entry = ::readdir(listing)) {
        std::string_view name(entry->d_name);
        if (name.ends_with(kSuffix)) {
            name.remove_suffix(kSuffix.size());
            if (is_key_id(name)) {
                ids.emplace_back(name);
            }
        }
    }
    ::closedir(listing);
    auto keys = std::make_shared<Keys>();
    for (const auto& id : ids) {
        auto path = folder + "/";
        path += id;
        path += kSuffix;
        LS_TRY(text, read_file(path));
        auto parsed = parse_key(text, path);
        OPENSSL_cleanse(text.data(), text.size());
        if (!parsed) {
            return std::move(parsed).error();
        }
        keys->all.push_back(std::make_shared<const Key>(
            Key{id, parsed->made_ms, std::move(parsed->key)}));
    }
    std::sort(
        keys->all.begin(), keys->all.end(), [](const auto& a, const auto& b) {
            return std::pair(a->made_ms, a->id) < std::pair(b->made_ms, b->id);
        });
    // More than a token's reader takes: the newest count.
    if (keys->all.size() > kMaxTokenKeys) {
        keys->all.erase(keys->all.begin(), keys->all.end() - kMaxTokenKeys);
    }
    for (const auto& key : keys->all) {
        LS_CHECK(keys->verifying.add(key->id, key->key.public_key()));
    }
    std::lock_guard guard(mutex_);
    keys_ = std::move(keys);
    return {};
}

Result<std::shared_ptr<KeyRing::Key>> KeyRing::make(std::int64_t now_ms) {
    auto folder = settings_.root + "/keys/token";
    LS_TRY(id, random_text(kKeyId));
    LS_TRY(key, SigningKey::generate());
    LS_TRY(seed, key.seed());
    auto text = std::to_string(now_ms) + " " + encode_bytes(seed) + "\n";
    auto path = folder + "/" + id + std::string(kSuffix);
    auto written = write_file(folder, path, text, 0600);
    OPENSSL_cleanse(seed.data(), seed.size());
    OPENSSL_cleanse(text.data(), text.size());
    if (!written) {
        return std::move(written).error();
    }
    return std::make_shared<Key>(Key{std::move(id), now_ms, std::move(key)});
}

Result<void> KeyRing::publish(const Keys& keys) {
    std::string text;
    for (const auto& key : keys.all) {
        text += key->id + " " + encode_bytes(key->key.public_key()) + "\n";
    }
    auto folder = settings_.root + "/keys";
    return write_file(folder, folder + "/token.pub", text, 0644);
}

Result<void> KeyRing::rotate(std::int64_t now_ms) {
    std::lock_guard guard(rotating_);
    auto old = current();
    auto next = std::make_shared<Keys>();
    std::vector<std::string> gone;
    for (std::size_t i = 0; i < old->all.size(); ++i) {
        // The next key has signed everything since a moment after its making.
        bool ended = i + 1 < old->all.size() &&
                     old->all[i + 1]->made_ms + kKnownBeforeMs +
                             kAccessTokenSeconds * 1000 + kSpareMs <
                         now_ms;
        if (ended) {
            gone.push_back(old->all[i]->id);
        } else {
            next->all.push_back(old->all[i]);
        }
    }
    bool due = next->all.empty() ||
               next->all.back()->made_ms + settings_.max_age_s * 1000 <= now_ms;
    if (!due && gone.empty()) {
        return {};
    }
    if (due) {
        LS_TRY(made, make(now_ms));
        LS_PROBE(token_key, made);
        next->all.push_back(std::move(made));
    }
    return put(std::move(next), gone);
}

// The public keys first, so that nginx knows what is signed with, and no
// longer what is gone.
Result<void> KeyRing::put(std::shared_ptr<Keys> next,
                          const std::vector<std::string>& gone) {
    for (const auto& key : next->all) {
        LS_CHECK(next->verifying.add(key->id, key->key.public_key()));
    }
    LS_CHECK(publish(*next));
    LS_PROBE(token_key, published);
    {
        std::lock_guard swap(mutex_);
        keys_ = std::move(next);
    }
    for (const auto& id : gone) {
        auto path = settings_.root + "/keys/token/" + id + std::string(kSuffix);
        ::unlink(path.c_str());
    }
    return {};
}

std::string KeyRing::mark_path() const {
    return settings_.root + "/keys/token/clock";
}

Result<bool> KeyRing::look_at_clock(std::int64_t now_ms) {
    auto now = settings_.clock();
    std::lock_guard guard(rotating_);
    if (!mark_) {
        auto text = read_file(mark_path());
        mark_ = text ? parse_mark(*text) : std::nullopt;
    }
    if (mark_ && !was_set(*mark_, now)) {
        return false;
    }
    auto old = current();
    // Without a mark they may be of any time.
    bool over = !old->all.empty() && (!mark_ || was_set_back(*mark_, now));
    if (over) {
        auto next = std::make_shared<Keys>();
        LS_TRY(made, make(now_ms));
        next->all.push_back(std::move(made));
        std::vector<std::string> gone;
        for (const auto& key : old->all) {
            gone.push_back(key->id);
        }
        LS_CHECK(put(std::move(next), gone));
    }
    // Last: who is stopped before it does it again.
    LS_CHECK(write_file(settings_.root + "/keys/token", mark_path(),
                        write_mark(now), 0600));
    mark_ = std::move(now);
    return over;
}

std::shared_ptr<const KeyRing::Keys> KeyRing::current() const {
    std::lock_guard guard(mutex_);
    return keys_;
}

Result<std::string> KeyRing::sign(TokenClaims claims, std::int64_t now_ms,
                                  std::int64_t seconds) const {
    auto keys = current();
    const auto* key = &keys->all.front();
    for (const auto& candidate : keys->all) {
        if (candidate->made_ms + kKnownBeforeMs <= now_ms) {
            key = &candidate;
        }
    }
    claims.issuer = settings_.service;
    claims.audience = settings_.service;
    claims.issued = claims.not_before = now_ms / 1000;
    claims.expires = claims.issued + seconds;
    return sign_token((*key)->key, (*key)->id, claims);
}

TokenVerdict KeyRing::verify(std::string_view token, std::int64_t now_ms,
                             std::span<char, kMaxTokenPayload> scratch,
                             TokenView& out) const {
    TokenExpected expected;
    expected.issuer = settings_.service;
    expected.audience = settings_.service;
    expected.now = now_ms / 1000;
    expected.leeway = kLeewaySeconds;
    return current()->verifying.verify(token, expected, scratch, out);
}

std::vector<std::string> KeyRing::ids() const {
    std::vector<std::string> ids;
    for (const auto& key : current()->all) {
        ids.push_back(key->id);
    }
    return ids;
}

}  // namespace longshore
