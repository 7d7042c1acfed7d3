#include "registry/sealed.hpp"

#include <algorithm>
#include <limits>
#include <memory>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "common/encoding.hpp"
#include "common/file.hpp"
#include "common/probe.hpp"

namespace longshore {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;
constexpr std::size_t kIdBytes = 9;
constexpr std::size_t kId = base64url_length(kIdBytes);
constexpr std::string_view kVersion = "1.";

struct FreeCipher {
    void operator()(EVP_CIPHER_CTX* context) const noexcept {
        EVP_CIPHER_CTX_free(context);
    }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

Error no_random() {
    return {Code::internal, "no random numbers to be had"};
}

Error no_cipher() {
    return {Code::internal, "AES-256-GCM is not to be had"};
}

std::string encode(const SecretBytes& bytes) {
    return base64url_encode(view_of(bytes));
}

// Empty if it is no base64url.
SecretBytes decode(std::string_view text) {
    SecretBytes bytes(text.size() / 4 * 3 + 2);
    auto size = base64url_decode(text, reinterpret_cast<char*>(bytes.data()));
    bytes.resize(size.value_or(0));
    return bytes;
}

const unsigned char* bytes_of(std::string_view text) noexcept {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// The id of the key is authenticated too. Lengths are such that int holds
// them: the callers look.
bool run(EVP_CIPHER_CTX* cipher, std::string_view id, std::string_view context,
         const std::uint8_t* from, std::size_t size, std::uint8_t* to) {
    int done = 0;
    return EVP_CipherUpdate(cipher, nullptr, &done, bytes_of(id),
                            static_cast<int>(id.size())) == 1 &&
           EVP_CipherUpdate(cipher, nullptr, &done, bytes_of(context),
                            static_cast<int>(context.size())) == 1 &&
           (size == 0 || EVP_CipherUpdate(cipher, to, &done, from,
                                          static_cast<int>(size)) == 1);
}

bool too_long(std::string_view a, std::size_t b) noexcept {
    constexpr std::size_t kMost = std::numeric_limits<int>::max() / 2;
    return a.size() > kMost || b > kMost;
}

}  // namespace

void wipe(void* memory, std::size_t size) noexcept {
    OPENSSL_cleanse(memory, size);
}

std::string SealingKey::path(const std::string& root) {
    return root + "/keys/signing.key";
}

Result<SealingKey> SealingKey::read(const std::string& root) {
    SealingKey key;
    key.path_ = path(root);
    auto text = read_file(key.path_);
    if (!text) {
        auto& error = text.error();
        if (error.code == Code::not_found) {
            error.message =
                key.path_ +
                " is gone, and with it the secret signing keys: put it back "
                "from a backup, or remove the keys (registryctl key remove) "
                "and make new ones";
        }
        return Error{Code::unavailable, error.message};
    }
    std::string_view rest = *text;
    if (rest.ends_with('\n')) {
        rest.remove_suffix(1);
    }
    bool whole = rest.size() == kId + 1 + base64url_length(kKeyBytes) &&
                 rest[kId] == ' ';
    if (whole) {
        key.id_ = rest.substr(0, kId);
        key.key_ = decode(rest.substr(kId + 1));
        whole =
            key.key_.size() == kKeyBytes && decode(key.id_).size() == kIdBytes;
    }
    wipe(text->data(), text->size());
    if (!whole) {
        return Error{Code::corrupt,
                     key.path_ + " is no key file: put it back from a backup"};
    }
    return key;
}

Result<SealingKey> SealingKey::make(const std::string& root) {
    SecretBytes id(kIdBytes);
    SecretBytes bytes(kKeyBytes);
    if (RAND_bytes(id.data(), static_cast<int>(id.size())) != 1 ||
        RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        return no_random();
    }
    auto folder = root + "/keys";
    LS_CHECK(make_folder(folder, 0755));
    auto encoded = encode(bytes);
    std::string text;
    text.reserve(kId + encoded.size() + 2);
    text += encode(id);
    text += ' ';
    text += encoded;
    text += '\n';
    auto written = write_new_file(folder, path(root), text, 0600);
    LS_PROBE(sealing_key, written);
    wipe(encoded.data(), encoded.size());
    wipe(text.data(), text.size());
    if (!written && written.error().code != Code::already_exists) {
        return std::move(written).error();
    }
    return read(root);
}

Result<std::string> SealingKey::seal(const SecretBytes& secret,
                                     std::string_view context) const {
    if (too_long(context, secret.size())) {
        return Error{Code::internal, "a secret is too long to be sealed"};
    }
    SecretBytes out(kNonce + secret.size() + kTag);
    if (RAND_bytes(out.data(), kNonce) != 1) {
        return no_random();
    }
    Cipher cipher(EVP_CIPHER_CTX_new());
    auto* text = out.data() + kNonce;
    int rest = 0;
    if (cipher == nullptr ||
        EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr,
                           key_.data(), out.data()) != 1 ||
        !run(cipher.get(), id_, context, secret.data(), secret.size(), text) ||
        EVP_CipherFinal_ex(cipher.get(), text + secret.size(), &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTag,
                            text + secret.size()) != 1) {
        return no_cipher();
    }
    return std::string(kVersion) + id_ + "." + encode(out);
}

Result<SecretBytes> SealingKey::unseal(std::string_view sealed,
                                       std::string_view context) const {
    auto broken = Error{Code::corrupt,
                        "the sealed part was changed in the database: restore "
                        "it, or remove the key (registryctl key remove)"};
    constexpr std::size_t kHead = kVersion.size() + kId + 1;
    if (!sealed.starts_with(kVersion) || sealed.size() <= kHead ||
        sealed[kHead - 1] != '.' || too_long(context, sealed.size())) {
        return broken;
    }
    auto id = sealed.substr(kVersion.size(), kId);
    if (id != id_) {
        return Error{Code::unavailable,
                     "it was sealed with another key than that in " + path_ +
                         ": put back the file that belongs to this database, "
                         "or remove the key (registryctl key remove)"};
    }
    auto bytes = decode(sealed.substr(kHead));
    if (bytes.size() < kNonce + kTag) {
        return broken;
    }
    auto size = bytes.size() - kNonce - kTag;
    SecretBytes secret(size);
    Cipher cipher(EVP_CIPHER_CTX_new());
    auto* text = bytes.data() + kNonce;
    if (cipher == nullptr ||
        EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr,
                           key_.data(), bytes.data()) != 1) {
        return no_cipher();
    }
    std::uint8_t nothing = 0;
    int rest = 0;
    if (!run(cipher.get(), id_, context, text, size, secret.data()) ||
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTag,
                            text + size) != 1 ||
        EVP_CipherFinal_ex(cipher.get(), &nothing, &rest) != 1) {
        return broken;
    }
    return secret;
}

}  // namespace longshore
