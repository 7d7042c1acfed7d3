#include "load/response.hpp"

#include <strings.h>

#include <charconv>

namespace longshore::load {
namespace {

constexpr std::size_t kMaxHead = 64U << 10U;

bool is_name(std::string_view line, std::string_view name) {
    return line.size() > name.size() && line[name.size()] == ':' &&
           ::strncasecmp(line.data(), name.data(), name.size()) == 0;
}

std::string_view value_of(std::string_view line) {
    line.remove_prefix(line.find(':') + 1);
    while (!line.empty() && line.front() == ' ') {
        line.remove_prefix(1);
    }
    return line;
}

}  // namespace

void ResponseReader::begin(bool no_body) {
    state_ = State::kHead;
    no_body_ = no_body;
    body_bytes_ = 0;
    wanted_ = 0;
    pending_.clear();
    response_.status = 0;
    response_.content_length = -1;
    response_.close = false;
    response_.location.clear();
}

ResponseReader::State ResponseReader::bad(const char* why) {
    why_bad_ = why;
    return state_ = State::kBad;
}

ResponseReader::State ResponseReader::feed(const char* data, std::size_t size) {
    if (state_ == State::kBody) {
        return take_body(size);
    }
    if (state_ != State::kHead) {
        return bad("bytes after the end of the answer");
    }
    // Most answers arrive in one piece: look at them in place.
    std::string_view seen(data, size);
    if (!pending_.empty()) {
        pending_.append(data, size);
        seen = pending_;
    }
    const std::size_t end = seen.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        if (seen.size() > kMaxHead) {
            return bad("answer head above 64 KiB");
        }
        if (pending_.empty()) {
            pending_.assign(data, size);
        }
        return state_;
    }
    if (!parse_head(seen.substr(0, end))) {
        return state_;
    }
    const std::size_t rest = seen.size() - end - 4;
    if (response_.status / 100 == 1) {
        const std::string after(seen.substr(end + 4));
        begin(no_body_);
        return after.empty() ? state_ : feed(after.data(), after.size());
    }
    const bool empty =
        no_body_ || response_.status == 204 || response_.status == 304;
    if (!empty && response_.content_length < 0) {
        return bad("answer without Content-Length");
    }
    wanted_ = empty ? 0 : static_cast<std::uint64_t>(response_.content_length);
    state_ = State::kBody;
    return take_body(rest);
}

ResponseReader::State ResponseReader::take_body(std::size_t size) {
    body_bytes_ += size;
    if (body_bytes_ > wanted_) {
        return bad("more bytes than Content-Length");
    }
    if (body_bytes_ == wanted_) {
        state_ = State::kDone;
    }
    return state_;
}

bool ResponseReader::parse_head(std::string_view head) {
    if (head.size() < 12 || head.substr(0, 7) != "HTTP/1.") {
        bad("not an HTTP/1 answer");
        return false;
    }
    const char* digits = head.data() + 9;
    if (std::from_chars(digits, digits + 3, response_.status).ptr !=
        digits + 3) {
        bad("status is not a number");
        return false;
    }
    std::size_t at = head.find("\r\n");
    while (at != std::string_view::npos) {
        const std::size_t start = at + 2;
        at = head.find("\r\n", start);
        const std::string_view line =
            head.substr(start, at == std::string_view::npos ? at : at - start);
        if (!parse_header(line)) {
            return false;
        }
    }
    return true;
}

bool ResponseReader::parse_header(std::string_view line) {
    if (is_name(line, "content-length")) {
        const std::string_view value = value_of(line);
        const char* end = value.data() + value.size();
        if (std::from_chars(value.data(), end, response_.content_length).ptr !=
                end ||
            response_.content_length < 0) {
            bad("Content-Length is not a number");
            return false;
        }
    } else if (is_name(line, "transfer-encoding")) {
        bad("answer with Transfer-Encoding");
        return false;
    } else if (is_name(line, "connection")) {
        const std::string_view value = value_of(line);
        response_.close =
            value.size() == 5 && ::strncasecmp(value.data(), "close", 5) == 0;
    } else if (is_name(line, "location")) {
        response_.location = value_of(line);
    }
    return true;
}

}  // namespace longshore::load
