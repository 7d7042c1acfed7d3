#include "common/upload_state.hpp"

#include <cstring>

#include "common/bytes.hpp"

namespace longshore {
namespace {

constexpr std::string_view kMagic = "LSUP";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kCheckSize = 16;  // hex characters of a SHA-256

}  // namespace

UploadState new_upload_state(Algorithm algorithm) noexcept {
    return UploadState{0, Hash(algorithm).state()};
}

std::string encode_upload_state(const UploadState& state) {
    ByteWriter out;
    out.raw(kMagic);
    out.u8(kVersion);
    out.u8(static_cast<std::uint8_t>(state.hash.algorithm));
    out.u64(state.offset);
    for (auto word : state.hash.chain) {
        out.u64(word);
    }
    auto tail = state.hash.bytes % block_size(state.hash.algorithm);
    out.text({reinterpret_cast<const char*>(state.hash.tail.data()), tail});
    auto check = digest_of(Algorithm::sha256, out.str());
    out.raw(check.encoded().substr(0, kCheckSize));
    return out.take();
}

std::optional<UploadState> decode_upload_state(std::string_view record) {
    if (record.size() < kCheckSize) {
        return std::nullopt;
    }
    auto body = record.substr(0, record.size() - kCheckSize);
    auto check = digest_of(Algorithm::sha256, body);
    if (check.encoded().substr(0, kCheckSize) != record.substr(body.size())) {
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
    state.offset = in.u64();
    state.hash.bytes = state.offset;
    for (auto& word : state.hash.chain) {
        word = in.u64();
    }
    auto tail = in.text();
    if (in.failed() || in.left() != 0 ||
        tail.size() != state.offset % block_size(state.hash.algorithm)) {
        return std::nullopt;
    }
    std::memcpy(state.hash.tail.data(), tail.data(), tail.size());
    return state;
}

}  // namespace longshore
