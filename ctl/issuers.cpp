// Issuers of external tokens, their rules, and what a token is worth.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

#include "auth/issuers.hpp"
#include "auth/jwt.hpp"
#include "auth/key_set.hpp"
#include "common/clock.hpp"
#include "common/range.hpp"
#include "ctl/commands.hpp"
#include "ctl/secret_input.hpp"

namespace longshore {
namespace {

constexpr std::string_view kSystemRoots = "system";

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

// All of a stream, at most `most` bytes.
Result<std::string> read_all(std::istream& in, std::size_t most,
                             const std::string& name) {
    std::string text(most + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad()) {
        return bad("cannot read " + name);
    }
    if (text.size() > most) {
        return bad(name + " is longer than " + std::to_string(most) + " bytes");
    }
    return text;
}

Result<std::string> read_named(const std::string& file, std::size_t most) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return bad("cannot read " + file);
    }
    return read_all(in, most, file);
}

// "30s", "10m", "24h", "7d" or seconds.
Result<std::int64_t> parse_seconds(std::string_view text) {
    std::int64_t unit = 1;
    if (!text.empty()) {
        switch (text.back()) {
            case 's':
                break;
            case 'm':
                unit = 60;
                break;
            case 'h':
                unit = 3600;
                break;
            case 'd':
                unit = 86'400;
                break;
            default:
                unit = 0;
        }
    }
    auto digits = unit == 0 ? text : text.substr(0, text.size() - 1);
    auto number = parse_decimal(digits);
    if (!number || *number > 1'000'000'000) {
        return bad("\"" + std::string(text) +
                   "\" is no time; such as 30s, 10m, 24h, 7d");
    }
    return static_cast<std::int64_t>(*number) * std::max<std::int64_t>(unit, 1);
}

Json issuer_json(const IssuerInfo& info) {
    return {{"name", info.name},
            {"url", info.url},
            {"audiences", info.audiences},
            {"keys_from", info.keys_from},
            {"keys_url", info.keys_url},
            {"ca_file", info.ca_file},
            {"private_network", info.private_network},
            {"leeway_s", info.leeway_s},
            {"max_lifetime_s", info.max_lifetime_s},
            {"created", time_json(info.created_at_ms)},
            {"fetched", time_json(info.fetched_at_ms)},
            {"error", info.error},
            {"keys", info.keys},
            {"rules", info.rules}};
}

Json rule_json(const IssuerRuleInfo& rule) {
    return {{"id", rule.id},
            {"issuer", rule.issuer},
            {"when", rule.conditions},
            {"as", rule.service},
            {"actions", actions_json(rule.actions)},
            {"repositories", rule.patterns}};
}

std::string gives(const IssuerRuleInfo& rule) {
    return rule.service.empty()
               ? rule.actions.text() + " " + join(rule.patterns, " ")
               : "as " + rule.service;
}

Result<Issuers> issuers_of(Context& context) {
    LS_TRY(database, context.database());
    return Issuers(*database, context.actor());
}

}  // namespace

Result<int> add_issuer(Context& context) {
    const auto& args = context.args;
    NewIssuer wanted;
    wanted.name = args.name;
    wanted.url = args.url;
    wanted.audiences = args.audiences;
    wanted.keys_url = args.keys_url;
    wanted.ca_file = args.ca_file;
    wanted.private_network = args.private_network;
    if (!args.leeway.empty()) {
        LS_TRY(leeway, parse_seconds(args.leeway));
        wanted.leeway_s = leeway;
    }
    if (!args.max_lifetime.empty()) {
        LS_TRY(lifetime, parse_seconds(args.max_lifetime));
        wanted.max_lifetime_s = lifetime;
    }
    if (!args.keys_file.empty()) {
        LS_TRY(keys, read_named(args.keys_file, kMaxKeySetBytes));
        wanted.keys = std::move(keys);
    }
    LS_TRY(issuers, issuers_of(context));
    LS_CHECK(issuers.add(wanted));
    return say_done(context, "added",
                    "issuer " + args.name +
                        " added; its tokens do nothing until there is a rule",
                    {{"issuer", args.name}, {"url", args.url}});
}

// An option that was not given changes nothing.
Result<int> change_issuer(Context& context) {
    const auto& args = context.args;
    IssuerChange wanted;
    if (!args.audiences.empty()) {
        wanted.audiences = args.audiences;
    }
    wanted.discovery = args.discovery;
    wanted.keys_url = args.keys_url;
    if (!args.keys_file.empty()) {
        LS_TRY(keys, read_named(args.keys_file, kMaxKeySetBytes));
        wanted.keys = std::move(keys);
    }
    if (!args.ca_file.empty()) {
        wanted.ca_file = args.ca_file == kSystemRoots ? "" : args.ca_file;
    }
    if (!args.network.empty()) {
        wanted.private_network = args.network == "private";
    }
    if (!args.leeway.empty()) {
        LS_TRY(leeway, parse_seconds(args.leeway));
        wanted.leeway_s = leeway;
    }
    if (!args.max_lifetime.empty()) {
        LS_TRY(lifetime, parse_seconds(args.max_lifetime));
        wanted.max_lifetime_s = lifetime;
    }
    LS_TRY(issuers, issuers_of(context));
    LS_CHECK(issuers.change(args.name, wanted));
    LS_TRY(info, issuers.find(args.name));
    return say_done(
        context, "changed",
        "issuer " + args.name + " changed; what its tokens were given ends",
        issuer_json(info));
}

Result<int> list_issuers(Context& context) {
    LS_TRY(issuers, issuers_of(context));
    LS_TRY(all, issuers.list());
    Json list = Json::array();
    Table table(
        {"NAME", "URL", "AUDIENCES", "KEYS", "FETCHED", "RULES", "PROBLEM"});
    for (const auto& info : all) {
        list.push_back(issuer_json(info));
        table.add({info.name, info.url, join(info.audiences, " "),
                   std::to_string(info.keys.size()),
                   time_text(info.fetched_at_ms, "never"),
                   std::to_string(info.rules), info.error});
    }
    if (context.json()) {
        print_json({{"issuers", list}});
    } else {
        table.print();
    }
    return kDone;
}

Result<int> show_issuer(Context& context) {
    LS_TRY(issuers, issuers_of(context));
    LS_TRY(info, issuers.find(context.args.name));
    auto document = issuer_json(info);
    if (context.json()) {
        print_json(document);
        return kDone;
    }
    for (const auto& [name, value] : document.items()) {
        auto text = value.is_string() ? value.get<std::string>() : value.dump();
        print_line(std::string(name).append(": ").append(text));
    }
    return kDone;
}

Result<int> remove_issuer(Context& context) {
    const auto& name = context.args.name;
    LS_TRY(issuers, issuers_of(context));
    LS_CHECK(issuers.remove(name));
    return say_done(context, "removed", "issuer " + name + " removed",
                    {{"issuer", name}});
}

Result<int> set_issuer_keys(Context& context) {
    const auto& args = context.args;
    LS_TRY(keys, read_named(args.keys_file, kMaxKeySetBytes));
    LS_TRY(issuers, issuers_of(context));
    LS_CHECK(issuers.set_keys(args.name, keys));
    return say_done(context, "changed", "keys of issuer " + args.name + " set",
                    {{"issuer", args.name}});
}

Result<int> add_issuer_rule(Context& context) {
    const auto& args = context.args;
    NewIssuerRule wanted;
    wanted.issuer = args.name;
    wanted.conditions = args.conditions;
    wanted.service = args.service;
    wanted.patterns = args.patterns;
    if (!args.actions.empty()) {
        LS_TRY(actions, ActionSet::parse(args.actions));
        wanted.actions = actions;
    }
    LS_TRY(issuers, issuers_of(context));
    LS_TRY(id, issuers.add_rule(wanted));
    IssuerRuleInfo rule{id,           args.name,      args.conditions,
                        args.service, wanted.actions, args.patterns};
    auto document = rule_json(rule);
    return say_done(context, "added",
                    "rule " + std::to_string(id) + " of " + args.name + ": " +
                        join(args.conditions, " and ") + " gives " +
                        gives(rule),
                    document);
}

Result<int> list_issuer_rules(Context& context) {
    LS_TRY(issuers, issuers_of(context));
    LS_TRY(rules, issuers.list_rules(context.args.name));
    Json list = Json::array();
    Table table({"ID", "ISSUER", "WHEN", "GIVES"});
    for (const auto& rule : rules) {
        list.push_back(rule_json(rule));
        table.add({std::to_string(rule.id), rule.issuer,
                   join(rule.conditions, " and "), gives(rule)});
    }
    if (context.json()) {
        print_json({{"rules", list}});
    } else {
        table.print();
    }
    return kDone;
}

Result<int> remove_issuer_rule(Context& context) {
    const auto& text = context.args.name;
    auto id = parse_decimal(text);
    if (!id || *id > INT64_MAX) {
        return bad("\"" + text + "\" is no number of a rule");
    }
    LS_TRY(issuers, issuers_of(context));
    LS_CHECK(issuers.remove_rule(static_cast<std::int64_t>(*id)));
    return say_done(context, "removed", "rule " + text + " removed",
                    {{"id", *id}});
}

Result<int> test_token(Context& context) {
    const auto& file = context.args.token_file;
    hide_process();
    // After config(), so that root reads nothing for others.
    LS_TRY(issuers, issuers_of(context));
    auto given = file.empty()
                     ? read_all(std::cin, kMaxJwtBytes, "standard input")
                     : read_named(file, kMaxJwtBytes);
    LS_TRY(token, std::move(given));
    while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) {
        token.pop_back();
    }
    LS_TRY(report, issuers.test(token));
    if (context.json()) {
        Json rules = Json::array();
        for (const auto& rule : report.rules) {
            rules.push_back({{"id", rule.id},
                             {"matches", rule.matches},
                             {"why", rule.why}});
        }
        print_json(
            {{"taken", report.good},
             {"why", report.why},
             {"verified", report.verified},
             {"issuer", report.issuer},
             {"principal", report.name},
             {"claims",
              report.claims.empty() ? Json() : Json::parse(report.claims)},
             {"rules", rules}});
        return report.good ? kDone : kNo;
    }
    print_line((report.good ? "taken: " : "not taken: ") + report.why);
    if (!report.issuer.empty()) {
        print_line("issuer: " + report.issuer);
    }
    if (!report.name.empty()) {
        print_line("principal: " + report.name);
    }
    for (const auto& rule : report.rules) {
        print_line("rule " + std::to_string(rule.id) +
                   (rule.matches ? " matches: " : " does not match: ") +
                   rule.why);
    }
    if (!report.claims.empty()) {
        print_line("claims: " + report.claims);
    }
    return report.good ? kDone : kNo;
}

}  // namespace longshore
