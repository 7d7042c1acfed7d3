#include "upstream/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace longshore {
namespace {

using Bytes = std::span<const std::uint8_t>;

enum class Network : std::uint8_t { world, loopback, inside };

struct Block {
    std::array<std::uint8_t, 4> first;
    int bits;
};

// What is not of the public network, RFC 6890 table by table; 127/8 apart.
constexpr std::array<Block, 13> kInside = {{{{0, 0, 0, 0}, 8},
                                            {{10, 0, 0, 0}, 8},
                                            {{100, 64, 0, 0}, 10},
                                            {{169, 254, 0, 0}, 16},
                                            {{172, 16, 0, 0}, 12},
                                            {{192, 0, 0, 0}, 24},
                                            {{192, 0, 2, 0}, 24},
                                            {{192, 88, 99, 0}, 24},
                                            {{192, 168, 0, 0}, 16},
                                            {{198, 18, 0, 0}, 15},
                                            {{198, 51, 100, 0}, 24},
                                            {{203, 0, 113, 0}, 24},
                                            {{224, 0, 0, 0}, 3}}};

bool begins(Bytes address, Bytes prefix, int bits) noexcept {
    for (std::size_t i = 0; bits > 0; ++i, bits -= 8) {
        auto mask =
            bits >= 8 ? 0xff : static_cast<unsigned>(0xff00 >> bits) & 0xffU;
        if ((address[i] & mask) != (prefix[i] & mask)) {
            return false;
        }
    }
    return true;
}

Network network_v4(Bytes address) noexcept {
    if (address[0] == 127) {
        return Network::loopback;
    }
    bool inside =
        std::any_of(kInside.begin(), kInside.end(), [&](const Block& block) {
            return begins(address, block.first, block.bits);
        });
    return inside ? Network::inside : Network::world;
}

Network network_v6(Bytes address) noexcept {
    constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0,    0,
                                                      0, 0, 0, 0, 0xff, 0xff};
    constexpr std::array<std::uint8_t, 16> kLoopback = {0, 0, 0, 0, 0, 0, 0, 0,
                                                        0, 0, 0, 0, 0, 0, 0, 1};
    constexpr std::array<std::uint8_t, 12> kNat64 = {0, 0x64, 0xff, 0x9b, 0, 0,
                                                     0, 0,    0,    0,    0, 0};
    if (begins(address, kLoopback, 128)) {
        return Network::loopback;
    }
    if (begins(address, kMapped, 96) || begins(address, kNat64, 96)) {
        return network_v4(address.subspan(12));
    }
    // Global unicast is 2000::/3; of that 2001::/23 (Teredo among it),
    // 2001:db8::/32 and 2002::/16 (6to4, which carries an address) are none.
    constexpr std::array<std::uint8_t, 1> kGlobal = {0x20};
    constexpr std::array<std::uint8_t, 3> kProtocols = {0x20, 0x01, 0x00};
    constexpr std::array<std::uint8_t, 4> kExamples = {0x20, 0x01, 0x0d, 0xb8};
    constexpr std::array<std::uint8_t, 2> k6to4 = {0x20, 0x02};
    bool world = begins(address, kGlobal, 3) &&
                 !begins(address, kProtocols, 23) &&
                 !begins(address, kExamples, 32) && !begins(address, k6to4, 16);
    return world ? Network::world : Network::inside;
}

}  // namespace

bool may_reach(const sockaddr& address, Reach reach) noexcept {
    auto network = Network::inside;
    if (address.sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof(v4));
        std::array<std::uint8_t, 4> bytes{};
        std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
        network = network_v4(bytes);
    } else if (address.sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address, sizeof(v6));
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
        network = network_v6(bytes);
    } else {
        return false;
    }
    switch (reach) {
        case Reach::world:
            return network == Network::world;
        case Reach::loopback:
            return network == Network::loopback;
        case Reach::any:
            break;
    }
    return true;
}

}  // namespace longshore
