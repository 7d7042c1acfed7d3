// Reads a JSON document of any size (RFC 8259) without holding it: an npm
// publish carries a package as one string. Strict: UTF-8, escapes, numbers and
// the grammar are checked, and an object with the same member twice is
// refused, so that no two readers can see different documents. One reader,
// one thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/byte_source.hpp"
#include "common/byte_window.hpp"
#include "common/result.hpp"

namespace longshore {

/// Bytes, unless it says something else. What an honest document needs, many
/// times over.
struct JsonLimits {
    std::size_t depth = 64;               // objects and arrays open at once
    std::size_t tokens = 4'000'000;       // values and names
    std::size_t key = 4096;               // a member's name
    std::size_t number = 128;             // a number as it is written
    std::size_t text = 4 * 1024 * 1024;   // a string that is kept
    std::size_t names = 8 * 1024 * 1024;  // names of the open objects
    std::size_t window = 64 * 1024;       // read at a time
    // A surrogate escape without its other half, as JavaScript writes for
    // text that was cut: U+FFFD instead of an error.
    bool repair_surrogates = false;
};

/// One step from a container to what is in it.
struct JsonStep {
    bool in_array = false;
    std::size_t index = 0;  // in an array
    std::string key;        // in an object
};

/// From the document down; empty for the document itself.
using JsonPath = std::vector<JsonStep>;

enum class JsonToken {
    object,
    object_end,
    array,
    array_end,
    text,
    number,
    boolean,
    null,
};

/// Takes strings that are too long to be kept.
class JsonTextReceiver {
public:
    virtual ~JsonTextReceiver() = default;

    /// A string begins that is nobody's name. The answer is where its text
    /// goes, decoded and in UTF-8; an empty one says that it is to be kept.
    /// @errors any, ends the reading
    virtual Result<ByteSink> begin_text(const JsonPath& path) = 0;

    /// A string that went to a sink has ended.
    /// @errors any, ends the reading
    virtual Result<void> end_text(const JsonPath& path) = 0;
};

class JsonReceiver : public JsonTextReceiver {
public:
    /// `text` is the value of a string that was kept, a number or a literal
    /// as it is written, or empty. A string that goes to a sink is no token.
    /// @errors any, ends the reading
    virtual Result<void> token(const JsonPath& path, JsonToken token,
                               std::string_view text) = 0;
};

/// Reads one document and what white space is around it.
/// @errors invalid_argument, too_large, what the source and the receiver end
/// with
Result<void> read_json(const ByteSource& source, JsonReceiver& receiver,
                       const JsonLimits& limits = {});

}  // namespace longshore
