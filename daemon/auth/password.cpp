#include "auth/password.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <argon2.h>
#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "auth/credential.hpp"
#include "auth/secret.hpp"

namespace longshore {
namespace {

// OWASP's smallest set for argon2id; more memory per login would be more that
// a flood of them takes.
constexpr std::uint32_t kMemoryKib = 19'456;
constexpr std::uint32_t kPasses = 2;
constexpr std::uint32_t kLanes = 1;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;

// What a hash from elsewhere may ask for.
constexpr std::uint64_t kMaxMemoryKib = 65'536;
constexpr std::uint64_t kMaxPasses = 8;
constexpr std::uint64_t kMaxLanes = 4;
constexpr std::uint64_t kMaxBcryptCost = 14;
constexpr std::uint64_t kMaxRounds = 1'000'000;
constexpr std::size_t kMaxHash = 256;

std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
    std::uint64_t value = 0;
    std::size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
        value = value * 10 + static_cast<std::uint64_t>(text[digits] - '0');
        if (++digits > 9) {
            return std::nullopt;
        }
    }
    if (digits == 0) {
        return std::nullopt;
    }
    text.remove_prefix(digits);
    return value;
}

bool take(std::string_view& text, std::string_view beginning) noexcept {
    if (!text.starts_with(beginning)) {
        return false;
    }
    text.remove_prefix(beginning.size());
    return true;
}

bool in_range(std::optional<std::uint64_t> value, std::uint64_t min,
              std::uint64_t max) noexcept {
    return value && *value >= min && *value <= max;
}

// $argon2id$v=19$m=19456,t=2,p=1$salt$hash
bool is_argon2(std::string_view hash) noexcept {
    if (!take(hash, "$argon2id$v=19$m=")) {
        return false;
    }
    if (!in_range(take_number(hash), 8, kMaxMemoryKib) || !take(hash, ",t=") ||
        !in_range(take_number(hash), 1, kMaxPasses) || !take(hash, ",p=") ||
        !in_range(take_number(hash), 1, kMaxLanes)) {
        return false;
    }
    return take(hash, "$") && hash.find('$') != std::string_view::npos;
}

// $2y$10$ and 53 characters.
bool is_bcrypt(std::string_view hash) noexcept {
    if (!take(hash, "$2y$") && !take(hash, "$2b$") && !take(hash, "$2a$")) {
        return false;
    }
    return in_range(take_number(hash), 4, kMaxBcryptCost) && take(hash, "$") &&
           hash.size() == 53;
}

// $5$ or $6$, perhaps rounds=n$, salt, $, hash.
bool is_sha_crypt(std::string_view hash) noexcept {
    if (!take(hash, "$5$") && !take(hash, "$6$")) {
        return false;
    }
    if (take(hash, "rounds=") &&
        (!in_range(take_number(hash), 1000, kMaxRounds) || !take(hash, "$"))) {
        return false;
    }
    return hash.find('$') != std::string_view::npos;
}

bool verify_crypt(const std::string& hash, std::string_view password) {
    // crypt_r() wants a C string; a NUL would end the password early.
    if (password.find('\0') != std::string_view::npos) {
        return false;
    }
    auto data = std::make_unique<crypt_data>();
    std::string copy(password);
    const char* made = ::crypt_r(copy.c_str(), hash.c_str(), data.get());
    bool same = made != nullptr && equal_secrets(made, hash);
    OPENSSL_cleanse(copy.data(), copy.size());
    OPENSSL_cleanse(data.get(), sizeof(crypt_data));
    return same;
}

std::string encode(std::string_view password,
                   const std::array<unsigned char, kSaltBytes>& salt,
                   int& code) {
    std::vector<char> text(argon2_encodedlen(
        kPasses, kMemoryKib, kLanes, kSaltBytes, kHashBytes, Argon2_id));
    code = argon2id_hash_encoded(kPasses, kMemoryKib, kLanes, password.data(),
                                 password.size(), salt.data(), salt.size(),
                                 kHashBytes, text.data(), text.size());
    return code == ARGON2_OK ? std::string(text.data()) : std::string();
}

}  // namespace

Result<void> check_password_rules(std::string_view name,
                                  std::string_view password) {
    auto bad = [](std::string what) {
        return Error{Code::invalid_argument, "the password " + std::move(what)};
    };
    if (password.size() < kMinPassword) {
        return bad("is shorter than " + std::to_string(kMinPassword) +
                   " characters");
    }
    if (password.size() > kMaxPassword) {
        return bad("is longer than " + std::to_string(kMaxPassword) + " bytes");
    }
    bool control = std::any_of(password.begin(), password.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (control) {
        return bad("holds a control character");
    }
    if (!name.empty() && password.find(name) != std::string_view::npos &&
        password.size() < name.size() + kMinPassword) {
        return bad("is little more than the name");
    }
    std::string seen(password);
    std::sort(seen.begin(), seen.end());
    auto different = std::unique(seen.begin(), seen.end()) - seen.begin();
    if (different < 5) {
        return bad("has fewer than 5 different characters");
    }
    // It would be taken for one at the login.
    if (token_kind(password) != CredentialKind::malformed ||
        secret_id(SecretKind::refresh_token, password)) {
        return bad("has the form of a token");
    }
    return {};
}

Result<std::string> hash_password(std::string_view password) {
    if (password.size() > kMaxPassword) {
        return Error{Code::invalid_argument, "the password is too long"};
    }
    std::array<unsigned char, kSaltBytes> salt{};
    if (RAND_bytes(salt.data(), static_cast<int>(salt.size())) != 1) {
        return Error{Code::internal, "no random numbers to be had"};
    }
    int code = ARGON2_OK;
    auto text = encode(password, salt, code);
    if (code != ARGON2_OK) {
        return Error{Code::unavailable,
                     std::string("argon2: ") + argon2_error_message(code)};
    }
    return text;
}

bool is_password_hash(std::string_view hash) noexcept {
    return hash.size() <= kMaxHash &&
           (is_argon2(hash) || is_bcrypt(hash) || is_sha_crypt(hash));
}

bool verify_password(const std::string& hash, std::string_view password) {
    if (password.size() > kMaxPassword || !is_password_hash(hash)) {
        return false;
    }
    if (is_argon2(hash)) {
        return argon2id_verify(hash.c_str(), password.data(),
                               password.size()) == ARGON2_OK;
    }
    return verify_crypt(hash, password);
}

const std::string& no_password_hash() {
    static const std::string kHash = [] {
        auto password = random_key();
        auto hash = password ? hash_password(*password) : password;
        return hash ? std::move(*hash) : std::string();
    }();
    return kHash;
}

}  // namespace longshore
