#include "common/digest_set.hpp"

#include <array>

#include <openssl/evp.h>

#include "common/encoding.hpp"
#include "common/protocol.hpp"

namespace longshore {
namespace {

std::string text_of(std::string_view name,
                    std::span<const std::uint8_t> value) {
    auto text = std::string(name) + ':';
    auto at = text.size();
    text.resize(at + 2 * value.size());
    hex_encode(value, text.data() + at);
    return text;
}

}  // namespace

void DigestSet::Free::operator()(evp_md_ctx_st* context) const noexcept {
    ::EVP_MD_CTX_free(context);
}

DigestSet::DigestSet(std::uint8_t algorithms) : algorithms_(algorithms) {
    md5_ = start(kMd5, "MD5");
    sha1_ = start(kSha1, "SHA1");
    if ((algorithms & kSha512) != 0) {
        sha512_.emplace(Algorithm::sha512);
    }
    if ((algorithms & kBlake2b256) != 0) {
        blake2b_.emplace();
    }
}

DigestSet::Evp DigestSet::start(std::uint8_t algorithm, const char* name) {
    if ((algorithms_ & algorithm) == 0) {
        return nullptr;
    }
    Evp evp(::EVP_MD_CTX_new());
    auto* kind = ::EVP_MD_fetch(nullptr, name, nullptr);
    valid_ = valid_ && evp != nullptr && kind != nullptr &&
             ::EVP_DigestInit_ex2(evp.get(), kind, nullptr) == 1;
    ::EVP_MD_free(kind);  // the context holds it
    return evp;
}

void DigestSet::update(std::string_view bytes) noexcept {
    sha256_.update(bytes);
    for (auto* evp : {md5_.get(), sha1_.get()}) {
        if (evp != nullptr) {
            ::EVP_DigestUpdate(evp, bytes.data(), bytes.size());
        }
    }
    if (sha512_) {
        sha512_->update(bytes);
    }
    if (blake2b_) {
        blake2b_->update(bytes);
    }
}

std::string DigestSet::finish(Evp& evp, std::string_view name) {
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> value;
    unsigned size = 0;
    ::EVP_DigestFinal_ex(evp.get(), value.data(), &size);
    return text_of(name, {value.data(), size});
}

std::vector<std::string> DigestSet::texts() {
    std::vector<std::string> out;
    if (md5_) {
        out.push_back(finish(md5_, "md5"));
    }
    if (sha1_) {
        out.push_back(finish(sha1_, "sha1"));
    }
    if (sha512_) {
        out.push_back(sha512_->digest().str());
    }
    if (blake2b_) {
        out.push_back(text_of("blake2b-256", blake2b_->value()));
    }
    return out;
}

}  // namespace longshore
