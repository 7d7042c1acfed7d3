// Which network addresses a request of ours may go to. Names are looked up by
// others, so what counts is the address that a connection is made to, at the
// moment when it is made. Pure.
#pragma once

#include <cstdint>

struct sockaddr;

namespace longshore {

enum class Reach : std::uint8_t {
    world,     // addresses of the public network only
    loopback,  // this machine only
    any,       // also private networks: the operator said so
};

/// True when `address` (IPv4 or IPv6, also in the forms that carry an IPv4
/// address within) lies within the reach. RFC 6890.
bool may_reach(const sockaddr& address, Reach reach) noexcept;

}  // namespace longshore
