// What the claims of a verified token give: a rule has conditions, which must
// all hold, and patterns of repositories in which claims may be inserted. The
// language is in docs/ci-login.md. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "auth/policy.hpp"
#include "common/result.hpp"

namespace longshore {

/// Bytes of a condition, and of a claim that is looked at.
inline constexpr std::size_t kMaxCondition = 1024;
inline constexpr std::size_t kMaxConditions = 16;    // of a rule
inline constexpr std::size_t kMaxClaimPatterns = 8;  // of a rule

/// `*` any text without "/", `**` any text; nothing else is special.
bool text_matches(std::string_view pattern, std::string_view text);

/// The claim of a path: member names with dots between, where at each step
/// the longest name that is there counts, since names may have dots too.
/// Null when there is none.
const nlohmann::json* find_claim(const nlohmann::json& claims,
                                 std::string_view path);

/// `PATH=PATTERN`
class Condition {
public:
    /// @errors invalid_argument
    static Result<Condition> parse(std::string_view text);

    /// A text, number or boolean that matches, or a list with such a one.
    bool holds(const nlohmann::json& claims) const;

    const std::string& path() const noexcept { return path_; }
    const std::string& pattern() const noexcept { return pattern_; }
    std::string text() const { return path_ + "=" + pattern_; }

private:
    Condition(std::string path, std::string pattern)
        : path_(std::move(path)), pattern_(std::move(pattern)) {}
    std::string path_;
    std::string pattern_;
};

/// A pattern of repositories in which `{PATH}` is one part of a name taken
/// from a claim, `{**PATH}` one or more with "/" between.
class ClaimPattern {
public:
    /// @errors invalid_argument
    static Result<ClaimPattern> parse(std::string_view text);

    /// Nothing when a claim is missing, or is no part of a repository's name.
    std::optional<Pattern> insert(const nlohmann::json& claims) const;

    const std::string& text() const noexcept { return text_; }

private:
    struct Segment {
        std::string text;  // as written, or the claim's path
        bool claim = false;
        bool deep = false;  // `{**…}`
    };
    std::string text_;
    std::vector<Segment> segments_;
};

/// Refuses a rule that would let in everybody who can have a token of an
/// issuer that is open to all the world: GitHub's and GitLab's.
/// @errors invalid_argument
Result<void> check_conditions(std::string_view issuer_url,
                              const std::vector<Condition>& conditions);

}  // namespace longshore
