// Patterns, action sets, and the one function that decides.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "auth/policy.hpp"

namespace longshore {
namespace {

Pattern pattern(std::string_view text) {
    auto parsed = Pattern::parse(text);
    EXPECT_TRUE(parsed) << text;
    return *parsed;
}

TEST(Actions, WordsAndBits) {
    EXPECT_EQ(ActionSet::parse("pull,push")->text(), "pull,push");
    EXPECT_EQ(ActionSet::parse("push,pull,pull")->bits(), 3);
    EXPECT_EQ(ActionSet::parse("*")->text(), "admin");
    EXPECT_EQ(ActionSet::parse("delete")->bits(), 4);
    for (std::string_view bad : {"", ",", "pull,", "none", "read", "pull push",
                                 "Pull", "pull,,push", "*,pull"}) {
        EXPECT_FALSE(ActionSet::parse(bad)) << bad;
    }
    EXPECT_TRUE(ActionSet::all().has(Action::pull));
    EXPECT_TRUE(ActionSet::all().has(Action::remove));
    EXPECT_FALSE(ActionSet::all().has(Action::none));
    EXPECT_FALSE(ActionSet(Action::push).has(Action::pull));
    EXPECT_FALSE(ActionSet(Action::remove).has(Action::push));
    EXPECT_FALSE(ActionSet(Action::push).has(Action::remove));
    EXPECT_FALSE(ActionSet(Action::push).has(Action::admin));
}

TEST(Patterns, Match) {
    struct Row {
        std::string_view pattern;
        std::string_view name;
        bool matches;
    };
    const std::vector<Row> rows = {
        {"a", "a", true},
        {"a", "b", false},
        {"a", "a/b", false},
        {"a", "aa", false},
        {"*", "a", true},
        {"*", "a/b", false},
        {"**", "a", true},
        {"**", "a/b/c", true},
        {"a/*", "a/b", true},
        {"a/*", "a", false},
        {"a/*", "a/b/c", false},
        {"a/*", "ab/c", false},
        {"a/**", "a/b/c", true},
        {"a/**", "a", false},
        {"a/**", "ab/c", false},
        {"a*", "ab", true},
        {"a*", "a", true},
        {"a*", "a/b", false},
        {"a**", "a/b", true},
        {"*/b", "a/b", true},
        {"*/b", "a/x/b", false},
        {"**/b", "a/x/b", true},
        {"**/b", "b", false},
        {"a/*/c", "a/b/c", true},
        {"a/*/c", "a/b/b/c", false},
        {"a/**/c", "a/b/b/c", true},
        {"*-dev", "x-dev", true},
        {"*-dev", "x-dev-y", false},
        {"*.*", "a.b", true},
        {"*.*", "ab", false},
        {"a*b*c", "a1b2c", true},
        {"a*b*c", "a1c2b", false},
        {"a*b*c", "a1b/2c", false},
        {"a**b*c", "a/1b2c", true},
        {"*a*", "bab", true},
        {"**a", "b/a", true},
        {"a_b", "axb", false},
        {"a.b", "axb", false},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(pattern(row.pattern).matches(row.name), row.matches)
            << row.pattern << " " << row.name;
    }
}

// Against a recursive definition, over all short patterns and names.
bool slow(std::string_view pattern, std::string_view name) {
    if (pattern.empty()) {
        return name.empty();
    }
    if (pattern.starts_with("**") || pattern[0] == '*') {
        bool any = pattern.starts_with("**");
        for (std::size_t i = 0; i <= name.size(); ++i) {
            if (slow(pattern.substr(any ? 2 : 1), name.substr(i))) {
                return true;
            }
            if (i < name.size() && !any && name[i] == '/') {
                return false;
            }
        }
        return false;
    }
    return !name.empty() && name[0] == pattern[0] &&
           slow(pattern.substr(1), name.substr(1));
}

std::vector<std::string> words(std::string_view letters, std::size_t longest) {
    std::vector<std::string> all = {""};
    for (std::size_t from = 0, n = 0; n < longest; ++n) {
        auto to = all.size();
        for (; from < to; ++from) {
            for (char c : letters) {
                all.push_back(all[from] + c);
            }
        }
    }
    all.erase(all.begin());
    return all;
}

TEST(Patterns, AgreeWithTheirDefinition) {
    auto names = words("ab/", 5);
    std::size_t compared = 0;
    for (const auto& text : words("a/*", 6)) {
        auto parsed = Pattern::parse(text);
        if (!parsed) {
            continue;
        }
        for (const auto& name : names) {
            ASSERT_EQ(parsed->matches(name), slow(text, name))
                << text << " " << name;
            ++compared;
        }
    }
    EXPECT_GT(compared, 50'000U);
}

TEST(Patterns, Refused) {
    for (std::string_view bad :
         {"",      "/",     "a/",   "/a",    "a//b",  "***", "a b",
          "A",     "a%2fb", "ä",    "a\\b",  "a?",    "[a]", "a\n",
          "{a,b}", "a:b",   "../a", "a/./b", "**/..", "-a",  "a-/*"}) {
        EXPECT_FALSE(Pattern::parse(bad)) << bad;
    }
    EXPECT_FALSE(Pattern::parse(std::string(256, 'a')));
    EXPECT_TRUE(Pattern::parse(std::string(255, 'a')));
    EXPECT_FALSE(pattern("**").matches(std::string(256, 'a')));
}

TEST(Patterns, TakeNoTime) {
    std::string hard;
    for (int i = 0; i < 84; ++i) {
        hard += "a**";
    }
    EXPECT_FALSE(pattern(hard + "b").matches(std::string(255, 'a')));
}

// One world for the table below.
class PolicyTable : public ::testing::Test {
protected:
    static constexpr PrincipalId kAlice = 10, kBob = 11, kOff = 12, kBot = 13,
                                 kTeam = 20, kDeadTeam = 21, kNobody = 99;

    PolicyTable() {
        policy_.add(kAnonymous, {"anonymous", PrincipalKind::builtin});
        policy_.add(kAuthenticated, {"authenticated", PrincipalKind::builtin});
        policy_.add(kAlice, {"alice", PrincipalKind::user, true, 0, {kTeam}});
        policy_.add(kBob, {"bob", PrincipalKind::user, true, 0, {kDeadTeam}});
        policy_.add(kOff, {"off", PrincipalKind::user, false, 0, {kTeam}});
        policy_.add(kBot, {"bot", PrincipalKind::service});
        policy_.add(kTeam, {"team", PrincipalKind::group});
        policy_.add(kDeadTeam, {"dead", PrincipalKind::group, false});
        grant(kAlice, "alice/**", "admin");
        grant(kTeam, "team/**", "pull,push");
        grant(kDeadTeam, "**", "admin");
        grant(kOff, "**", "admin");
        grant(kBot, "ci/*", "push");
        grant(kAuthenticated, "shared/**", "pull");
        grant(kAnonymous, "drop/box", "push");
        policy_.set_visibility(pattern("library/**"), true);
        policy_.set_visibility(pattern("library/secret"), false);
        policy_.set_visibility(pattern("library/secret*"), true);
        policy_.set_visibility(pattern("both/*"), true);
        policy_.set_visibility(pattern("both/**"), false);
        policy_.set_visibility(pattern("b*/x"), true);
    }

    void grant(PrincipalId who, std::string_view on, std::string_view actions) {
        policy_.grant(who, {pattern(on), *ActionSet::parse(actions)});
    }

    bool may(PrincipalId who, std::string_view name, Action action) {
        return policy_.decide(who, nullptr, name, action).allowed();
    }

    Policy policy_;
};

TEST_F(PolicyTable, WhoMayDoWhat) {
    using enum Action;
    struct Row {
        PrincipalId who;
        std::string_view name;
        std::vector<Action> may;
    };
    const std::vector<Row> rows = {
        {kAlice, "alice/a", {pull, push, remove, admin}},
        {kAlice, "alice", {}},
        {kAlice, "alice2/a", {}},
        {kAlice, "team/a/b", {pull, push}},
        {kAlice, "shared/x", {pull}},
        {kAlice, "library/x", {pull}},
        {kAlice, "library/secret", {}},
        {kAlice, "library/secret2", {pull}},
        {kAlice, "drop/box", {push}},
        {kAlice, "ci/x", {}},
        {kBob, "alice/a", {}},
        {kBob, "team/a", {}},
        {kBob, "shared/x", {pull}},
        {kOff, "team/a", {}},
        {kOff, "shared/x", {}},
        {kOff, "library/x", {}},
        {kBot, "ci/x", {push}},
        {kBot, "ci/x/y", {}},
        {kTeam, "team/a", {}},
        {kAuthenticated, "shared/x", {}},
        {kNobody, "library/x", {}},
        {kAnonymous, "library/x", {pull}},
        {kAnonymous, "library/secret", {}},
        {kAnonymous, "shared/x", {}},
        {kAnonymous, "drop/box", {push}},
        {kAnonymous, "team/a", {}},
        {kAnonymous, "both/x", {}},
        {kAnonymous, "b1/x", {pull}},
        {kAnonymous, "nothing", {}},
    };
    for (const auto& row : rows) {
        for (auto action : {none, pull, push, remove, admin}) {
            bool wanted = std::find(row.may.begin(), row.may.end(), action) !=
                          row.may.end();
            EXPECT_EQ(may(row.who, row.name, action), wanted)
                << row.who << " " << row.name << " " << action_name(action);
        }
    }
}

TEST_F(PolicyTable, LimitsOnlyNarrow) {
    using enum Action;
    Limits limits{{{pattern("alice/x"), *ActionSet::parse("pull,push")},
                   {pattern("ci/**"), ActionSet::all()}}};
    auto cause = [&](std::string_view name, Action action) {
        return policy_.decide(kAlice, &limits, name, action).cause;
    };
    EXPECT_EQ(cause("alice/x", push), Cause::granted);
    EXPECT_EQ(cause("alice/x", remove), Cause::limited);
    EXPECT_EQ(cause("alice/y", pull), Cause::limited);
    EXPECT_EQ(cause("team/a", pull), Cause::limited);
    EXPECT_EQ(cause("shared/x", pull), Cause::limited);
    EXPECT_EQ(cause("ci/x", push), Cause::no_grant);
    // What needs no credential needs no wide one either.
    EXPECT_EQ(cause("library/x", pull), Cause::is_public);
    EXPECT_EQ(cause("library/x", push), Cause::no_grant);
}

// Every name after `last` that may be pulled comes after where the list goes
// on, and the list skips what it can.
TEST_F(PolicyTable, ListsSkipWhatIsNotSeen) {
    std::vector<std::string> names;
    for (std::string_view top : {"a", "alice", "alicf", "both", "ci", "drop",
                                 "library", "s", "shared", "team", "zz"}) {
        names.emplace_back(top);
        for (const auto* rest : {"/0", "/x", "/x/y", "/zz"}) {
            names.push_back(std::string(top) + rest);
        }
    }
    std::sort(names.begin(), names.end());
    for (auto who : {kAlice, kBob, kBot, kOff, kAnonymous}) {
        auto lasts = names;
        lasts.insert(lasts.begin(), "");
        for (const auto& last : lasts) {
            auto from = policy_.list_from(who, last);
            for (const auto& name : names) {
                if (name > last && may(who, name, Action::pull)) {
                    ASSERT_TRUE(from) << who << " " << last;
                    EXPECT_GT(name, *from) << who << " " << last;
                }
            }
            EXPECT_TRUE(!from || *from >= last) << who << " " << last;
        }
    }
    Policy little;
    little.add(kAlice, {"alice", PrincipalKind::user});
    EXPECT_FALSE(little.list_from(kAlice, ""));
    little.grant(kAlice, {pattern("m/**"), *ActionSet::parse("pull")});
    little.grant(kAlice, {pattern("b/**"), *ActionSet::parse("push")});
    EXPECT_EQ(little.list_from(kAlice, ""), "m.\x7f");
    EXPECT_EQ(little.list_from(kAlice, "m/x"), "m/x");
    EXPECT_FALSE(little.list_from(kAlice, "n"));
    EXPECT_FALSE(little.list_from(kAnonymous, ""));
}

TEST_F(PolicyTable, SaysWhy) {
    auto why = [&](PrincipalId who, std::string_view name, Action action) {
        return policy_.explain(policy_.decide(who, nullptr, name, action), who,
                               name, action);
    };
    EXPECT_EQ(why(kAlice, "team/a", Action::push),
              "push on team/a is granted to team by \"team/** pull,push\"");
    EXPECT_EQ(why(kBob, "team/a", Action::push),
              "no rule grants bob push on team/a");
    EXPECT_EQ(why(kOff, "team/a", Action::push),
              "off cannot log in or is disabled");
    EXPECT_EQ(why(kAnonymous, "library/x", Action::pull),
              "pull on library/x is open to everybody by \"library/** pull\"");
}

}  // namespace
}  // namespace longshore
