#include "formats/go/go_mod.hpp"

#include <algorithm>

#include "syntax/go_version.hpp"

namespace longshore::go {
namespace {

struct Token {
    std::string text;
    bool quoted = false;

    bool is(std::string_view mark) const noexcept {
        return !quoted && text == mark;
    }
};

Error bad(std::size_t line, std::string_view why) {
    return Error{Code::invalid_argument,
                 "go.mod:" + std::to_string(line) + ": " + std::string(why)};
}

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\r';
}

// "..." without escapes or `...`; `text` loses it.
Result<Token> take_quoted(std::string_view& text, std::size_t line) {
    auto end = text.find(text.front(), 1);
    if (end == text.npos) {
        return bad(line, "a quoted string without an end");
    }
    auto inside = text.substr(1, end - 1);
    if (text.front() == '"' && inside.find('\\') != inside.npos) {
        return bad(line, "escapes in quoted strings are not taken");
    }
    text.remove_prefix(end + 1);
    return Token{std::string(inside), true};
}

Result<std::vector<Token>> split(std::string_view text, std::size_t line) {
    static constexpr std::string_view kMarks = "()[],";
    std::vector<Token> tokens;
    while (!text.empty()) {
        auto c = text.front();
        if (is_blank(c)) {
            text.remove_prefix(1);
        } else if (text.starts_with("//")) {
            break;
        } else if (text.starts_with("/*")) {
            return bad(line, "comments begin with //");
        } else if (c == '"' || c == '`') {
            LS_TRY(token, take_quoted(text, line));
            tokens.push_back(std::move(token));
        } else if (kMarks.find(c) != kMarks.npos) {
            tokens.push_back({std::string(1, c), false});
            text.remove_prefix(1);
        } else {
            std::size_t end = 0;
            while (end < text.size() && !is_blank(text[end]) &&
                   kMarks.find(text[end]) == kMarks.npos &&
                   !text.substr(end).starts_with("//")) {
                ++end;
            }
            tokens.push_back({std::string(text.substr(0, end)), false});
            text.remove_prefix(end);
        }
    }
    return tokens;
}

class Reader {
public:
    Result<GoMod> read(std::string_view text) {
        while (!text.empty()) {
            ++line_;
            auto end = std::min(text.find('\n'), text.size());
            LS_TRY(tokens, split(text.substr(0, end), line_));
            LS_CHECK(take(tokens));
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        if (in_block_) {
            return bad(line_, "a block without an end");
        }
        if (mod_.module.empty()) {
            return Error{Code::invalid_argument, "go.mod has no module line"};
        }
        return std::move(mod_);
    }

private:
    using Tokens = std::vector<Token>;

    Result<void> take(Tokens& tokens) {
        if (tokens.empty()) {
            return {};
        }
        if (in_block_) {
            if (tokens.size() == 1 && tokens[0].is(")")) {
                in_block_ = false;
                return {};
            }
            return take_line(tokens);
        }
        if (tokens.size() >= 2 && tokens[1].is("(")) {
            verb_ = tokens[0].text;
            in_block_ = !(tokens.size() == 3 && tokens[2].is(")"));
            return tokens.size() == 2 || !in_block_
                       ? Result<void>()
                       : Result<void>(bad(line_, "a block begins on one line"));
        }
        verb_ = tokens[0].text;
        tokens.erase(tokens.begin());
        return take_line(tokens);
    }

    Result<void> take_line(const Tokens& tokens) {
        if (verb_ == "module") {
            if (tokens.size() != 1 || tokens[0].text.empty()) {
                return bad(line_, "the line is: module PATH");
            }
            if (!mod_.module.empty()) {
                return bad(line_, "a second module line");
            }
            mod_.module = tokens[0].text;
        } else if (verb_ == "retract") {
            return take_retraction(tokens);
        }
        return {};
    }

    // v1.0.0 or [v1.0.0, v1.2.0]
    Result<void> take_retraction(const Tokens& tokens) {
        bool range = tokens.size() == 5 && tokens[0].is("[") &&
                     tokens[2].is(",") && tokens[4].is("]");
        if (!range && tokens.size() != 1) {
            return bad(line_, "the line is: retract VERSION or [LOW, HIGH]");
        }
        if (mod_.retractions.size() == kMaxRetractions) {
            return bad(line_, "too many retractions");
        }
        const auto& low = tokens[range ? 1 : 0].text;
        const auto& high = tokens[range ? 3 : 0].text;
        if (!parse_go_version(low) || !parse_go_version(high)) {
            return bad(line_, "not a version");
        }
        mod_.retractions.push_back({low, high});
        return {};
    }

    GoMod mod_;
    std::string verb_;
    bool in_block_ = false;
    std::size_t line_ = 0;
};

}  // namespace

Result<GoMod> read_go_mod(std::string_view text) {
    return Reader().read(text);
}

}  // namespace longshore::go
