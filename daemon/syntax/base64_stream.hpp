// Base64 that comes in pieces, with the padding that RFC 4648 section 4 asks
// for and nothing else: no line breaks, no other alphabet, unused bits zero.
// One stream, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

class Base64Stream {
public:
    /// Appends what `text` decodes to; a group of four characters may be
    /// spread over several calls. After an error nothing more may be added.
    /// @errors invalid_argument
    Result<void> add(std::string_view text, std::string& out);

    /// The end: nothing of a group may be left open.
    /// @errors invalid_argument
    Result<void> finish() const;

private:
    Result<void> add_group(std::string_view text, std::string& out);

    std::uint32_t bits_ = 0;
    unsigned characters_ = 0;  // of the open group, padding included
    unsigned padding_ = 0;
    bool ended_ = false;  // a group with padding is the last one
};

/// The whole of a text.
/// @errors invalid_argument
Result<std::string> base64_decode(std::string_view text);

/// With padding.
std::string base64_encode(std::string_view bytes);

}  // namespace longshore
