#include "http/multipart.hpp"

#include <algorithm>
#include <utility>

#include "common/text.hpp"
#include "http/header_value.hpp"

namespace longshore {
namespace {

constexpr std::size_t kBoundaryLength = 70;
// White space that may follow a boundary (RFC 2046); nobody sends any.
constexpr std::size_t kPadding = 128;

Error broken(const char* why) {
    return {Code::invalid_argument, std::string("multipart: ") + why};
}

Error too_large(const char* what, std::size_t limit) {
    return {Code::too_large, std::string("multipart: ") + what + " more than " +
                                 std::to_string(limit)};
}

enum class After { part, finish, data };

class Reader {
public:
    Reader(const ByteSource& body, std::string_view boundary,
           MultipartReceiver& receiver, const MultipartLimits& limits)
        : window_(body, limits.window),
          delimiter_("\r\n--" + std::string(boundary)),
          receiver_(receiver),
          limits_(limits) {}

    Result<void> run() {
        // The preamble says nothing.
        LS_TRY(after, copy([](std::string_view) { return Result<void>{}; }));
        std::size_t parts = 0;
        while (after == After::part) {
            if (++parts > limits_.parts) {
                return too_large("parts", limits_.parts);
            }
            LS_TRY(next, part());
            after = next;
        }
        return {};  // and the epilogue says nothing either
    }

private:
    Result<After> part() {
        LS_TRY(head, read_head());
        LS_TRY(sink, receiver_.begin(head));
        if (sink) {
            LS_TRY(after, copy(sink));
            LS_CHECK(receiver_.end(head));
            return after;
        }
        std::string value;
        LS_TRY(after, copy([&](std::string_view bytes) -> Result<void> {
                   if (bytes.size() > limits_.field - value.size()) {
                       return too_large("a field has", limits_.field);
                   }
                   if (bytes.size() > limits_.fields - kept_) {
                       return too_large("fields have", limits_.fields);
                   }
                   kept_ += bytes.size();
                   value += bytes;
                   return {};
               }));
        LS_CHECK(receiver_.field(head, std::move(value)));
        return after;
    }

    // Hands on all bytes before the next delimiter, and takes that.
    Result<After> copy(const ByteSink& sink) {
        LS_CHECK(window_.need(delimiter_.size()));
        // At the very start the line end of the delimiter is the one of the
        // line before, or there is no line before.
        const auto dashes = std::string_view(delimiter_).substr(2);
        if (window_.view().substr(0, dashes.size()) == dashes) {
            LS_TRY(after, take_delimiter(dashes.size(), sink));
            if (after != After::data) {
                return after;
            }
        }
        for (;;) {
            const auto view = window_.view();
            const auto found = view.find(delimiter_);
            if (found != std::string_view::npos) {
                LS_CHECK(hand_on(sink, found));
                LS_TRY(after, take_delimiter(delimiter_.size(), sink));
                if (after != After::data) {
                    return after;
                }
                continue;
            }
            if (window_.at_end()) {
                return broken("ends before its last boundary");
            }
            // The window may end within a delimiter.
            if (view.size() >= delimiter_.size()) {
                LS_CHECK(hand_on(sink, view.size() - delimiter_.size() + 1));
            }
            LS_CHECK(window_.more());
        }
    }

    Result<void> hand_on(const ByteSink& sink, std::size_t count) {
        if (count > 0) {
            LS_CHECK(sink(window_.view().substr(0, count)));
            window_.skip(count);
        }
        return {};
    }

    // `size` bytes in view look like a delimiter; what follows decides. A
    // boundary that another one starts with is no delimiter but data.
    Result<After> take_delimiter(std::size_t size, const ByteSink& sink) {
        LS_CHECK(window_.need(size + 2 + kPadding + 2));
        auto rest = window_.view().substr(size);
        const bool last = rest.substr(0, 2) == "--";
        if (last) {
            rest.remove_prefix(2);
        }
        const auto padding =
            std::min(rest.find_first_not_of(" \t"), rest.size());
        rest.remove_prefix(padding);
        const bool line_ends = rest.substr(0, 2) == "\r\n";
        if (padding > kPadding) {
            return broken("a boundary whose line does not end");
        }
        if (line_ends || (last && rest.empty() && window_.at_end())) {
            window_.skip(size + (last ? 2 : 0) + padding + (line_ends ? 2 : 0));
            return last ? After::finish : After::part;
        }
        if (last || padding > 0 || rest.empty() || rest.front() == '\r' ||
            rest.front() == '\n') {
            return broken("a boundary whose line does not end");
        }
        LS_CHECK(hand_on(sink, size));
        return After::data;
    }

    // The lines up to the empty one, which is taken too.
    Result<std::string> head_text() {
        for (std::size_t from = 0;;) {
            const auto view = window_.view();
            if (view.substr(0, 2) == "\r\n") {
                window_.skip(2);
                return std::string();
            }
            const auto found = view.find("\r\n\r\n", from);
            if (found < limits_.header) {
                std::string text(view.substr(0, found + 2));
                window_.skip(found + 4);
                return text;
            }
            if (view.size() >= limits_.header + 4) {
                return too_large("a part's header has", limits_.header);
            }
            if (window_.at_end()) {
                return broken("ends within a part's header");
            }
            from = view.size() < 3 ? 0 : view.size() - 3;
            LS_CHECK(window_.more());
        }
    }

    Result<PartHead> read_head();
    static Result<void> take_field(std::string_view name,
                                   std::string_view value, PartHead& head,
                                   bool& disposed);

    ByteWindow window_;
    std::string delimiter_;
    MultipartReceiver& receiver_;
    const MultipartLimits& limits_;
    std::size_t kept_ = 0;
};

Result<void> Reader::take_field(std::string_view name, std::string_view value,
                                PartHead& head, bool& disposed) {
    if (equal_ignoring_case(name, "content-disposition")) {
        LS_TRY(parsed, parse_header_value(value));
        auto field = parsed.parameter("name");
        if (disposed || parsed.value != "form-data" || !field) {
            return broken("a part that is not the value of a field");
        }
        head.name = std::move(*field);
        head.filename = parsed.parameter("filename");
        disposed = true;
    } else if (equal_ignoring_case(name, "content-type")) {
        if (!head.content_type.empty()) {
            return broken("a part with two types");
        }
        head.content_type = value;
    } else if (equal_ignoring_case(name, "content-transfer-encoding")) {
        const auto is = [&](const char* encoding) {
            return equal_ignoring_case(value, encoding);
        };
        if (!is("binary") && !is("8bit") && !is("7bit")) {
            return Error{Code::unsupported,
                         "multipart: a transfer encoding other than binary"};
        }
    }
    return {};
}

Result<PartHead> Reader::read_head() {
    LS_TRY(text, head_text());
    // A line that starts with white space goes on with the one before.
    for (std::size_t at = 0;
         (at = text.find("\r\n", at)) != std::string::npos;) {
        if (at + 2 < text.size() &&
            (text[at + 2] == ' ' || text[at + 2] == '\t')) {
            text.replace(at, 3, " ");
        } else {
            at += 2;
        }
    }
    PartHead head;
    bool disposed = false;
    for (std::string_view rest = text; !rest.empty();) {
        const auto end = rest.find("\r\n");
        const auto line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        const auto colon = line.find(':');
        const bool clean = std::none_of(line.begin(), line.end(), [](char c) {
            return (c >= 0 && c < 32 && c != '\t') || c == 127;
        });
        if (colon == 0 || colon == std::string_view::npos || !clean ||
            !is_utf8(line)) {
            return broken("a line of a part's header that is none");
        }
        LS_CHECK(take_field(line.substr(0, colon),
                            trimmed(line.substr(colon + 1)), head, disposed));
    }
    if (!disposed) {
        return broken("a part without Content-Disposition");
    }
    return head;
}

bool is_boundary_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') ||
           std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

bool is_boundary(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kBoundaryLength &&
           text.back() != ' ' &&
           std::all_of(text.begin(), text.end(), is_boundary_character);
}

}  // namespace

Result<std::string> multipart_boundary(std::string_view content_type) {
    LS_TRY(parsed, parse_header_value(content_type));
    if (parsed.value != "multipart/form-data") {
        return Error{Code::unsupported,
                     "wanted multipart/form-data, not " + parsed.value};
    }
    auto boundary = parsed.parameter("boundary");
    if (!boundary || !is_boundary(*boundary)) {
        return broken("no boundary of 1 to 70 characters");
    }
    return std::move(*boundary);
}

Result<void> read_multipart(const ByteSource& body, std::string_view boundary,
                            MultipartReceiver& receiver,
                            const MultipartLimits& limits) {
    if (!is_boundary(boundary)) {
        return broken("no boundary of 1 to 70 characters");
    }
    return Reader(body, boundary, receiver, limits).run();
}

}  // namespace longshore
