#include "syntax/json_stream.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "common/encoding.hpp"
#include "common/text.hpp"

namespace longshore {
namespace {

// What a name costs beside its bytes.
constexpr std::size_t kNameCost = 64;

Error broken(const char* why) {
    return {Code::invalid_argument, std::string("JSON: ") + why};
}

Error too_large(const char* what, std::size_t limit) {
    return {Code::too_large,
            std::string("JSON: ") + what + " than " + std::to_string(limit)};
}

// Plain means: stands in a string as it is.
constexpr auto kPlain = [] {
    std::array<bool, 256> plain{};
    for (std::size_t c = 0x20; c < 256; ++c) {
        plain[c] = c != '"' && c != '\\';
    }
    return plain;
}();

// RFC 8259 section 6.
bool is_number(std::string_view text) noexcept {
    const auto digits = [&] {
        const auto size =
            std::min(text.find_first_not_of("0123456789"), text.size());
        text.remove_prefix(size);
        return size;
    };
    if (text.substr(0, 1) == "-") {
        text.remove_prefix(1);
    }
    const bool zero = text.substr(0, 1) == "0";
    const auto whole = digits();
    if (whole == 0 || (zero && whole > 1)) {
        return false;
    }
    if (text.substr(0, 1) == ".") {
        text.remove_prefix(1);
        if (digits() == 0) {
            return false;
        }
    }
    if (!text.empty() && (text[0] == 'e' || text[0] == 'E')) {
        text.remove_prefix(1);
        if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
            text.remove_prefix(1);
        }
        if (digits() == 0) {
            return false;
        }
    }
    return text.empty();
}

class Reader {
public:
    Reader(const ByteSource& source, JsonReceiver& receiver,
           const JsonLimits& limits)
        : window_(source, limits.window),
          receiver_(receiver),
          limits_(limits) {}

    Result<void> run() {
        LS_CHECK(value());
        while (!open_.empty()) {
            LS_CHECK(next());
        }
        LS_TRY(after, peek());
        if (after != '\0' || !window_.view().empty()) {
            return broken("more after the document");
        }
        return {};
    }

private:
    // An object or an array that is open; the last step of path_ is where
    // in it the reader is.
    struct Open {
        bool array = false;
        bool first = true;
        std::set<std::string, std::less<>> names;
        std::size_t cost = 0;
    };

    // The next character that is not white space; it stays. NUL at the end,
    // and for a NUL, which is no JSON either.
    Result<char> peek() {
        for (;;) {
            const auto view = window_.view();
            const auto found = view.find_first_not_of(" \t\r\n");
            if (found != std::string_view::npos) {
                window_.skip(found);
                return view[found];
            }
            window_.skip(view.size());
            if (window_.at_end()) {
                return '\0';
            }
            LS_CHECK(window_.more());
        }
    }

    Result<void> count() {
        if (++tokens_ > limits_.tokens) {
            return too_large("more values", limits_.tokens);
        }
        return {};
    }

    Result<void> value() {
        LS_CHECK(count());
        LS_TRY(c, peek());
        switch (c) {
            case '{':
            case '[':
                return open(c == '[');
            case '"':
                return text_value();
            case 't':
                return literal("true", JsonToken::boolean);
            case 'f':
                return literal("false", JsonToken::boolean);
            case 'n':
                return literal("null", JsonToken::null);
            default:
                return number();
        }
    }

    Result<void> open(bool array) {
        if (open_.size() >= limits_.depth) {
            return too_large("deeper", limits_.depth);
        }
        LS_CHECK(receiver_.token(
            path_, array ? JsonToken::array : JsonToken::object, {}));
        window_.skip(1);
        open_.push_back({array, true, {}, 0});
        path_.push_back({array, 0, {}});
        return {};
    }

    Result<void> close() {
        const bool array = open_.back().array;
        window_.skip(1);
        names_ -= open_.back().cost;
        open_.pop_back();
        path_.pop_back();
        return receiver_.token(
            path_, array ? JsonToken::array_end : JsonToken::object_end, {});
    }

    // Within a container: its end, or the next value in it.
    Result<void> next() {
        Open& top = open_.back();
        LS_TRY(c, peek());
        if (c == (top.array ? ']' : '}')) {
            return close();
        }
        if (!top.first) {
            if (c != ',') {
                return broken("neither a comma nor an end after a value");
            }
            window_.skip(1);
            ++path_.back().index;
        }
        top.first = false;
        if (!top.array) {
            LS_CHECK(name());
        }
        return value();
    }

    Result<void> name() {
        LS_CHECK(count());
        LS_TRY(quote, peek());
        if (quote != '"') {
            return broken("an object with something else than names");
        }
        std::string key;
        LS_CHECK(text([&](std::string_view bytes) -> Result<void> {
            if (bytes.size() > limits_.key - key.size()) {
                return too_large("a longer name", limits_.key);
            }
            key += bytes;
            return {};
        }));
        LS_TRY(colon, peek());
        if (colon != ':') {
            return broken("a name without a colon");
        }
        window_.skip(1);
        Open& top = open_.back();
        const auto cost = key.size() + kNameCost;
        if (cost > limits_.names - names_) {
            return too_large("names longer together", limits_.names);
        }
        if (!top.names.insert(key).second) {
            return broken("the same member twice in one object");
        }
        names_ += cost;
        top.cost += cost;
        path_.back().key = std::move(key);
        return {};
    }

    Result<void> literal(std::string_view word, JsonToken token) {
        LS_CHECK(window_.need(word.size()));
        if (window_.view().substr(0, word.size()) != word) {
            return broken("a word that is no value");
        }
        window_.skip(word.size());
        return receiver_.token(path_, token, word);
    }

    Result<void> number() {
        LS_CHECK(window_.need(limits_.number + 1));
        const auto view = window_.view();
        const auto size =
            std::min(view.find_first_not_of("+-.eE0123456789"), view.size());
        if (size > limits_.number) {
            return too_large("a longer number", limits_.number);
        }
        const auto text = std::string(view.substr(0, size));
        if (!is_number(text)) {
            return broken("something that is no value");
        }
        window_.skip(size);
        return receiver_.token(path_, JsonToken::number, text);
    }

    Result<void> text_value() {
        LS_TRY(sink, receiver_.begin_text(path_));
        if (sink) {
            LS_CHECK(text(sink));
            return receiver_.end_text(path_);
        }
        std::string value;
        LS_CHECK(text([&](std::string_view bytes) -> Result<void> {
            if (bytes.size() > limits_.text - value.size()) {
                return too_large("a longer string", limits_.text);
            }
            value += bytes;
            return {};
        }));
        return receiver_.token(path_, JsonToken::text, value);
    }

    // From one quote to the other, decoded.
    Result<void> text(const ByteSink& sink) {
        window_.skip(1);
        for (;;) {
            const auto view = window_.view();
            const auto stop = std::find_if_not(
                view.begin(), view.end(),
                [](char c) { return kPlain[static_cast<unsigned char>(c)]; });
            const auto run =
                view.substr(0, static_cast<std::size_t>(stop - view.begin()));
            const auto whole = utf8_prefix(run);
            // A sequence may go on beyond the window, of four bytes at most.
            const bool cut = stop == view.end() && run.size() - whole < 4;
            if (whole < run.size() && (!cut || window_.at_end())) {
                return broken("a string that is not UTF-8");
            }
            if (whole > 0) {
                LS_CHECK(sink(run.substr(0, whole)));
                window_.skip(whole);
            }
            if (stop == view.end()) {
                if (window_.at_end()) {
                    return broken("a string without its end");
                }
                LS_CHECK(window_.more());
            } else if (*stop == '"') {
                window_.skip(1);
                return {};
            } else if (*stop == '\\') {
                LS_CHECK(escape(sink));
            } else {
                return broken("a control character in a string");
            }
        }
    }

    Result<void> escape(const ByteSink& sink) {
        static constexpr std::string_view kNames = "\"\\/bfnrt";
        static constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
        LS_CHECK(window_.need(2));
        const auto view = window_.view();
        if (view.size() > 1 && view[1] == 'u') {
            return code_point(sink);
        }
        const auto which =
            view.size() < 2 ? std::string_view::npos : kNames.find(view[1]);
        if (which == std::string_view::npos) {
            return broken("an escape that there is not");
        }
        window_.skip(2);
        return sink(kMeant.substr(which, 1));
    }

    // Four hex digits after \u at `at`; -1 for anything else.
    int unit(std::size_t at) const {
        const auto digits =
            window_.view().substr(std::min(at, window_.view().size()), 6);
        if (digits.size() < 6 || digits.substr(0, 2) != "\\u") {
            return -1;
        }
        int value = 0;
        for (const char c : digits.substr(2)) {
            if (hex_value(c) < 0) {
                return -1;
            }
            value = value * 16 + hex_value(c);
        }
        return value;
    }

    Result<void> code_point(const ByteSink& sink) {
        LS_CHECK(window_.need(12));
        const int first = unit(0);
        if (first < 0) {
            return broken("an escape that there is not");
        }
        auto point = static_cast<char32_t>(first);
        std::size_t size = 6;
        if (first >= 0xd800 && first < 0xe000) {
            const int second = unit(6);
            if (first < 0xdc00 && second >= 0xdc00 && second < 0xe000) {
                point = 0x10000 +
                        (static_cast<char32_t>(first - 0xd800) << 10) +
                        static_cast<char32_t>(second - 0xdc00);
                size = 12;
            } else if (limits_.repair_surrogates) {
                point = 0xfffd;
            } else {
                return broken("half of a surrogate pair");
            }
        }
        window_.skip(size);
        std::string bytes;
        append_utf8(point, bytes);
        return sink(bytes);
    }

    ByteWindow window_;
    JsonReceiver& receiver_;
    const JsonLimits& limits_;
    std::vector<Open> open_;
    JsonPath path_;
    std::size_t tokens_ = 0;
    std::size_t names_ = 0;
};

}  // namespace

Result<void> read_json(const ByteSource& source, JsonReceiver& receiver,
                       const JsonLimits& limits) {
    return Reader(source, receiver, limits).run();
}

}  // namespace longshore
