#include "auth/secret.hpp"

#include <array>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "common/bytes.hpp"
#include "common/hash.hpp"

namespace longshore {
namespace {

constexpr std::string_view kAlphabet =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::size_t kId = 8;
constexpr std::size_t kRandom = 32;
constexpr std::size_t kChecksum = 6;
constexpr std::size_t kPrefix = 4;
constexpr std::size_t kLength = kPrefix + kId + 1 + kRandom + kChecksum;
constexpr std::size_t kKeyBytes = 32;

std::string_view prefix_of(SecretKind kind) noexcept {
    return kind == SecretKind::api_token ? "lsr_" : "lsf_";
}

// The polynomial of zlib and of Ethernet; no table, the texts are short.
std::uint32_t crc32(std::string_view text) noexcept {
    std::uint32_t crc = ~0U;
    for (char c : text) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) {
            crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
        }
    }
    return ~crc;
}

std::array<char, kChecksum> checksum(std::string_view text) noexcept {
    std::array<char, kChecksum> out{};
    auto rest = crc32(text);
    for (std::size_t i = kChecksum; i > 0; --i) {
        out[i - 1] = kAlphabet[rest % kAlphabet.size()];
        rest /= static_cast<std::uint32_t>(kAlphabet.size());
    }
    return out;
}

}  // namespace

Result<std::string> random_text(std::size_t n) {
    std::string out;
    // Of the 256 values of a byte 248 are four times each character.
    constexpr unsigned kUsable = 248;
    while (out.size() < n) {
        std::array<unsigned char, 64> bytes{};
        if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
            return Error{Code::internal, "no random numbers to be had"};
        }
        for (auto byte : bytes) {
            if (byte < kUsable && out.size() < n) {
                out += kAlphabet[byte % kAlphabet.size()];
            }
        }
        OPENSSL_cleanse(bytes.data(), bytes.size());
    }
    return out;
}

Result<std::string> random_key() {
    std::string key(kKeyBytes, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()),
                   static_cast<int>(key.size())) != 1) {
        return Error{Code::internal, "no random numbers to be had"};
    }
    return key;
}

Result<Secret> make_secret(SecretKind kind) {
    Secret secret;
    LS_TRY(id, random_text(kId));
    LS_TRY(random, random_text(kRandom));
    secret.id = id;
    secret.text = std::string(prefix_of(kind)) + id + "_" + random;
    auto sum = checksum(secret.text);
    secret.text.append(sum.data(), sum.size());
    secret.hash = secret_hash(secret.text);
    return secret;
}

std::optional<std::string_view> secret_id(SecretKind kind,
                                          std::string_view text) noexcept {
    if (text.size() != kLength || !text.starts_with(prefix_of(kind)) ||
        text[kPrefix + kId] != '_') {
        return std::nullopt;
    }
    auto id = text.substr(kPrefix, kId);
    auto random = text.substr(kPrefix + kId + 1);
    if (id.find_first_not_of(kAlphabet) != std::string_view::npos ||
        random.find_first_not_of(kAlphabet) != std::string_view::npos) {
        return std::nullopt;
    }
    auto sum = checksum(text.substr(0, kLength - kChecksum));
    if (text.substr(kLength - kChecksum) !=
        std::string_view(sum.data(), sum.size())) {
        return std::nullopt;
    }
    return id;
}

std::string secret_hash(std::string_view text) {
    return std::string(digest_of(Algorithm::sha256, text).encoded());
}

bool equal_secrets(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() &&
           CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string keyed_hash(std::string_view key, std::string_view a,
                       std::string_view b) {
    ByteWriter message;
    message.text(a);
    message.text(b);
    auto bytes = message.take();
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         out.data(), &size);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return {reinterpret_cast<const char*>(out.data()), size};
}

}  // namespace longshore
