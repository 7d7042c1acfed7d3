// A signed text, a signature and keys from anybody, and a secret key packet:
// nothing is taken that our key did not sign, whatever is read. The first byte
// says which reader.
#include <string>

#include "fuzz.hpp"
#include "registry/openpgp.hpp"
#include "registry/openpgp_packet.hpp"

namespace longshore {
namespace {

using fuzz::require;

// Made for each run anew: no input can have a signature of it.
const std::string& own_key() {
    static const std::string kKey =
        make_openpgp_key("ed25519", "fuzz")->public_key;
    return kKey;
}

void check_packet(std::string_view bytes) {
    auto part = OpenPgpPart::read(bytes);
    if (!part) {
        return;
    }
    SecretBytes saved;
    require(static_cast<bool>(part->save(saved)), "what is read is written");
    std::string_view rest = "x";
    auto again = OpenPgpPart::load(view_of(saved), rest);
    require(
        again && again->fingerprint() == part->fingerprint() && rest.empty(),
        "what is written is read the same");
}

void check_saved(std::string_view bytes) {
    std::string_view rest;
    auto part = OpenPgpPart::load(bytes, rest);
    require(!part || fuzz::inside(rest, bytes), "a view into the input");
}

}  // namespace
}  // namespace longshore

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    const std::string input(fuzz::text(data, size));
    const auto rest = std::string_view(input).substr(input.empty() ? 0 : 1);
    switch (input.empty() ? 0 : input[0]) {
        case 'k':
            static_cast<void>(verify_detached("bytes", rest, rest));
            static_cast<void>(read_openpgp_key(rest, {}));
            break;
        case 'd':
            fuzz::require(!verify_detached("bytes", rest, own_key()),
                          "nobody signed it");
            break;
        case 'p':
            check_packet(rest);
            break;
        case 's':
            check_saved(rest);
            break;
        default:
            fuzz::require(!verify_clear_signed(input, own_key()),
                          "nobody signed it");
            break;
    }
    return 0;
}
