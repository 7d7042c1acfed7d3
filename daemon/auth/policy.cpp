#include "auth/policy.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace longshore {
namespace {

constexpr std::array kActions = {Action::pull, Action::push, Action::remove,
                                 Action::admin};

constexpr std::array<std::pair<PrincipalKind, std::string_view>, 4> kKinds = {{
    {PrincipalKind::user, "user"},
    {PrincipalKind::service, "service"},
    {PrincipalKind::group, "group"},
    {PrincipalKind::builtin, "builtin"},
}};

}  // namespace

Result<ActionSet> ActionSet::parse(std::string_view text) {
    if (text == "*") {
        return all();
    }
    ActionSet set;
    for (bool more = true; more;) {
        auto end = text.find(',');
        more = end != std::string_view::npos;
        auto word = text.substr(0, end);
        const auto* known = std::find_if(
            kActions.begin(), kActions.end(),
            [&](Action action) { return action_name(action) == word; });
        if (known == kActions.end()) {
            set = {};
            break;
        }
        set.add(ActionSet(*known));
        text.remove_prefix(more ? end + 1 : text.size());
    }
    if (set.empty()) {
        return Error{Code::invalid_argument,
                     "actions are of pull, push, delete, admin with a comma "
                     "between, or *"};
    }
    return set;
}

std::string ActionSet::text() const {
    std::string out;
    for (auto action : kActions) {
        if ((bits_ & bit(action)) != 0) {
            out += out.empty() ? "" : ",";
            out += action_name(action);
        }
    }
    return out;
}

bool Limits::include(const Pattern& pattern, ActionSet actions) const noexcept {
    return rules.empty() ||
           std::all_of(kActions.begin(), kActions.end(), [&](Action action) {
               return !actions.has(action) ||
                      std::any_of(rules.begin(), rules.end(),
                                  [&](const Rule& rule) {
                                      return rule.actions.has(action) &&
                                             rule.pattern.includes(pattern);
                                  });
           });
}

bool Limits::unlimited() const noexcept {
    return rules.empty() ||
           std::any_of(rules.begin(), rules.end(), [](const Rule& rule) {
               return rule.pattern.text() == "**" &&
                      rule.actions.has(Action::admin);
           });
}

bool Limits::allow(std::string_view name, Action action) const noexcept {
    return rules.empty() ||
           std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
               return rule.actions.has(action) && rule.pattern.matches(name);
           });
}

std::string_view kind_name(PrincipalKind kind) noexcept {
    return kKinds[static_cast<std::size_t>(kind)].second;
}

std::optional<PrincipalKind> parse_kind(std::string_view text) noexcept {
    for (const auto& [kind, name] : kKinds) {
        if (name == text) {
            return kind;
        }
    }
    return std::nullopt;
}

// Policy

void Policy::add(PrincipalId id, PrincipalState state) {
    principals_[id] = std::move(state);
}

void Policy::grant(PrincipalId subject, Rule rule) {
    grants_[subject].push_back(std::move(rule));
}

void Policy::set_visibility(Pattern pattern, bool is_public) {
    visibility_.push_back(
        {{std::move(pattern), ActionSet(Action::pull)}, is_public});
}

const PrincipalState* Policy::find(PrincipalId id) const noexcept {
    auto found = principals_.find(id);
    return found == principals_.end() ? nullptr : &found->second;
}

bool Policy::active(PrincipalId id) const noexcept {
    const auto* state = find(id);
    return state != nullptr && state->active &&
           (state->kind == PrincipalKind::user ||
            state->kind == PrincipalKind::service);
}

const Rule* Policy::find_rule(PrincipalId subject, std::string_view name,
                              Action action) const noexcept {
    auto found = grants_.find(subject);
    if (found == grants_.end()) {
        return nullptr;
    }
    for (const auto& rule : found->second) {
        if (rule.actions.has(action) && rule.pattern.matches(name)) {
            return &rule;
        }
    }
    return nullptr;
}

// The most particular rule: an exact name before any pattern, then the longer
// text before the first `*`, then the longer pattern; of equal ones private.
const Policy::Visibility* Policy::visibility_of(
    std::string_view name) const noexcept {
    const Visibility* best = nullptr;
    auto rank = [](const Visibility& row) {
        const auto& pattern = row.rule.pattern;
        return std::tuple(pattern.exact(), pattern.literal(),
                          pattern.text().size(), !row.is_public);
    };
    for (const auto& row : visibility_) {
        if (row.rule.pattern.matches(name) &&
            (best == nullptr || rank(row) > rank(*best))) {
            best = &row;
        }
    }
    return best;
}

Verdict Policy::decide_public(std::string_view name,
                              Action action) const noexcept {
    if (action == Action::pull) {
        const auto* row = visibility_of(name);
        if (row != nullptr && row->is_public) {
            return {Cause::is_public, &row->rule, kAnonymous};
        }
    }
    if (const auto* rule = find_rule(kAnonymous, name, action)) {
        return {Cause::is_public, rule, kAnonymous};
    }
    return {Cause::no_grant, nullptr, kAnonymous};
}

Verdict Policy::decide(PrincipalId principal, const Limits* limits,
                       std::string_view name, Action action) const noexcept {
    bool anonymous = principal == kAnonymous;
    if (action == Action::none || (!anonymous && !active(principal))) {
        return {Cause::no_principal, nullptr, principal};
    }
    // A credential never takes away what nobody needs one for.
    auto verdict = decide_public(name, action);
    if (verdict.allowed() || anonymous) {
        return verdict;
    }
    PrincipalId subject = principal;
    const auto* rule = find_rule(principal, name, action);
    const auto& groups = principals_.at(principal).groups;
    for (std::size_t i = 0; rule == nullptr && i < groups.size(); ++i) {
        const auto* group = find(groups[i]);
        if (group != nullptr && group->active) {
            subject = groups[i];
            rule = find_rule(subject, name, action);
        }
    }
    if (rule == nullptr) {
        subject = kAuthenticated;
        rule = find_rule(subject, name, action);
    }
    if (rule == nullptr) {
        return {Cause::no_grant, nullptr, principal};
    }
    if (limits != nullptr && !limits->allow(name, action)) {
        return {Cause::limited, rule, subject};
    }
    return {Cause::granted, rule, subject};
}

bool Policy::has_everything(PrincipalId subject) const noexcept {
    auto found = grants_.find(subject);
    return found != grants_.end() &&
           std::any_of(found->second.begin(), found->second.end(),
                       [](const Rule& rule) {
                           return rule.pattern.text() == "**" &&
                                  rule.actions.has(Action::admin);
                       });
}

bool Policy::administers(PrincipalId principal,
                         const Limits* limits) const noexcept {
    if (!active(principal)) {
        return false;
    }
    const auto& groups = principals_.at(principal).groups;
    bool granted =
        has_everything(principal) || has_everything(kAuthenticated) ||
        std::any_of(groups.begin(), groups.end(), [&](PrincipalId id) {
            const auto* group = find(id);
            return group != nullptr && group->active && has_everything(id);
        });
    return granted && (limits == nullptr || limits->unlimited());
}

std::vector<std::string_view> Policy::pull_prefixes(
    PrincipalId principal) const {
    std::vector<std::string_view> found;
    auto add_rule = [&](const Rule& rule) {
        if (rule.actions.has(Action::pull)) {
            found.push_back(std::string_view(rule.pattern.text())
                                .substr(0, rule.pattern.literal()));
        }
    };
    auto add_subject = [&](PrincipalId subject) {
        if (auto rules = grants_.find(subject); rules != grants_.end()) {
            std::for_each(rules->second.begin(), rules->second.end(), add_rule);
        }
    };
    for (const auto& row : visibility_) {
        if (row.is_public) {
            add_rule(row.rule);
        }
    }
    add_subject(kAnonymous);
    if (active(principal)) {
        add_subject(principal);
        add_subject(kAuthenticated);
        for (auto group : principals_.at(principal).groups) {
            add_subject(group);
        }
    }
    return found;
}

std::optional<std::string> Policy::list_from(
    PrincipalId principal, std::string_view last,
    std::span<const std::string_view> more) const {
    std::string_view next;
    auto prefixes = pull_prefixes(principal);
    prefixes.insert(prefixes.end(), more.begin(), more.end());
    for (auto prefix : prefixes) {
        if (last.starts_with(prefix)) {
            return std::string(last);
        }
        if (prefix > last && (next.empty() || prefix < next)) {
            next = prefix;
        }
    }
    if (next.empty()) {
        return std::nullopt;
    }
    // After every name that comes before the prefix, and before itself.
    std::string from(next);
    from.back() = static_cast<char>(from.back() - 1);
    return from + '\x7f';
}

std::string Policy::explain(const Verdict& verdict, PrincipalId principal,
                            std::string_view name, Action action) const {
    auto who = [&](PrincipalId id) {
        const auto* state = find(id);
        return state != nullptr ? state->name : std::string("nobody");
    };
    std::string what(action_name(action));
    what += " on ";
    what += name;
    std::string rule;
    if (verdict.rule != nullptr) {
        rule =
            verdict.rule->pattern.text() + " " + verdict.rule->actions.text();
    }
    switch (verdict.cause) {
        case Cause::granted:
            return what + " is granted to " + who(verdict.subject) + " by \"" +
                   rule + "\"";
        case Cause::is_public:
            return what + " is open to everybody by \"" + rule + "\"";
        case Cause::no_principal:
            return who(principal) + " cannot log in or is disabled";
        case Cause::no_grant:
            return "no rule grants " + who(principal) + " " + what;
        case Cause::limited:
            return what + " is granted to " + who(verdict.subject) + " by \"" +
                   rule + "\", but the token is limited to less";
    }
    return {};
}

}  // namespace longshore
