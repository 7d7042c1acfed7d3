// Pattern: which names of repositories a rule is about. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>

#include "common/result.hpp"

namespace longshore {

/// Names of repositories: `*` is any text without "/", `**` any text. At most
/// 255 characters, of those that a name may have and "*".
class Pattern {
public:
    /// @errors invalid_argument
    static Result<Pattern> parse(std::string_view text);

    /// Takes at most time in proportion to the product of both lengths.
    bool matches(std::string_view name) const noexcept;

    /// True only if every name that `other` matches is matched here too; false
    /// also where that would take more than a look at the texts.
    bool includes(const Pattern& other) const noexcept;

    const std::string& text() const noexcept { return text_; }
    bool exact() const noexcept { return literal_ == text_.size(); }
    /// Characters before the first `*`.
    std::size_t literal() const noexcept { return literal_; }

private:
    explicit Pattern(std::string_view text);
    std::string text_;
    std::size_t literal_;
};

/// How near a pattern is to one name alone: of those that match a name the
/// greatest is the most specific. Texts that differ never rank the same.
inline std::tuple<bool, std::size_t, std::size_t, std::string_view> rank_of(
    const Pattern& pattern) noexcept {
    return {pattern.exact(), pattern.literal(), pattern.text().size(),
            pattern.text()};
}

/// Tags: `*` is any text. At most 128 characters, of those that a tag may
/// have and "*".
class TagPattern {
public:
    /// @errors invalid_argument
    static Result<TagPattern> parse(std::string_view text);

    /// Takes at most time in proportion to the product of both lengths.
    bool matches(std::string_view tag) const noexcept;

    const std::string& text() const noexcept { return text_; }

private:
    explicit TagPattern(std::string_view text) : text_(text) {}
    std::string text_;
};

}  // namespace longshore
