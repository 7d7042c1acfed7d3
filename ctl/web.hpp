// One HTTP request as a client of a registry makes it: no proxy of the
// environment, no redirect followed, answers of a limited length.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

struct WebRequest {
    std::string method = "GET";
    std::string url;
    std::string authorization = {};  // the header's value; "": none
    std::string range = {};          // "0-0"; "": none
    std::string accept = {};
    std::string_view body = {};  // sent if the method has one; borrowed
};

struct WebAnswer {
    long status = 0;
    int version = 11;                            // 10, 11, 20
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;

    /// "" if there is none.
    std::string header(const std::string& name) const;
};

struct WebSettings {
    std::string roots = {};  // more root certificates, PEM file
    bool verify = true;      // the server's certificate
};

/// @errors unavailable (no connection, TLS, answer), timeout, too_large
Result<WebAnswer> ask_web(const WebSettings& settings,
                          const WebRequest& request);

struct WebAddress {
    std::string scheme;  // "http" "https"
    std::string host;    // without brackets
    std::string port;    // always there
    /// "https://host:port", the port only if it is not the scheme's own.
    std::string text() const;
};

/// The beginning of an absolute URL; of a text without a scheme as if it were
/// https. @errors invalid_argument
Result<WebAddress> parse_address(const std::string& url);

}  // namespace longshore
