// The `state` file of an upload: how many bytes of `data` are durable, and
// the midstate of each running hash at that offset. Written by temp file and
// rename after the data it covers; whoever goes on truncates `data` to
// `offset`. Layout of the record: docs/storage-layout.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/hash.hpp"

namespace longshore {

struct UploadState {
    std::uint64_t offset = 0;
    /// The hash that runs along: what the client announced by
    /// ?digest-algorithm=, else sha256. A PUT that names the other algorithm
    /// makes the file be read once more.
    HashState hash;
};

/// State of an upload without bytes.
UploadState new_upload_state(Algorithm algorithm) noexcept;

std::string encode_upload_state(const UploadState& state);

/// nullopt for a record that is short, of another version, or whose check
/// does not match (a torn write).
std::optional<UploadState> decode_upload_state(std::string_view record);

}  // namespace longshore
