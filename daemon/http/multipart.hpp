// Reads a form with files, multipart/form-data, in one pass and without
// holding it: RFC 7578, RFC 2046 section 5.1. What is cut off, or has lines
// that end with LF alone, is refused, so that no two readers can find other
// parts in it. One reader, one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/byte_source.hpp"
#include "common/byte_window.hpp"
#include "common/result.hpp"

namespace longshore {

/// Bytes, unless it says something else.
struct MultipartLimits {
    std::size_t parts = 1000;              // count
    std::size_t header = 16 * 1024;        // of one part
    std::size_t field = 1024 * 1024;       // a field that is kept in memory
    std::size_t fields = 8 * 1024 * 1024;  // all of them together
    std::size_t window = 64 * 1024;        // read at a time
};

/// What a part says about itself, as UTF-8 without control characters.
struct PartHead {
    std::string name;
    std::optional<std::string> filename;  // as sent: may be a whole path
    std::string content_type;             // as sent, empty for none
};

class MultipartReceiver {
public:
    virtual ~MultipartReceiver() = default;

    /// A part begins. The answer is where its bytes go; an empty one says
    /// that they are to be kept and handed to field().
    /// @errors any, ends the reading
    virtual Result<ByteSink> begin(const PartHead& head) = 0;

    /// A part that was kept, whole: any bytes.
    /// @errors any, ends the reading
    virtual Result<void> field(const PartHead& head, std::string value) = 0;

    /// A part that went to a sink has ended.
    /// @errors any, ends the reading
    virtual Result<void> end(const PartHead& head) = 0;
};

/// The boundary that a Content-Type names: 1 to 70 characters.
/// @errors invalid_argument, unsupported (another media type)
Result<std::string> multipart_boundary(std::string_view content_type);

/// Reads `body` to its final boundary. The receiver learns of parts in their
/// order; after an error what it took is not to be used.
/// @errors invalid_argument, too_large, unsupported (a transfer encoding),
/// what the source and the receiver end with
Result<void> read_multipart(const ByteSource& body, std::string_view boundary,
                            MultipartReceiver& receiver,
                            const MultipartLimits& limits = {});

}  // namespace longshore
