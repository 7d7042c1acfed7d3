#include "registry/openpgp_packet.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <optional>
#include <vector>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace longshore {
namespace {

constexpr std::uint8_t kVersion = 4;
constexpr std::uint8_t kRsa = 1;
constexpr std::uint8_t kEdDsa = 22;
constexpr std::uint8_t kSha512 = 10;
constexpr std::size_t kSeed = 32;
constexpr int kLeastRsaBits = 2048;
constexpr int kMostRsaBits = 16384;
constexpr std::size_t kLine = 64;
// 1.3.6.1.4.1.11591.15.1, with its length before it.
constexpr std::string_view kEd25519("\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01",
                                    10);

struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept {
        EVP_MD_CTX_free(context);
    }
    void operator()(EVP_PKEY_CTX* context) const noexcept {
        EVP_PKEY_CTX_free(context);
    }
    void operator()(BIGNUM* number) const noexcept { BN_clear_free(number); }
    void operator()(BN_CTX* context) const noexcept { BN_CTX_free(context); }
    void operator()(OSSL_PARAM_BLD* build) const noexcept {
        OSSL_PARAM_BLD_free(build);
    }
    void operator()(OSSL_PARAM* params) const noexcept {
        OSSL_PARAM_free(params);
    }
    void operator()(PKCS8_PRIV_KEY_INFO* info) const noexcept {
        PKCS8_PRIV_KEY_INFO_free(info);
    }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;
using Number = Owned<BIGNUM>;

Error failed(const char* what) {
    return {Code::internal, std::string("libcrypto cannot ") + what};
}

Error broken() {
    return {Code::corrupt, "it is no secret OpenPGP key"};
}

const unsigned char* bytes_of(std::string_view text) noexcept {
    return reinterpret_cast<const unsigned char*>(text.data());
}

void put_16(std::string& out, std::size_t number) {
    out += static_cast<char>(number >> 8 & 0xff);
    out += static_cast<char>(number & 0xff);
}

void put_32(std::string& out, std::size_t number) {
    put_16(out, number >> 16);
    put_16(out, number);
}

// A multiprecision integer, RFC 4880 section 3.2.
void put_number(std::string& out, std::string_view bytes) {
    auto first = std::min(bytes.find_first_not_of('\0'), bytes.size());
    bytes.remove_prefix(first);
    std::size_t bits = bytes.size() * 8;
    if (!bytes.empty()) {
        for (auto top = static_cast<unsigned char>(bytes.front()); top < 0x80;
             top = static_cast<unsigned char>(top << 1)) {
            --bits;
        }
    }
    put_16(out, bits);
    out += bytes;
}

// Takes bytes from the front of a packet, or fails for good.
class Reader {
public:
    explicit Reader(std::string_view rest) : rest_(rest) {}

    std::string_view take(std::size_t n) {
        if (n > rest_.size()) {
            good_ = false;
            rest_ = {};
            return {};
        }
        auto taken = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return taken;
    }
    std::size_t number(std::size_t bytes) {
        std::size_t value = 0;
        for (char c : take(bytes)) {
            value = value << 8 | static_cast<unsigned char>(c);
        }
        return value;
    }
    std::string_view integer() { return take((number(2) + 7) / 8); }
    std::string_view rest() const noexcept { return rest_; }
    bool good() const noexcept { return good_; }

private:
    std::string_view rest_;
    bool good_ = true;
};

// The body of the one packet there is; nullopt unless it is a secret key.
std::optional<std::string_view> body_of(std::string_view packet) {
    Reader reader(packet);
    auto head = reader.number(1);
    bool is_new = (head & 0x40) != 0;
    auto tag = is_new ? head & 0x3f : head >> 2 & 0x0f;
    std::size_t size = 0;
    if (is_new) {
        size = reader.number(1);
        if (size == 255) {
            size = reader.number(4);
        } else if (size >= 224) {
            return std::nullopt;
        } else if (size >= 192) {
            size = (size - 192) * 256 + reader.number(1) + 192;
        }
    } else {
        auto form = head & 3;
        if (form == 3) {
            return std::nullopt;
        }
        size = reader.number(std::size_t{1} << form);
    }
    auto body = reader.take(size);
    if ((head & 0x80) == 0 || (tag != 5 && tag != 7) || !reader.good()) {
        return std::nullopt;
    }
    return body;
}

Number number_of(std::string_view bytes) {
    return Number(
        BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

struct RsaParts {
    Number n, e, d, p, q, u;
};

// Whether they belong together; a wrong one would make signatures that give
// the key away.
bool fit(const RsaParts& parts, BN_CTX* work) {
    Number product(BN_secure_new());
    auto bits = BN_num_bits(parts.n.get());
    return product && bits >= kLeastRsaBits && bits <= kMostRsaBits &&
           BN_mul(product.get(), parts.p.get(), parts.q.get(), work) == 1 &&
           BN_cmp(product.get(), parts.n.get()) == 0;
}

// OpenPGP has p < q and u = 1/p mod q; for libcrypto the first factor is the
// one that is the modulus of the coefficient, so q comes first.
EVP_PKEY* rsa_key(const RsaParts& parts) {
    Owned<BN_CTX> work(BN_CTX_secure_new());
    Number one(BN_new());
    Number less(BN_secure_new());
    Number to_q(BN_secure_new());
    Number to_p(BN_secure_new());
    if (!parts.n || !parts.e || !parts.d || !parts.p || !parts.q || !parts.u ||
        !work || !one || !less || !to_q || !to_p || !fit(parts, work.get()) ||
        BN_one(one.get()) != 1 ||
        BN_sub(less.get(), parts.q.get(), one.get()) != 1 ||
        BN_mod(to_q.get(), parts.d.get(), less.get(), work.get()) != 1 ||
        BN_sub(less.get(), parts.p.get(), one.get()) != 1 ||
        BN_mod(to_p.get(), parts.d.get(), less.get(), work.get()) != 1) {
        return nullptr;
    }
    Owned<OSSL_PARAM_BLD> build(OSSL_PARAM_BLD_new());
    auto push = [&](const char* name, const Number& number) {
        return OSSL_PARAM_BLD_push_BN(build.get(), name, number.get()) == 1;
    };
    if (!build || !push(OSSL_PKEY_PARAM_RSA_N, parts.n) ||
        !push(OSSL_PKEY_PARAM_RSA_E, parts.e) ||
        !push(OSSL_PKEY_PARAM_RSA_D, parts.d) ||
        !push(OSSL_PKEY_PARAM_RSA_FACTOR1, parts.q) ||
        !push(OSSL_PKEY_PARAM_RSA_FACTOR2, parts.p) ||
        !push(OSSL_PKEY_PARAM_RSA_EXPONENT1, to_q) ||
        !push(OSSL_PKEY_PARAM_RSA_EXPONENT2, to_p) ||
        !push(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, parts.u)) {
        return nullptr;
    }
    Owned<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(build.get()));
    Owned<EVP_PKEY_CTX> context(
        EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    EVP_PKEY* key = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR,
                          params.get()) != 1) {
        return nullptr;
    }
    return key;
}

EVP_PKEY* read_rsa(Reader& reader, std::string_view& open,
                   std::string_view body) {
    RsaParts parts;
    parts.n = number_of(reader.integer());
    parts.e = number_of(reader.integer());
    open = body.substr(0, body.size() - reader.rest().size());
    bool plain = reader.number(1) == 0;
    parts.d = number_of(reader.integer());
    parts.p = number_of(reader.integer());
    parts.q = number_of(reader.integer());
    parts.u = number_of(reader.integer());
    return plain && reader.good() ? rsa_key(parts) : nullptr;
}

EVP_PKEY* read_edwards(Reader& reader, std::string_view& open,
                       std::string_view body) {
    bool known = reader.take(kEd25519.size()) == kEd25519;
    reader.integer();
    open = body.substr(0, body.size() - reader.rest().size());
    bool plain = reader.number(1) == 0;
    auto given = reader.integer();
    if (!known || !plain || !reader.good() || given.size() > kSeed) {
        return nullptr;
    }
    SecretBytes seed(kSeed - given.size());
    seed.insert(seed.end(), given.begin(), given.end());
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(),
                                        seed.size());
}

std::uint32_t checksum(std::string_view bytes) noexcept {
    std::uint32_t crc = 0xb704ce;
    for (char c : bytes) {
        crc ^= std::uint32_t{static_cast<unsigned char>(c)} << 16;
        for (int bit = 0; bit < 8; ++bit) {
            crc = crc << 1 ^ ((crc & 0x800000) != 0 ? 0x1864cfbU : 0);
        }
    }
    return crc & 0xffffff;
}

std::string base64(std::string_view bytes) {
    // One more for the zero that libcrypto puts behind.
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                    bytes_of(bytes), static_cast<int>(bytes.size()));
    out.pop_back();
    return out;
}

}  // namespace

std::string openpgp_armor(std::string_view what, std::string_view packets) {
    auto name = "PGP " + std::string(what) + "-----\n";
    auto out = "-----BEGIN " + name + "\n";
    auto text = base64(packets);
    for (std::size_t at = 0; at < text.size(); at += kLine) {
        out.append(text, at, kLine);
        out += '\n';
    }
    auto crc = checksum(packets);
    std::string sum;
    sum += static_cast<char>(crc >> 16 & 0xff);
    put_16(sum, crc & 0xffff);
    out += "=" + base64(sum) + "\n-----END " + name;
    return out;
}

OpenPgpHash::OpenPgpHash() : context_(EVP_MD_CTX_new()) {
    failed_ = context_ == nullptr ||
              EVP_DigestInit_ex(context_, EVP_sha512(), nullptr) != 1;
}

OpenPgpHash::~OpenPgpHash() {
    EVP_MD_CTX_free(context_);
}

void OpenPgpHash::add(std::string_view bytes) noexcept {
    failed_ =
        failed_ || EVP_DigestUpdate(context_, bytes.data(), bytes.size()) != 1;
}

Result<OpenPgpPart> OpenPgpPart::read(std::string_view packet) {
    auto body = body_of(packet);
    if (!body) {
        return broken();
    }
    Reader reader(*body);
    auto version = reader.number(1);
    reader.number(4);
    auto algorithm = reader.number(1);
    if (version != kVersion || (algorithm != kRsa && algorithm != kEdDsa)) {
        return Error{Code::unsupported,
                     "keys that sign are RSA or Ed25519, of version 4"};
    }
    std::string_view open;
    auto* key = algorithm == kRsa ? read_rsa(reader, open, *body)
                                  : read_edwards(reader, open, *body);
    if (key == nullptr) {
        return broken();
    }
    std::shared_ptr<EVP_PKEY> owned(key, EVP_PKEY_free);
    std::string hashed("\x99");
    put_16(hashed, open.size());
    hashed += open;
    OpenPgpFingerprint fingerprint{};
    unsigned size = 0;
    if (EVP_Digest(hashed.data(), hashed.size(), fingerprint.data(), &size,
                   EVP_sha1(), nullptr) != 1) {
        return failed("hash");
    }
    return OpenPgpPart(std::move(owned), fingerprint);
}

Result<OpenPgpPart> OpenPgpPart::load(std::string_view saved,
                                      std::string_view& rest) {
    Reader reader(saved);
    auto name = reader.take(OpenPgpFingerprint().size());
    auto der = reader.take(reader.number(4));
    if (!reader.good()) {
        return broken();
    }
    const auto* at = bytes_of(der);
    auto* key = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size()));
    if (key == nullptr) {
        return broken();
    }
    OpenPgpFingerprint fingerprint{};
    std::copy(name.begin(), name.end(), fingerprint.begin());
    rest = reader.rest();
    return OpenPgpPart(std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free),
                       fingerprint);
}

Result<void> OpenPgpPart::save(SecretBytes& out) const {
    Owned<PKCS8_PRIV_KEY_INFO> info(EVP_PKEY2PKCS8(key_.get()));
    auto size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr) : -1;
    if (size <= 0) {
        return failed("write a secret key");
    }
    std::string length;
    put_32(length, static_cast<std::size_t>(size));
    out.insert(out.end(), fingerprint_.begin(), fingerprint_.end());
    out.insert(out.end(), length.begin(), length.end());
    auto begin = out.size();
    out.resize(begin + static_cast<std::size_t>(size));
    auto* at = out.data() + begin;
    if (i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at) != size) {
        return failed("write a secret key");
    }
    return {};
}

// The integers that a signature over the digest is.
Result<std::string> OpenPgpPart::numbers(std::string_view digest) const {
    bool rsa = EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA;
    std::string made(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())),
                     '\0');
    auto* to = reinterpret_cast<unsigned char*>(made.data());
    auto size = made.size();
    bool good = false;
    if (rsa) {
        Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key_.get(), nullptr));
        good =
            context && EVP_PKEY_sign_init(context.get()) == 1 &&
            EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) ==
                1 &&
            EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha512()) == 1 &&
            EVP_PKEY_sign(context.get(), to, &size, bytes_of(digest),
                          digest.size()) == 1;
    } else {
        // EdDSA signs the digest as its message.
        Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
        good = context &&
               EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr,
                                  key_.get()) == 1 &&
               EVP_DigestSign(context.get(), to, &size, bytes_of(digest),
                              digest.size()) == 1;
    }
    if (!good) {
        return failed("sign");
    }
    made.resize(size);
    std::string out;
    if (rsa) {
        put_number(out, made);
    } else {
        put_number(out, std::string_view(made).substr(0, size / 2));
        put_number(out, std::string_view(made).substr(size / 2));
    }
    return out;
}

Result<std::string> OpenPgpPart::sign(const OpenPgpHash& hash,
                                      std::uint8_t type) const {
    std::string_view name(reinterpret_cast<const char*>(fingerprint_.data()),
                          fingerprint_.size());
    // Issuer's fingerprint (33) and time (2), each with its length before it.
    std::string sub("\x16\x21\x04", 3);
    sub += name;
    sub += std::string_view("\x05\x02", 2);
    put_32(sub, static_cast<std::size_t>(std::time(nullptr)));
    bool rsa = EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA;
    std::string body;
    body += static_cast<char>(kVersion);
    body += static_cast<char>(type);
    body += static_cast<char>(rsa ? kRsa : kEdDsa);
    body += static_cast<char>(kSha512);
    put_16(body, sub.size());
    body += sub;
    std::string trailer("\x04\xff", 2);
    put_32(trailer, body.size());

    std::string digest(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    if (hash.failed_ || !context ||
        EVP_MD_CTX_copy_ex(context.get(), hash.context_) != 1 ||
        EVP_DigestUpdate(context.get(), body.data(), body.size()) != 1 ||
        EVP_DigestUpdate(context.get(), trailer.data(), trailer.size()) != 1 ||
        EVP_DigestFinal_ex(context.get(),
                           reinterpret_cast<unsigned char*>(digest.data()),
                           &size) != 1) {
        return failed("hash");
    }
    digest.resize(size);
    LS_TRY(made, numbers(digest));
    // The issuer's id (16), for readers who do not know the fingerprint.
    std::string unhashed("\x09\x10", 2);
    unhashed += name.substr(name.size() - 8);
    put_16(body, unhashed.size());
    body += unhashed;
    body += digest.substr(0, 2);
    body += made;
    // Old format with two bytes of length, which every reader knows.
    std::string packet("\x89");
    put_16(packet, body.size());
    return packet + body;
}

}  // namespace longshore
