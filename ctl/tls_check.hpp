// What a client written in Go finds when it opens a TLS connection: it knows
// the system's roots and what the server sends, fetches nothing, and does not
// read the certificate's common name.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"

namespace longshore {

struct TlsReport {
    std::string version;   // "TLSv1.3"
    std::string protocol;  // what ALPN chose: "h2" "http/1.1" ""
    std::size_t sent = 0;  // certificates
    std::string subject;
    std::string issuer;           // of the last certificate that was found
    bool self_signed = false;     // the server's own
    bool issuer_missing = false;  // no root and not sent
    std::string chain_error;      // "": trusted
    bool name_matches = false;    // by its subject alternative names
    std::int64_t ends_at_ms = 0;  // the first of the chain that ends
    bool trusted() const { return chain_error.empty() && name_matches; }
};

/// @param roots more root certificates, a PEM file; "": only the system's
/// @errors unavailable (no connection, no TLS), invalid_argument (roots)
Result<TlsReport> check_tls(const std::string& host, const std::string& port,
                            const std::string& roots);

}  // namespace longshore
