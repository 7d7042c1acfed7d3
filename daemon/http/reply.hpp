// What a handler answers; server/ turns it into a Decision.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/digest.hpp"
#include "common/protocol.hpp"

namespace longshore {

/// Send these bytes.
struct InlineBody {
    std::string bytes;
};

/// Send this blob from the store, or this document.
struct BlobBody {
    Digest digest;
    std::uint64_t size_bytes = 0;
    Area area = Area::blobs;
};

/// Receive the body first, then ask again (Request::received).
struct ReceiveMemory {
    std::uint64_t max_bytes = 0;
};
struct ReceiveSpool {
    std::uint64_t max_bytes = 0;  // 0: no limit
    std::uint8_t algorithms = 0;  // kMd5 … of protocol.hpp, beside SHA-256
};
struct ReceiveUpload {
    std::string upload_id;
    std::uint64_t max_bytes = 0;
    Digest expected;
};

struct Reply {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string media_type;  // becomes Content-Type when there is a body
    std::string_view error;  // the format's error code (static), or ""
    std::variant<std::monostate, InlineBody, BlobBody, ReceiveMemory,
                 ReceiveUpload, ReceiveSpool>
        body;

    /// For log, metrics and counts, if the handler knows better than the
    /// route: the file's path.
    std::string reference;
    /// nginx counts each sending of it under `reference`.
    bool counted = false;

    /// nginx may answer the same question from its cache for that long,
    /// unless one of `keys` is dropped.
    std::uint32_t ttl_ms = 0;
    std::vector<std::string> keys;
    /// Keys that this write made stale.
    std::vector<std::string> drops;

    Reply& header(std::string_view name, std::string_view value) {
        headers.emplace_back(name, value);
        return *this;
    }
};

}  // namespace longshore
