// Digest: `algorithm:encoded`, the name of a blob. A fixed-size value without
// allocation, so that nginx can keep it on the stack. Only registered and
// supported algorithms exist as values.
// Specification: OCI image-spec, descriptor.md, "Digests".
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

enum class Algorithm : std::uint8_t { sha256 = 1, sha512 = 2 };

/// "sha256"
std::string_view algorithm_name(Algorithm algorithm) noexcept;

/// Length of the encoded part in hex characters: 64 or 128.
std::size_t encoded_length(Algorithm algorithm) noexcept;

/// @errors unsupported (grammatically right, not supported),
///         invalid_argument (not the name of an algorithm)
Result<Algorithm> parse_algorithm(std::string_view text);

class Digest {
public:
    static constexpr std::size_t kMaxText = 7 + 128;

    /// Parses canonical text; nothing else is accepted (no upper case, no
    /// surrounding space).
    /// @errors invalid_argument with reason DIGEST_INVALID, also for an
    ///         algorithm that is not supported
    static Result<Digest> parse(std::string_view text);

    /// The same without an Error to build: false when `text` is no supported
    /// digest. For the hot path.
    static bool parse(std::string_view text, Digest& out) noexcept;

    /// From the raw 32 or 64 bytes of a finished hash.
    static Digest from_raw(Algorithm algorithm,
                           std::span<const std::uint8_t> raw) noexcept;

    Algorithm algorithm() const noexcept { return algorithm_; }

    /// "sha256:e3b0…"
    std::string_view text() const noexcept { return {text_.data(), size_}; }

    /// "e3b0…"
    std::string_view encoded() const noexcept { return text().substr(7); }

    std::string str() const { return std::string(text()); }

    friend bool operator==(const Digest& a, const Digest& b) noexcept {
        return a.text() == b.text();
    }
    friend bool operator<(const Digest& a, const Digest& b) noexcept {
        return a.text() < b.text();
    }

    /// An empty digest, only to be assigned to.
    Digest() = default;

private:
    Algorithm algorithm_ = Algorithm::sha256;
    std::uint8_t size_ = 7;
    std::array<char, kMaxText> text_ = {'s', 'h', 'a', '2', '5', '6', ':'};
};

}  // namespace longshore
