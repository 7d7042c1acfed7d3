// Digests of a body beside its SHA-256, all made in one pass: what the index
// of an ecosystem has to promise. Which ones is said by the bits of
// Decision::algorithms (protocol.hpp); texts are spelled as there.
// One object is used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/evp.h>

#include "common/blake2b.hpp"

namespace longshore {

class ExtraHashes {
public:
    /// @param algorithms  bits kMd5 kSha1 kSha512 kBlake2b256
    explicit ExtraHashes(std::uint8_t algorithms);

    void update(const void* data, std::size_t size) noexcept;

    /// "md5:<hex>" … in the order of the bits; nothing may be added after it.
    /// An algorithm that libcrypto refuses (FIPS) is left out.
    std::vector<std::string> finish();

private:
    struct Free {
        void operator()(EVP_MD_CTX* context) const noexcept {
            EVP_MD_CTX_free(context);
        }
    };
    struct Running {
        std::string_view prefix;  // "md5:"
        std::unique_ptr<EVP_MD_CTX, Free> context;
    };

    std::vector<Running> running_;
    std::optional<Blake2b256> blake2b_;
};

}  // namespace longshore
