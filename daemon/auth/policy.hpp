// The policy: principals, groups, grants and visibility as of one version,
// and the one pure function that says who may do what. A Policy is made once
// and never changes, so any number of threads may ask it. The precedence of
// its rules is written down in docs/auth.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "model/access.hpp"
#include "model/pattern.hpp"

namespace longshore {

using PrincipalId = std::int64_t;

/// Principals that every database has.
inline constexpr PrincipalId kAnonymous = 1;
/// Stands for everybody who has a credential.
inline constexpr PrincipalId kAuthenticated = 2;
/// Whoever shows a token of an issuer that stands for no account: no row.
inline constexpr PrincipalId kNobody = 0;

/// A set of actions; `admin` implies the others.
class ActionSet {
public:
    constexpr ActionSet() = default;
    constexpr explicit ActionSet(Action action) : bits_(bit(action)) {}

    /// "pull,push"; "*" is all of them.
    /// @errors invalid_argument
    static Result<ActionSet> parse(std::string_view text);
    static ActionSet all() noexcept { return ActionSet(Action::admin); }

    /// As stored: a sum of 1 pull, 2 push, 4 delete, 8 admin.
    static constexpr ActionSet from_bits(std::int64_t bits) noexcept {
        ActionSet set;
        set.bits_ = static_cast<std::uint8_t>(bits & 15);
        return set;
    }
    constexpr std::int64_t bits() const noexcept { return bits_; }

    constexpr bool has(Action action) const noexcept {
        return action != Action::none &&
               (bits_ & (bit(action) | bit(Action::admin))) != 0;
    }
    constexpr bool empty() const noexcept { return bits_ == 0; }
    constexpr void add(ActionSet other) noexcept {
        bits_ = static_cast<std::uint8_t>(bits_ | other.bits_);
    }
    constexpr void remove(ActionSet other) noexcept {
        bits_ = static_cast<std::uint8_t>(bits_ & ~other.bits_);
    }
    /// "pull,push"
    std::string text() const;

    bool operator==(const ActionSet&) const = default;

private:
    static constexpr std::uint8_t bit(Action action) noexcept {
        return action == Action::none
                   ? std::uint8_t{0}
                   : static_cast<std::uint8_t>(
                         1U << (static_cast<unsigned>(action) - 1));
    }
    std::uint8_t bits_ = 0;
};

struct Rule {
    Pattern pattern;
    ActionSet actions;
};

/// What a credential narrows its principal's rights to; an empty list is no
/// limit at all.
struct Limits {
    std::vector<Rule> rules;
    bool allow(std::string_view name, Action action) const noexcept;
    /// Whether whatever the actions on names of the pattern allow is allowed
    /// here too. False when that is not plain to see.
    bool include(const Pattern& pattern, ActionSet actions) const noexcept;
    /// Whether nothing is narrowed at all.
    bool unlimited() const noexcept;
};

enum class PrincipalKind : std::uint8_t { user, service, group, builtin };
std::string_view kind_name(PrincipalKind kind) noexcept;
std::optional<PrincipalKind> parse_kind(std::string_view text) noexcept;

/// A principal as the policy knows it.
struct PrincipalState {
    std::string name;
    PrincipalKind kind = PrincipalKind::user;
    bool active = true;  // not disabled, and its source still knows it
    std::int64_t generation = 0;
    std::vector<PrincipalId> groups = {};
};

enum class Cause : std::uint8_t {
    granted,       // by `rule` of `subject`
    is_public,     // by the visibility rule `rule`, or a grant to anonymous
    no_principal,  // unknown, disabled or not of a kind that logs in
    no_grant,      // the principal has none
    limited,       // it has, but not its credential
};

/// Whether, and why. The rule lives as long as the Policy.
struct Verdict {
    Cause cause = Cause::no_grant;
    const Rule* rule = nullptr;
    PrincipalId subject = 0;

    bool allowed() const noexcept {
        return cause == Cause::granted || cause == Cause::is_public;
    }
};

class Policy {
public:
    // Making: in any order, before the first question.
    void set_version(std::int64_t version) noexcept { version_ = version; }
    void add(PrincipalId id, PrincipalState state);
    void grant(PrincipalId subject, Rule rule);
    /// Pull for everybody, or not.
    void set_visibility(Pattern pattern, bool is_public);

    std::int64_t version() const noexcept { return version_; }
    const PrincipalState* find(PrincipalId id) const noexcept;
    /// True for whom a credential may be taken at all.
    bool active(PrincipalId id) const noexcept;

    /// The function. `limits` may be null.
    Verdict decide(PrincipalId principal, const Limits* limits,
                   std::string_view name, Action action) const noexcept;

    /// Whether the principal administers the registry as a whole: `admin` on
    /// exactly `**`, granted to it, to a group of it or to `authenticated`.
    /// What is granted to `anonymous` does not count. `limits` may be null.
    bool administers(PrincipalId principal,
                     const Limits* limits) const noexcept;

    /// What everybody may do, with a credential or without.
    Verdict decide_public(std::string_view name, Action action) const noexcept;

    /// Where a list of names is to go on after `last`, so that it reads little
    /// of what may not be pulled; nullopt: nothing after it may be. What lies
    /// between is decided name by name. `more`: beginnings of what the caller
    /// may pull besides.
    std::optional<std::string> list_from(
        PrincipalId principal, std::string_view last,
        std::span<const std::string_view> more = {}) const;

    /// A sentence for an operator: names rules and groups.
    std::string explain(const Verdict& verdict, PrincipalId principal,
                        std::string_view name, Action action) const;

private:
    struct Visibility {
        Rule rule;
        bool is_public;
    };
    /// Beginnings that every name has which may be pulled.
    std::vector<std::string_view> pull_prefixes(PrincipalId principal) const;
    bool has_everything(PrincipalId subject) const noexcept;
    const Rule* find_rule(PrincipalId subject, std::string_view name,
                          Action action) const noexcept;
    const Visibility* visibility_of(std::string_view name) const noexcept;

    std::int64_t version_ = 0;
    std::unordered_map<PrincipalId, PrincipalState> principals_;
    std::unordered_map<PrincipalId, std::vector<Rule>> grants_;
    std::vector<Visibility> visibility_;
};

}  // namespace longshore
