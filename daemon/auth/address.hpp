// The network that an address stands for, where something is counted by
// address: IPv4 as it is, IPv6 by its /64, for one client has all of that.
#pragma once

#include <string>
#include <string_view>

namespace longshore {

/// "192.0.2.1", "2001:db8:0:1::/64"; other texts ("unix:") as they are, cut.
std::string network_of(std::string_view peer);

}  // namespace longshore
