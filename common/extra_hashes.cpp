#include "common/extra_hashes.hpp"

#include <array>
#include <span>

#include "common/encoding.hpp"
#include "common/protocol.hpp"

namespace longshore {
namespace {

struct Row {
    std::uint8_t bit;
    std::string_view prefix;
    const EVP_MD* (*make)();
};
constexpr std::array kRows = {
    Row{kMd5, "md5:", EVP_md5},
    Row{kSha1, "sha1:", EVP_sha1},
    Row{kSha512, "sha512:", EVP_sha512},
};

std::string spell(std::string_view prefix,
                  std::span<const std::uint8_t> bytes) {
    std::string text(prefix);
    text.resize(prefix.size() + 2 * bytes.size());
    hex_encode(bytes, text.data() + prefix.size());
    return text;
}

}  // namespace

ExtraHashes::ExtraHashes(std::uint8_t algorithms) {
    for (const auto& row : kRows) {
        if ((algorithms & row.bit) == 0) {
            continue;
        }
        Running one{row.prefix, nullptr};
        one.context.reset(EVP_MD_CTX_new());
        if (one.context != nullptr &&
            EVP_DigestInit_ex(one.context.get(), row.make(), nullptr) == 1) {
            running_.push_back(std::move(one));
        }
    }
    if ((algorithms & kBlake2b256) != 0) {
        blake2b_.emplace();
    }
}

void ExtraHashes::update(const void* data, std::size_t size) noexcept {
    for (auto& one : running_) {
        EVP_DigestUpdate(one.context.get(), data, size);
    }
    if (blake2b_) {
        blake2b_->update(data, size);
    }
}

std::vector<std::string> ExtraHashes::finish() {
    std::vector<std::string> texts;
    for (auto& one : running_) {
        std::array<std::uint8_t, EVP_MAX_MD_SIZE> bytes;
        unsigned size = 0;
        if (EVP_DigestFinal_ex(one.context.get(), bytes.data(), &size) == 1) {
            texts.push_back(spell(one.prefix, {bytes.data(), size}));
        }
    }
    if (blake2b_) {
        texts.push_back(spell("blake2b-256:", blake2b_->finish()));
    }
    return texts;
}

}  // namespace longshore
