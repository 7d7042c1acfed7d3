#include "auth/address.hpp"

#include <arpa/inet.h>
#include <algorithm>
#include <array>
#include <cstring>

namespace longshore {
namespace {

constexpr std::size_t kMaxText = 64;

}  // namespace

std::string network_of(std::string_view peer) {
    std::string text(peer.substr(0, kMaxText));
    in6_addr address{};
    if (::inet_pton(AF_INET6, text.c_str(), &address) != 1) {
        return text;
    }
    std::array<char, INET6_ADDRSTRLEN> out{};
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        ::inet_ntop(AF_INET, &address.s6_addr[12], out.data(), out.size());
        return out.data();
    }
    std::fill(std::begin(address.s6_addr) + 8, std::end(address.s6_addr),
              std::uint8_t{0});
    ::inet_ntop(AF_INET6, &address, out.data(), out.size());
    return std::string(out.data()) + "/64";
}

}  // namespace longshore
