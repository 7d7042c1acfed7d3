// The table of /api/v1, the reader of its requests, and who administers.
#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "api/api.hpp"
#include "api/documents.hpp"
#include "api/route.hpp"
#include "api/target.hpp"
#include "auth/policy.hpp"

namespace longshore {
namespace {

using api::Json;
using api::Right;
using api::Route;

Result<api::Answer> nothing(const Administration&, Accounts&, const Caller&,
                            const api::Call&) {
    return api::Answer{};
}

Route good_route() {
    Route route;
    route.method = Method::remove;
    route.pattern = "/things/{name}";
    route.right = Right::administrator;
    route.handle = &nothing;
    route.status = 204;
    route.summary = "remove a thing";
    return route;
}

TEST(ApiRoutes, TheTableIsGood) {
    auto checked = check_api_routes();
    EXPECT_TRUE(checked) << (checked ? "" : checked.error().message);
    EXPECT_GT(api::routes().size(), 40U);
}

TEST(ApiRoutes, WhatIsNotDeclaredDoesNotStart) {
    std::vector<Route> table = {good_route()};
    EXPECT_TRUE(api::check_routes(table));
    auto refused = [](auto change) {
        std::array<Route, 1> one = {good_route()};
        change(one[0]);
        return !api::check_routes(one);
    };
    EXPECT_TRUE(refused([](Route& r) { r.right = Right::none; }));
    EXPECT_TRUE(refused([](Route& r) { r.right = Right::everybody; }));
    EXPECT_TRUE(refused([](Route& r) { r.right = Right::self; }));
    EXPECT_TRUE(refused([](Route& r) { r.handle = {}; }));
    EXPECT_TRUE(refused([](Route& r) {
        r.handle = static_cast<api::AdministratorHandler>(nullptr);
    }));
    EXPECT_TRUE(refused([](Route& r) { r.status = 200; }));
    EXPECT_TRUE(refused([](Route& r) { r.summary = ""; }));
    EXPECT_TRUE(refused([](Route& r) { r.pattern = "things"; }));
    EXPECT_TRUE(refused([](Route& r) { r.method = Method::head; }));
    // A form of another site's page could send that.
    EXPECT_TRUE(refused([](Route& r) { r.method = Method::post; }));
    EXPECT_TRUE(refused([](Route& r) { r.request = &api::kGrant; }));
    table.push_back(good_route());
    EXPECT_FALSE(api::check_routes(table)) << "twice";
}

Result<api::Answer> nothing_there(const Access&, api::Packages&,
                                  const api::Call&) {
    return api::Answer{};
}

TEST(ApiRoutes, WhoeverNamesARepositorySaysWhatIsDoneToIt) {
    auto good = good_route();
    good.pattern = "/repositories/{repository}/things";
    good.right = Right::repository;
    good.handle = &nothing_there;
    good.action = Action::remove;
    std::array<Route, 1> table = {good};
    EXPECT_TRUE(api::check_routes(table));
    auto refused = [&](auto change) {
        std::array<Route, 1> one = {good};
        change(one[0]);
        return !api::check_routes(one);
    };
    EXPECT_TRUE(refused([](Route& r) { r.action = Action::none; }));
    EXPECT_TRUE(refused([](Route& r) { r.pattern = "/things/{name}"; }));
    EXPECT_TRUE(refused([](Route& r) { r.named_by = "name"; }));
    EXPECT_TRUE(refused([](Route& r) { r.handle = &nothing; }));
    EXPECT_TRUE(refused([](Route& r) {
        r.right = Right::administrator;
        r.handle = &nothing;
    }));
    EXPECT_TRUE(refused([](Route& r) {
        r.right = Right::administrator;
        r.handle = &nothing;
        r.action = Action::none;
    }));
}

TEST(ApiRoutes, ExamplesAreTakenByTheirOwnSchemas) {
    for (const auto& route : api::routes()) {
        if (route.request == nullptr) {
            continue;
        }
        auto example = api::example_of(*route.request);
        auto body = api::parse_body(example.dump());
        ASSERT_TRUE(body) << route.pattern;
        auto checked = api::check(*body, *route.request);
        EXPECT_TRUE(checked)
            << route.pattern << " " << (checked ? "" : checked.error().message);
        (*body)["unknown"] = 1;
        EXPECT_FALSE(api::check(*body, *route.request)) << route.pattern;
    }
}

TEST(ApiRoutes, ANameGoesBeforeAParameter) {
    auto found = api::find_route(api::routes(), Method::post, "/tokens/revoke");
    ASSERT_NE(found.route, nullptr);
    EXPECT_EQ(found.route->pattern, "/tokens/revoke");
    found = api::find_route(api::routes(), Method::head, "/users/a%40b");
    ASSERT_NE(found.route, nullptr);
    EXPECT_EQ(found.call.in_path("name"), "a@b");
    for (const auto* path : {"", "/", "users", "/users/", "/users//lock",
                             "/users/a%00", "/users/%zz", "/users/a/b/c",
                             "//users", "/users/a/lock/x/y/z/w/v/u"}) {
        found = api::find_route(api::routes(), Method::get, path);
        EXPECT_EQ(found.route, nullptr) << path;
    }
}

TEST(ApiTimes, AreReadStrictly) {
    EXPECT_EQ(api::parse_time("1970-01-02T00:00:00Z").value(), 86'400'000);
    EXPECT_EQ(api::parse_time("2027-01-31T09:30:00.999Z").value(),
              api::parse_time("2027-01-31T09:30:00Z").value());
    for (const auto* text :
         {"", "never", "2027-01-31", "2027-02-31T00:00:00Z",
          "2027-01-31T24:00:00Z", "2027-01-31T00:00:60Z",
          "2027-01-31t00:00:00z", "2027-01-31T00:00:00+01:00",
          "2027-01-31T00:00:00.Z1", "1969-12-31T00:00:00Z",
          "2027-1-31T00:00:00Z", "2027-01-31T00:00:00Z "}) {
        EXPECT_FALSE(api::parse_time(text)) << text;
    }
}

Pattern pattern(std::string_view text) {
    return *Pattern::parse(text);
}

TEST(PolicyOfTheRegistry, IsAdminOnEverythingAlone) {
    auto made = [](PrincipalId subject, std::string_view text, Action action,
                   bool group_active = true) {
        Policy policy;
        policy.add(5, {"alice", PrincipalKind::user, true, 1, {7}});
        policy.add(7, {"devs", PrincipalKind::group, group_active, 1, {}});
        policy.grant(subject, {pattern(text), ActionSet(action)});
        return policy;
    };
    EXPECT_TRUE(made(5, "**", Action::admin).administers(5, nullptr));
    EXPECT_TRUE(made(7, "**", Action::admin).administers(5, nullptr));
    EXPECT_TRUE(
        made(kAuthenticated, "**", Action::admin).administers(5, nullptr));
    EXPECT_FALSE(made(7, "**", Action::admin, false).administers(5, nullptr));
    EXPECT_FALSE(made(kAnonymous, "**", Action::admin).administers(5, nullptr));
    EXPECT_FALSE(
        made(kAnonymous, "**", Action::admin).administers(kAnonymous, nullptr));
    EXPECT_FALSE(made(5, "**", Action::push).administers(5, nullptr));
    EXPECT_FALSE(made(5, "*/**", Action::admin).administers(5, nullptr));
    EXPECT_FALSE(made(5, "**", Action::admin).administers(7, nullptr));
    EXPECT_FALSE(made(5, "**", Action::admin).administers(6, nullptr));
    Limits limits;
    EXPECT_TRUE(made(5, "**", Action::admin).administers(5, &limits));
    limits.rules = {{pattern("team/**"), ActionSet::all()},
                    {pattern("**"), ActionSet(Action::push)}};
    EXPECT_FALSE(made(5, "**", Action::admin).administers(5, &limits));
    limits.rules.push_back({pattern("**"), ActionSet::all()});
    EXPECT_TRUE(made(5, "**", Action::admin).administers(5, &limits));
}

// Whatever is included is matched: over names made of the patterns themselves.
TEST(Patterns, IncludeNothingThatTheyDoNotMatch) {
    const std::vector<std::string> texts = {
        "**",    "*",      "a",     "a/b",    "a/*", "a/**",
        "a/b*",  "a/b**",  "a*",    "a**",    "*/b", "**/b",
        "a/*/c", "a/**/c", "a/b/*", "a/b/**", "*a",  "a/*b*"};
    const std::vector<std::string> fill = {"", "x", "b", "x/y", "b/c"};
    for (const auto& outer : texts) {
        for (const auto& inner : texts) {
            if (!pattern(outer).includes(pattern(inner))) {
                continue;
            }
            for (const auto& one : fill) {
                std::string name;
                for (std::size_t i = 0; i < inner.size(); ++i) {
                    if (inner[i] != '*') {
                        name += inner[i];
                    } else if (i == 0 || inner[i - 1] != '*') {
                        name += one;
                    }
                }
                EXPECT_TRUE(!pattern(inner).matches(name) ||
                            pattern(outer).matches(name))
                    << outer << " " << inner << " " << name;
            }
        }
    }
    EXPECT_TRUE(pattern("**").includes(pattern("*/b")));
    EXPECT_TRUE(pattern("a/**").includes(pattern("a/b/**")));
    EXPECT_TRUE(pattern("a/*").includes(pattern("a/b*")));
    EXPECT_FALSE(pattern("a/*").includes(pattern("a/**")));
    EXPECT_FALSE(pattern("a/*").includes(pattern("a/b/*")));
    EXPECT_FALSE(pattern("a/b").includes(pattern("a/*")));
    EXPECT_FALSE(pattern("a/**").includes(pattern("**")));
}

}  // namespace
}  // namespace longshore
