// What is remembered of segmented indexes from one generation to the next.
// Private to registry/. Pure values.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/compress.hpp"
#include "common/hash.hpp"

namespace longshore::segments {

/// Of the text of one stream in one bucket.
struct TextState {
    std::string key;  // equal for equal texts alone
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
};

struct BucketState {
    std::int64_t revision = 0;
    std::map<std::string, TextState, std::less<>> streams;
};

// In the place of a bucket's number.
inline constexpr auto kHead = std::numeric_limits<std::int64_t>::min();
inline constexpr auto kTail = std::numeric_limits<std::int64_t>::max();

/// A text within an index.
struct PartState {
    std::int64_t number = 0;
    std::string stream;
    std::string key;
    std::uint64_t bytes = 0;
    /// Where it ends in the text (0) and in each form (1 …).
    std::vector<std::uint64_t> ends = {};
    std::uint64_t xz_unpadded = 0;
    /// SHA-256 up to these ends; empty: not kept.
    std::vector<HashState> hashes = {};

    bool same(const PartState& other) const {
        return number == other.number && stream == other.stream &&
               key == other.key;
    }
};

struct IndexState {
    std::vector<Encoding> forms;
    bool plain_kept = false;
    bool plain_hashed = false;
    std::string digest;  // of the text; "": not hashed
    std::vector<PartState> parts;
};

struct State {
    std::uint32_t version = 0;
    std::map<std::int64_t, BucketState> buckets;
    std::map<std::string, IndexState, std::less<>> indexes;
};

std::string encode(const State& state);

/// nullopt: torn, or written by another release.
std::optional<State> decode(std::string_view bytes);

}  // namespace longshore::segments
