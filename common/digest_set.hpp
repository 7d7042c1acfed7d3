// SHA-256 and, in the same pass, the other digests that package managers ask
// for. One object is used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/blake2b.hpp"
#include "common/hash.hpp"

struct evp_md_ctx_st;

namespace longshore {

class DigestSet {
public:
    /// `algorithms`: bits kMd5 … of protocol.hpp, besides SHA-256.
    explicit DigestSet(std::uint8_t algorithms);

    /// False if libcrypto has not all of them (MD5 under FIPS); then the
    /// others are of no use either.
    bool is_valid() const noexcept { return valid_; }

    void update(std::string_view bytes) noexcept;

    Digest sha256() const noexcept { return sha256_.digest(); }

    /// Those asked for, in the order of their bits, as Question::digests
    /// spells them: "md5:<hex>". Once, after the last update().
    std::vector<std::string> texts();

private:
    struct Free {
        void operator()(evp_md_ctx_st* context) const noexcept;
    };
    using Evp = std::unique_ptr<evp_md_ctx_st, Free>;

    Evp start(std::uint8_t algorithm, const char* name);
    std::string finish(Evp& evp, std::string_view name);

    std::uint8_t algorithms_;
    bool valid_ = true;
    Hash sha256_{Algorithm::sha256};
    Evp md5_, sha1_;
    std::optional<Hash> sha512_;
    std::optional<Blake2b256> blake2b_;
};

}  // namespace longshore
