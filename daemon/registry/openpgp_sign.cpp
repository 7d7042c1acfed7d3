// The half of openpgp.hpp that signs; it needs no librnp.
#include <algorithm>

#include "registry/openpgp.hpp"
#include "registry/openpgp_packet.hpp"

namespace longshore {
namespace {

constexpr std::uint8_t kBinary = 0x00;
constexpr std::uint8_t kText = 0x01;

// Lines without the white space at their ends, which a cleartext signature
// does not cover: RFC 4880 section 7.1. What is published is what is signed.
template <typename Take>
void each_line(std::string_view text, const Take& take) {
    if (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    for (;;) {
        auto end = text.find('\n');
        auto line = text.substr(0, end);
        auto last = line.find_last_not_of(" \t\r");
        take(line.substr(0, last == std::string_view::npos ? 0 : last + 1));
        if (end == std::string_view::npos) {
            return;
        }
        text.remove_prefix(end + 1);
    }
}

}  // namespace

struct OpenPgpSigner::Parts {
    std::vector<OpenPgpPart> all;

    Result<std::string> sign(const OpenPgpHash& hash, std::uint8_t type,
                             std::size_t count) const {
        std::string packets;
        for (std::size_t i = 0; i < std::min(count, all.size()); ++i) {
            LS_TRY(packet, all[i].sign(hash, type));
            packets += packet;
        }
        return packets;
    }
};

OpenPgpSigner::OpenPgpSigner(std::unique_ptr<const Parts> parts)
    : parts_(std::move(parts)) {}
OpenPgpSigner::~OpenPgpSigner() = default;

Result<std::unique_ptr<OpenPgpSigner>> OpenPgpSigner::open(
    const std::vector<SecretBytes>& keys) {
    auto parts = std::make_unique<Parts>();
    for (const auto& key : keys) {
        std::string_view rest;
        LS_TRY(part, OpenPgpPart::load(view_of(key), rest));
        parts->all.push_back(std::move(part));
    }
    return std::unique_ptr<OpenPgpSigner>(new OpenPgpSigner(std::move(parts)));
}

Result<std::string> OpenPgpSigner::clear_sign(std::string_view text,
                                              std::size_t count) const {
    OpenPgpHash hash;
    std::string out("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n");
    out.reserve(out.size() + text.size() + 4096);
    bool first = true;
    each_line(text, [&](std::string_view line) {
        hash.add(first ? std::string_view() : "\r\n");
        hash.add(line);
        first = false;
        out += line.starts_with('-') ? "- " : "";
        out += line;
        out += '\n';
    });
    LS_TRY(packets, parts_->sign(hash, kText, count));
    return out + openpgp_armor("SIGNATURE", packets);
}

Result<std::string> OpenPgpSigner::detach_sign(std::string_view bytes,
                                               OpenPgpArmor armor,
                                               std::size_t count) const {
    OpenPgpHash hash;
    hash.add(bytes);
    LS_TRY(packets, parts_->sign(hash, kBinary, count));
    return armor == OpenPgpArmor::yes ? openpgp_armor("SIGNATURE", packets)
                                      : packets;
}

}  // namespace longshore
