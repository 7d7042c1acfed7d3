#include "common/upload_state.hpp"

#include <algorithm>
#include <cstring>

#include "common/bytes.hpp"

namespace longshore {
namespace {

constexpr std::string_view kMagic = "LSUP";
constexpr std::uint8_t kVersion = 2;
// Beyond, a file cannot be, and SHA-256 could not count the bits.
constexpr std::uint64_t kMaxOffset = std::uint64_t{1} << 60;
constexpr std::size_t kTailSize = sizeof(HashState::tail);
constexpr std::size_t kCheckSize = 16;  // hex characters of a SHA-256
constexpr std::size_t kBodySize =
    4 + 1 + 1 + 8 + 8 + sizeof(HashState::chain) + kTailSize;

std::string check_of(std::string_view body) {
    auto digest = digest_of(Algorithm::sha256, body);
    return std::string(digest.encoded().substr(0, kCheckSize));
}

}  // namespace

UploadState new_upload_state(Algorithm algorithm) noexcept {
    return UploadState{0, 0, Hash(algorithm).state()};
}

std::string encode_upload_state(const UploadState& state) {
    ByteWriter out;
    out.raw(kMagic);
    out.u8(kVersion);
    out.u8(static_cast<std::uint8_t>(state.hash.algorithm));
    out.u64(state.generation);
    out.u64(state.offset);
    for (auto word : state.hash.chain) {
        out.u64(word);
    }
    auto used = state.hash.bytes % block_size(state.hash.algorithm);
    std::string tail(kTailSize, '\0');
    std::memcpy(tail.data(), state.hash.tail.data(), used);
    out.raw(tail);
    out.raw(check_of(out.str()));
    return out.take();
}

std::string encode_upload_state_file(const UploadState& state) {
    auto record = encode_upload_state(state);
    std::string file(kUploadStateBytes, '\0');
    file.replace(upload_slot_offset(state), record.size(), record);
    return file;
}

std::optional<UploadState> decode_upload_state(std::string_view record) {
    if (record.size() < kBodySize + kCheckSize) {
        return std::nullopt;
    }
    auto body = record.substr(0, kBodySize);
    if (check_of(body) != record.substr(kBodySize, kCheckSize)) {
        return std::nullopt;
    }
    ByteReader in(body);
    if (in.raw(kMagic.size()) != kMagic || in.u8() != kVersion) {
        return std::nullopt;
    }
    UploadState state;
    std::uint8_t algorithm = in.u8();
    if (algorithm != static_cast<std::uint8_t>(Algorithm::sha256) &&
        algorithm != static_cast<std::uint8_t>(Algorithm::sha512)) {
        return std::nullopt;
    }
    state.hash.algorithm = static_cast<Algorithm>(algorithm);
    state.generation = in.u64();
    state.offset = in.u64();
    state.hash.bytes = state.offset;
    for (auto& word : state.hash.chain) {
        word = in.u64();
    }
    if (state.offset > kMaxOffset) {
        return std::nullopt;
    }
    auto tail = in.raw(kTailSize);
    auto used = state.offset % block_size(state.hash.algorithm);
    if (tail.find_first_not_of('\0', used) != std::string_view::npos) {
        return std::nullopt;
    }
    std::memcpy(state.hash.tail.data(), tail.data(), used);
    return state;
}

std::optional<UploadState> decode_upload_state_file(std::string_view file) {
    std::optional<UploadState> newest;
    for (std::size_t slot = 0; slot < 2; ++slot) {
        auto begin = std::min(slot * kUploadSlotBytes, file.size());
        auto state = decode_upload_state(file.substr(begin));
        if (state && state->generation % 2 == slot &&
            (!newest || state->generation > newest->generation)) {
            newest = state;
        }
    }
    return newest;
}

}  // namespace longshore
