// The keys of issuers of external tokens: fetched when an issuer is new, now
// and then, and when a token names a key that is not known. One thread, so
// there is one request to an issuer at a time.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "common/result.hpp"

namespace longshore {

class ExternalTokens;
struct KeysWanted;

class IssuerKeys {
public:
    /// `stopping`: true once requests are to be given up.
    IssuerKeys(ExternalTokens& tokens, std::function<bool()> stopping)
        : tokens_(tokens), stopping_(std::move(stopping)) {}

    /// Fetches what is due; the pause until the next look.
    std::chrono::milliseconds step();

private:
    Result<std::string> get(const KeysWanted& wanted);

    ExternalTokens& tokens_;
    std::function<bool()> stopping_;
};

}  // namespace longshore
