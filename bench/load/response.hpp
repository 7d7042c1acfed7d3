// Incremental reader of one HTTP/1.1 answer: status, framing, Location and
// the number of body bytes, which it drops. It knows Content-Length framing
// only; anything else is reported as bad, so that a row fails instead of
// being measured wrongly. One per connection, not thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace longshore::load {

struct Response {
    int status = 0;
    std::int64_t content_length = -1;
    bool close = false;
    std::string location;
};

class ResponseReader {
public:
    enum class State { kHead, kBody, kDone, kBad };

    /// Forgets the last answer; `no_body` is true for HEAD.
    void begin(bool no_body);

    /// Takes the next bytes of the connection.
    State feed(const char* data, std::size_t size);

    State state() const { return state_; }
    const Response& response() const { return response_; }
    std::uint64_t body_bytes() const { return body_bytes_; }
    const char* why_bad() const { return why_bad_; }

private:
    State bad(const char* why);
    State take_body(std::size_t size);
    bool parse_head(std::string_view head);
    bool parse_header(std::string_view line);

    State state_ = State::kDone;
    bool no_body_ = false;
    std::uint64_t body_bytes_ = 0;
    std::uint64_t wanted_ = 0;
    std::string pending_;
    Response response_;
    const char* why_bad_ = "";
};

}  // namespace longshore::load
