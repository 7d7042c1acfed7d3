// Input: the state file of an upload without its check, which the target puts
// behind it; the input as it stands must not be taken for a record by chance.
#include "common/upload_state.hpp"

#include <string>

#include "fuzz.hpp"

using namespace longshore;
using fuzz::require;

namespace {

void check_file(const std::string& file) {
    auto state = decode_upload_state_file(file);
    if (state) {
        require(decode_upload_state_file(encode_upload_state_file(*state)) &&
                    upload_slot_offset(*state) < file.size(),
                "the slot that was read");
    }
}

void check(const std::string& record) {
    check_file(record);
    check_file(std::string(kUploadSlotBytes, '\0') + record);
    auto state = decode_upload_state(record);
    if (!state) {
        return;
    }
    require(record.starts_with(encode_upload_state(*state)),
            "same bytes again");
    require(state->hash.bytes == state->offset, "hash is at the offset");
    Hash hash(state->hash);
    hash.update("more");
    Hash next(hash.state());
    require(next.digest() == hash.digest(), "the hash can go on");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    const std::string body(fuzz::text(data, size));
    check(body);
    auto digest = digest_of(Algorithm::sha256, body);
    check(body + std::string(digest.encoded().substr(0, 16)));
    return 0;
}
