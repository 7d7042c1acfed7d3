// The `state` file of an upload: how many bytes of `data` are durable, and
// the midstate of the running hash at that offset. Two slots, each a record
// with a check of its own, are written in turn and in place, after the data
// they cover; the newest whole one counts. So a write that a crash tears
// leaves the one before, and a chunk costs no journal commit for its state.
// Layout of the record: docs/storage-layout.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/hash.hpp"

namespace longshore {

struct UploadState {
    /// Counts the writes of this session; its parity names the slot.
    std::uint64_t generation = 0;
    std::uint64_t offset = 0;
    /// The hash that runs along: what the client announced by
    /// ?digest-algorithm=, else sha256. A PUT that names the other algorithm
    /// makes the file be read once more.
    HashState hash;
};

/// A slot has a block of its own, whatever the file system's block size.
inline constexpr std::size_t kUploadSlotBytes = 4096;
inline constexpr std::size_t kUploadStateBytes = 2 * kUploadSlotBytes;

/// Bytes from the start of the file to the slot of this state.
constexpr std::size_t upload_slot_offset(const UploadState& state) noexcept {
    return state.generation % 2 * kUploadSlotBytes;
}

/// State of an upload without bytes.
UploadState new_upload_state(Algorithm algorithm) noexcept;

/// The record, for its slot.
std::string encode_upload_state(const UploadState& state);

/// The whole file with this state in its slot and nothing in the other.
std::string encode_upload_state_file(const UploadState& state);

/// The newest of the records in a file; nullopt when none is whole and of
/// this version.
std::optional<UploadState> decode_upload_state_file(std::string_view file);

/// One record, whatever follows it. nullopt when it is short, of another
/// version, or its check does not match.
std::optional<UploadState> decode_upload_state(std::string_view record);

}  // namespace longshore
