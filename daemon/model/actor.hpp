// Actor: who does something, by which credential and from where, as the audit
// log has it. Never the secret of a credential, only what names it.
#pragma once

#include <cstdint>
#include <string>

namespace longshore {

struct Actor {
    std::int64_t principal_id = 0;  // 0: nobody that is known
    std::string principal;          // name; "" if nobody
    std::string credential;         // kind, docs/audit.md: "password" …
    std::string credential_id;      // its public part, or ""
    std::string peer;               // address; "uid:1000" of a local program
    std::string request_id;
};

}  // namespace longshore
