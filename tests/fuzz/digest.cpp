// Input: a digest, or text to be coded.
#include "common/digest.hpp"

#include <string>

#include "common/encoding.hpp"
#include "fuzz.hpp"

using namespace longshore;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    const std::string text(fuzz::text(data, size));
    Digest digest;
    const bool good = Digest::parse(text, digest);
    const auto result = Digest::parse(text);
    require(static_cast<bool>(result) == good, "both parsers agree");
    if (good) {
        require(digest.text() == text, "canonical text only");
        require(*result == digest, "same value");
        auto name = algorithm_name(digest.algorithm());
        require(text == std::string(name) + ":" + std::string(digest.encoded()),
                "parts make the whole");
        require(*parse_algorithm(name) == digest.algorithm(), "algorithm");
        require(digest.encoded().size() == encoded_length(digest.algorithm()),
                "length");
    } else {
        require(result.error().reason == "DIGEST_INVALID", "has a reason");
        require(digest == Digest(), "failure leaves the target alone");
    }

    require(percent_decode(percent_encode(text)) == text, "percent");
    if (auto decoded = percent_decode(text)) {
        require(decoded->size() <= text.size(), "decoding does not grow");
    }
    auto pair = "x=" + percent_encode(text) + "&x=other";
    require(query_argument(pair, "x") == text, "query argument");
    query_argument(text, "digest");
    return 0;
}
