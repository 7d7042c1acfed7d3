// One bounded GET to a server that an operator named: TLS verified, no
// redirects, no proxy, no compression, nothing but 200, at most so many bytes
// and seconds, and only to addresses within reach. For background jobs.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "upstream/address.hpp"

namespace longshore {

struct FetchRequest {
    std::string url;      // https, or http to this machine
    std::string ca_file;  // PEM; "": the system's
    Reach reach = Reach::world;
    std::size_t max_bytes = 512 * 1024;
    long timeout_ms = 5000;  // of everything together
    /// Looked at now and then; true ends the request.
    std::function<bool()> stopping = {};
};

/// The body of a 200.
/// @errors unavailable (no connection, another status, redirect, TLS),
///         timeout, too_large, denied (an address out of reach)
/// @thread any; blocks
Result<std::string> fetch(const FetchRequest& request);

/// loopback for a host that is this machine by its name, else world, or any
/// where private networks are allowed.
Reach reach_of(std::string_view url, bool private_network) noexcept;

}  // namespace longshore
