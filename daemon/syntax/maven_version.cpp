#include "syntax/maven_version.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "syntax/version_key.hpp"

namespace longshore {
namespace {

constexpr std::string_view kForbidden = "\\/:\"<>|?*[](){},";

// What may stand at a place, in this order; a number is above all, of which
// zero is `kOlderZero` where something older follows.
constexpr std::array<std::string_view, 5> kOlderWords = {
    "alpha", "beta", "milestone", "rc", "snapshot"};
constexpr char kFirstOlder = '#';  // to '\''
constexpr char kOlderRelease = '(';
constexpr char kOlderGroup = ')';
constexpr char kOlderZero = '*';
constexpr char kVersionEnd = '+';
constexpr char kRelease = ',';
constexpr char kServicePack = '-';
constexpr char kWord = '.';
constexpr char kGroup = '/';

enum class Kind : unsigned char { number, word, group };

struct Token {
    Kind kind = Kind::group;
    std::string text;    // digits without leading zeros, or the meaning
    bool older = false;  // this, and what follows, is older than the end

    // Neither older nor newer than nothing: 0, "ga".
    bool is_null() const {
        return kind == Kind::number ? text == "0" : text.empty();
    }
};

using Group = std::vector<Token>;

std::size_t older_word(std::string_view word) {
    return static_cast<std::size_t>(
        std::find(kOlderWords.begin(), kOlderWords.end(), word) -
        kOlderWords.begin());
}

// What a word means: "" is a release.
std::string meaning(std::string_view word, bool before_digit) {
    if (before_digit && word.size() == 1) {
        switch (word.front()) {
            case 'a':
                return "alpha";
            case 'b':
                return "beta";
            case 'm':
                return "milestone";
            default:
                break;
        }
    }
    if (word == "ga" || word == "final" || word == "release") {
        return {};
    }
    return word == "cr" ? "rc" : std::string(word);
}

class Reader {
public:
    std::vector<Group> read(std::string_view text) {
        std::string_view rest = text;
        while (!rest.empty()) {
            if (rest.front() == '.' || rest.front() == '-') {
                add_zero();
                take_separator(rest);
            } else if (version::is_digit(rest.front())) {
                auto digits = version::take_while(rest, version::is_digit);
                add({Kind::number, std::string(version::number(digits))});
                if (!take_separator(rest) && !rest.empty()) {
                    open();
                }
            } else {
                add_word(rest);
            }
        }
        return std::move(groups_);
    }

private:
    static bool is_word_character(char c) {
        return c != '.' && c != '-' && !version::is_digit(c);
    }

    void add(Token token) { groups_.back().push_back(std::move(token)); }
    void add_zero() { add({Kind::number, "0"}); }

    void open() { groups_.emplace_back(); }

    // After a dot the group goes on, a hyphen opens another.
    bool take_separator(std::string_view& rest) {
        if (version::take(rest, "-")) {
            open();
            return true;
        }
        return version::take(rest, ".");
    }

    // A word that ends the version or stands before a digit has a group of
    // its own, one before a separator has not.
    void add_word(std::string_view& rest) {
        auto word = version::take_while(rest, is_word_character);
        bool before_digit = !rest.empty() && version::is_digit(rest.front());
        if ((rest.empty() || before_digit) && !groups_.back().empty()) {
            open();
        }
        add({Kind::word, meaning(word, before_digit)});
        if (!take_separator(rest) && before_digit) {
            open();
        }
    }

    std::vector<Group> groups_ = std::vector<Group>(1);
};

// Nothing that is equal to nothing at the end of a group; then one row, with
// a token for each further group.
std::vector<Token> normalized(std::vector<Group> groups) {
    std::vector<Token> row;
    for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
        while (!group->empty() && group->back().is_null()) {
            group->pop_back();
        }
        if (!row.empty()) {
            row.push_back({});
        }
        row.insert(row.end(), std::make_move_iterator(group->rbegin()),
                   std::make_move_iterator(group->rend()));
    }
    bool older = false;
    for (auto& token : row) {
        if (token.kind != Kind::group && !token.is_null()) {
            older = token.kind == Kind::word &&
                    older_word(token.text) < kOlderWords.size();
        }
        token.older = older;
    }
    std::reverse(row.begin(), row.end());
    return row;
}

void append_word(std::string& key, const Token& token) {
    auto place = older_word(token.text);
    if (place < kOlderWords.size()) {
        key += static_cast<char>(kFirstOlder + static_cast<char>(place));
    } else if (token.text.empty()) {
        key += token.older ? kOlderRelease : kRelease;
    } else if (token.text == "sp") {
        key += kServicePack;
    } else {
        key += kWord;
        version::append_bytes(key, token.text);
    }
}

}  // namespace

Result<Version> parse_maven_version(std::string_view text) {
    if (std::any_of(text.begin(), text.end(), [](char c) {
            return c <= ' ' || c > '~' || kForbidden.find(c) != kForbidden.npos;
        })) {
        return version::refused(text, "has characters that none has");
    }
    Version out;
    out.text = text;
    for (const auto& token : normalized(Reader().read(version::lower(text)))) {
        switch (token.kind) {
            case Kind::group:
                out.key += token.older ? kOlderGroup : kGroup;
                break;
            case Kind::word:
                append_word(out.key, token);
                break;
            case Kind::number:
                if (token.is_null() && token.older) {
                    out.key += kOlderZero;
                } else {
                    version::append_number(out.key, token.text);
                }
                break;
        }
    }
    out.key += kVersionEnd;
    return out;
}

}  // namespace longshore
