// Secrets that we make: API tokens, `lsr_<8 public>_<32 random><6 checksum>`,
// and refresh tokens, the same with `lsf_`. The checksum tells scanners of
// repositories and logs that a text is one of ours, and us that it is none
// before any database is asked. Stored is the SHA-256 of the text alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

enum class SecretKind : std::uint8_t { api_token, refresh_token };

struct Secret {
    std::string id;    // 8 characters, not secret
    std::string text;  // handed out once, kept nowhere
    std::string hash;  // of the text, lower-case hex
};

/// @errors internal (no entropy)
Result<Secret> make_secret(SecretKind kind);

/// The public part of a text that is one of ours by its form and checksum;
/// a view into it.
std::optional<std::string_view> secret_id(SecretKind kind,
                                          std::string_view text) noexcept;

/// Lower-case hex of SHA-256.
std::string secret_hash(std::string_view text);

/// Takes the same time wherever the texts differ.
bool equal_secrets(std::string_view a, std::string_view b) noexcept;

/// `n` random characters of 0-9 A-Z a-z. @errors internal (no entropy)
Result<std::string> random_text(std::size_t n);

/// A key at random, for this process only. @errors internal (no entropy)
Result<std::string> random_key();

/// HMAC-SHA256 of the texts under the key, each with its length before it.
std::string keyed_hash(std::string_view key, std::string_view a,
                       std::string_view b);

}  // namespace longshore
