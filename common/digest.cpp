#include "common/digest.hpp"

#include <algorithm>

#include "common/encoding.hpp"

namespace longshore {
namespace {

// Both names have six characters; Digest::encoded() relies on it.
constexpr std::string_view kSha256 = "sha256";
constexpr std::string_view kSha512 = "sha512";

// image-spec: component ::= [a-z0-9]+, separators [+._-], encoded
// [a-zA-Z0-9=_-]+.
bool is_algorithm_grammar(std::string_view text) noexcept {
    bool after_separator = true;
    for (char c : text) {
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!word && (after_separator ||
                      (c != '+' && c != '.' && c != '_' && c != '-'))) {
            return false;
        }
        after_separator = !word;
    }
    return !after_separator;
}

}  // namespace

std::string_view algorithm_name(Algorithm algorithm) noexcept {
    return algorithm == Algorithm::sha256 ? kSha256 : kSha512;
}

std::size_t encoded_length(Algorithm algorithm) noexcept {
    return algorithm == Algorithm::sha256 ? 64 : 128;
}

Result<Algorithm> parse_algorithm(std::string_view text) {
    if (text == kSha256) {
        return Algorithm::sha256;
    }
    if (text == kSha512) {
        return Algorithm::sha512;
    }
    if (is_algorithm_grammar(text)) {
        return Error{Code::unsupported,
                     "digest algorithm is not supported, use sha256 or sha512",
                     "DIGEST_INVALID"};
    }
    return Error{Code::invalid_argument, "digest algorithm is malformed",
                 "DIGEST_INVALID"};
}

bool Digest::parse(std::string_view text, Digest& out) noexcept {
    Algorithm algorithm;
    if (text.size() == 7 + 64 && text.substr(0, 7) == "sha256:") {
        algorithm = Algorithm::sha256;
    } else if (text.size() == 7 + 128 && text.substr(0, 7) == "sha512:") {
        algorithm = Algorithm::sha512;
    } else {
        return false;
    }
    // Every character, without a way out: the compiler makes vectors of it.
    unsigned bad = 0;
    for (std::size_t i = 7; i < text.size(); i += 64) {
        const char* hex = text.data() + i;
        for (std::size_t j = 0; j < 64; ++j) {
            bad |= static_cast<unsigned>(hex[j] < '0') |
                   static_cast<unsigned>(hex[j] > 'f') |
                   (static_cast<unsigned>(hex[j] > '9') &
                    static_cast<unsigned>(hex[j] < 'a'));
        }
    }
    if (bad != 0) {
        return false;
    }
    out.algorithm_ = algorithm;
    out.size_ = static_cast<std::uint8_t>(text.size());
    std::copy(text.begin(), text.end(), out.text_.begin());
    return true;
}

Result<Digest> Digest::parse(std::string_view text) {
    Digest digest;
    if (parse(text, digest)) {
        return digest;
    }
    auto colon = text.find(':');
    if (colon == std::string_view::npos) {
        return Error{Code::invalid_argument,
                     "digest must be algorithm:hex, for example sha256:<64 "
                     "lower-case hex characters>",
                     "DIGEST_INVALID"};
    }
    auto algorithm = parse_algorithm(text.substr(0, colon));
    if (!algorithm) {
        return Error{Code::invalid_argument, algorithm.error().message,
                     "DIGEST_INVALID"};
    }
    return Error{Code::invalid_argument,
                 std::string(algorithm_name(*algorithm)) + " digest needs " +
                     std::to_string(encoded_length(*algorithm)) +
                     " lower-case hex characters",
                 "DIGEST_INVALID"};
}

Digest Digest::from_raw(Algorithm algorithm,
                        std::span<const std::uint8_t> raw) noexcept {
    Digest digest;
    digest.algorithm_ = algorithm;
    auto name = algorithm_name(algorithm);
    std::copy(name.begin(), name.end(), digest.text_.begin());
    digest.text_[6] = ':';
    auto bytes = raw.first(encoded_length(algorithm) / 2);
    hex_encode(bytes, digest.text_.data() + 7);
    digest.size_ = static_cast<std::uint8_t>(7 + encoded_length(algorithm));
    return digest;
}

}  // namespace longshore
