// Tokens, certificates, grants and visibility.
#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "auth/secret.hpp"
#include "common/clock.hpp"
#include "ctl/commands.hpp"
#include "ctl/secret_input.hpp"

namespace longshore {
namespace {

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

const char* token_state(const ApiTokenInfo& token, std::int64_t now_ms) {
    if (token.revoked_at_ms != 0) {
        return "revoked";
    }
    bool over = token.expires_at_ms != 0 && token.expires_at_ms <= now_ms;
    return over ? "expired" : "active";
}

// SHA-256 of the first certificate of a PEM file, hex.
Result<std::string> fingerprint_of(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    if (!in || !(text << in.rdbuf())) {
        return bad("cannot read a certificate from " + file);
    }
    auto pem = text.str();
    std::unique_ptr<BIO, decltype(&::BIO_free)> source(
        ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
        &::BIO_free);
    std::unique_ptr<X509, decltype(&::X509_free)> certificate(
        ::PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr),
        &::X509_free);
    ::ERR_clear_error();
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    if (certificate == nullptr ||
        ::X509_digest(certificate.get(), ::EVP_sha256(), digest.data(),
                      &length) != 1) {
        return bad("there is no certificate in PEM form in " + file);
    }
    std::string out;
    for (unsigned i = 0; i < length; ++i) {
        constexpr std::string_view kHex = "0123456789abcdef";
        out += kHex[digest.at(i) >> 4U];
        out += kHex[digest.at(i) & 15U];
    }
    return out;
}

// The certificate's fingerprint, given or read from a file.
Result<std::string> wanted_fingerprint(const Arguments& args) {
    if (args.fingerprint.empty() == args.certificate_file.empty()) {
        return bad("give either a FINGERPRINT (SHA-256, hex) or --file");
    }
    if (!args.certificate_file.empty()) {
        return fingerprint_of(args.certificate_file);
    }
    return args.fingerprint;
}

Json rule_json(const std::string& principal, const std::string& pattern,
               ActionSet actions) {
    return {{"principal", principal},
            {"pattern", pattern},
            {"actions", actions_json(actions)}};
}

}  // namespace

Json token_json(const ApiTokenInfo& token, std::int64_t now_ms) {
    return {{"id", token.id},
            {"principal", token.principal},
            {"name", token.name},
            {"state", token_state(token, now_ms)},
            {"actions", actions_json(token.actions)},
            {"repositories", token.patterns},
            {"created", time_json(token.created_at_ms)},
            {"expires", time_json(token.expires_at_ms)},
            {"used", time_json(token.used_at_ms)},
            {"revoked", time_json(token.revoked_at_ms)}};
}

Result<int> create_token(Context& context) {
    const auto& args = context.args;
    hide_process();
    NewApiToken wanted;
    wanted.principal = args.name;
    wanted.name = args.label;
    wanted.patterns = args.patterns;
    LS_TRY(actions,
           ActionSet::parse(args.actions.empty() ? "pull" : args.actions));
    wanted.actions = actions;
    LS_TRY(end, parse_end(args.expires, unix_ms()));
    wanted.expires_at_ms = end;
    LS_TRY(accounts, context.accounts());
    LS_TRY(made, accounts->create_token(wanted));
    if (context.json()) {
        print_json({{"done", "added"},
                    {"id", made.id},
                    {"token", made.text},
                    {"principal", args.name},
                    {"name", args.label},
                    {"actions", actions_json(actions)},
                    {"repositories", args.patterns},
                    {"expires", time_json(end)}});
        return kDone;
    }
    std::fprintf(stderr, "token %s of %s, until %s; it is shown this once:\n",
                 made.id.c_str(), clean(args.name).c_str(),
                 time_text(end, "it is revoked").c_str());
    std::printf("%s\n", made.text.c_str());
    return kDone;
}

Result<int> list_tokens(Context& context) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(tokens, accounts->list_tokens(context.args.name));
    auto now = unix_ms();
    if (context.json()) {
        Json list = Json::array();
        for (const auto& token : tokens) {
            list.push_back(token_json(token, now));
        }
        print_json({{"tokens", list}});
        return kDone;
    }
    Table table({"ID", "PRINCIPAL", "STATE", "ACTIONS", "REPOSITORIES",
                 "EXPIRES", "USED", "NAME"});
    for (const auto& token : tokens) {
        table.add({token.id, token.principal, token_state(token, now),
                   token.actions.text(),
                   token.patterns.empty() ? "**" : join(token.patterns, " "),
                   time_text(token.expires_at_ms, "never"),
                   time_text(token.used_at_ms, "never"), token.name});
    }
    table.print();
    return kDone;
}

Result<int> revoke_token(Context& context) {
    auto token = context.args.token;
    if (token == "-") {
        LS_TRY(given, read_secret_from_stdin());
        token = given.view();
    }
    LS_TRY(accounts, context.accounts());
    LS_CHECK(accounts->revoke_token(token));
    // The whole text may have been given; only its public part is shown.
    std::string id(secret_id(SecretKind::api_token, token).value_or(token));
    return say_done(context, "revoked", "token " + id + " revoked",
                    {{"id", id}});
}

Result<int> add_certificate(Context& context) {
    const auto& args = context.args;
    LS_TRY(fingerprint, wanted_fingerprint(args));
    LS_TRY(accounts, context.accounts());
    LS_CHECK(accounts->add_certificate(args.name, fingerprint));
    return say_done(context, "added", "certificate of " + args.name + " added",
                    {{"principal", args.name}, {"fingerprint", fingerprint}});
}

Result<int> remove_certificate(Context& context) {
    LS_TRY(fingerprint, wanted_fingerprint(context.args));
    LS_TRY(accounts, context.accounts());
    LS_CHECK(accounts->remove_certificate(fingerprint));
    return say_done(context, "removed", "certificate removed",
                    {{"fingerprint", fingerprint}});
}

Result<int> list_certificates(Context& context) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(certificates, accounts->list_certificates(context.args.name));
    if (context.json()) {
        Json list = Json::array();
        for (const auto& info : certificates) {
            list.push_back({{"principal", info.principal},
                            {"fingerprint", info.fingerprint},
                            {"created", time_json(info.created_at_ms)}});
        }
        print_json({{"certificates", list}});
        return kDone;
    }
    Table table({"PRINCIPAL", "ADDED", "FINGERPRINT"});
    for (const auto& info : certificates) {
        table.add({info.principal, time_text(info.created_at_ms, ""),
                   info.fingerprint});
    }
    table.print();
    return kDone;
}

Result<int> add_grant(Context& context) {
    const auto& args = context.args;
    LS_TRY(actions, ActionSet::parse(args.actions));
    LS_TRY(accounts, context.accounts());
    LS_CHECK(accounts->grant(args.name, args.pattern, actions));
    return say_done(context, "added",
                    args.name + " may " + actions.text() + " " + args.pattern,
                    rule_json(args.name, args.pattern, actions));
}

Result<int> remove_grant(Context& context) {
    const auto& args = context.args;
    LS_TRY(actions,
           ActionSet::parse(args.actions.empty() ? "*" : args.actions));
    LS_TRY(accounts, context.accounts());
    LS_CHECK(accounts->revoke(args.name, args.pattern, actions));
    bool all = actions == ActionSet::all();
    return say_done(context, "removed",
                    "grant to " + args.name + " on " + args.pattern +
                        (all ? "" : " of " + actions.text()) + " removed",
                    rule_json(args.name, args.pattern,
                              all ? ActionSet::from_bits(15) : actions));
}

Result<int> list_grants(Context& context) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(grants, accounts->list_grants(context.args.name));
    Json list = Json::array();
    Table table({"PRINCIPAL", "PATTERN", "ACTIONS"});
    for (const auto& grant : grants) {
        list.push_back(
            rule_json(grant.principal, grant.pattern, grant.actions));
        table.add({grant.principal, grant.pattern, grant.actions.text()});
    }
    if (context.json()) {
        print_json({{"grants", list}});
    } else {
        table.print();
    }
    return kDone;
}

Result<int> set_visibility(Context& context) {
    const auto& args = context.args;
    LS_TRY(accounts, context.accounts());
    LS_CHECK(
        accounts->set_visibility(args.pattern, args.visibility == "public"));
    return say_done(
        context, "set", args.pattern + " is " + args.visibility,
        {{"pattern", args.pattern}, {"visibility", args.visibility}});
}

Result<int> remove_visibility(Context& context) {
    const auto& pattern = context.args.pattern;
    LS_TRY(accounts, context.accounts());
    LS_CHECK(accounts->remove_visibility(pattern));
    return say_done(context, "removed", "visibility of " + pattern + " removed",
                    {{"pattern", pattern}});
}

Result<int> list_visibility(Context& context) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(rules, accounts->list_visibility());
    Json list = Json::array();
    Table table({"PATTERN", "VISIBILITY"});
    for (const auto& rule : rules) {
        const char* word = rule.is_public ? "public" : "private";
        list.push_back({{"pattern", rule.pattern}, {"visibility", word}});
        table.add({rule.pattern, word});
    }
    if (context.json()) {
        print_json({{"visibility", list}});
    } else {
        table.print();
    }
    return kDone;
}

Result<int> can(Context& context) {
    const auto& args = context.args;
    LS_TRY(action, ActionSet::parse(args.action));
    auto wanted = Action::none;
    for (auto each :
         {Action::pull, Action::push, Action::remove, Action::admin}) {
        if (ActionSet(each) == action) {
            wanted = each;
        }
    }
    LS_TRY(accounts, context.accounts());
    LS_TRY(answer, accounts->can(args.name, wanted, args.repository));
    if (context.json()) {
        print_json({{"principal", args.name},
                    {"action", args.action},
                    {"repository", args.repository},
                    {"allowed", answer.allowed},
                    {"why", answer.why}});
    } else {
        print_line((answer.allowed ? "allowed: " : "denied: ") + answer.why);
    }
    return answer.allowed ? kDone : kNo;
}

}  // namespace longshore
