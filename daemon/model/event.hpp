// Event: a fact published after commit. Written to the outbox in the
// transaction that made it true.
#pragma once

#include <cstdint>
#include <string>

namespace longshore {

struct Event {
    std::int64_t id = 0;    // grows; assigned by the outbox
    std::string type;       // "manifest.pushed" "tag.moved" "blob.pushed" …
    std::string name;       // repository name
    std::string reference;  // tag, or empty
    std::string digest;     // digest text, or empty
    std::string media_type;
    std::uint64_t size_bytes = 0;
    std::string request_id;
    std::int64_t at_ms = 0;  // Unix time
};

}  // namespace longshore
