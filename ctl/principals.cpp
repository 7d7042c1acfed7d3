// Users, service accounts and groups.
#include <optional>

#include "common/clock.hpp"
#include "ctl/commands.hpp"
#include "ctl/secret_input.hpp"

namespace longshore {
namespace {

std::string kind_word(PrincipalKind kind) {
    return std::string(kind_name(kind));
}

// The principal of this kind; who names a service account where a user is
// wanted learns what it is.
Result<PrincipalInfo> find(Accounts& accounts, PrincipalKind kind,
                           const std::string& name) {
    auto look = [&](PrincipalKind of) -> Result<std::optional<PrincipalInfo>> {
        LS_TRY(all, accounts.list(of));
        for (auto& info : all) {
            if (info.name == name) {
                return std::optional(std::move(info));
            }
        }
        return std::optional<PrincipalInfo>();
    };
    LS_TRY(found, look(kind));
    if (found) {
        return std::move(*found);
    }
    auto message = "there is no " + kind_word(kind) + " \"" + name + "\"";
    for (auto other :
         {PrincipalKind::user, PrincipalKind::service, PrincipalKind::group}) {
        LS_TRY(there, look(other));
        if (there) {
            message += ", but a " + kind_word(other) + " of that name";
        }
    }
    return Error{Code::not_found, message};
}

Json principal_json(const PrincipalInfo& info) {
    Json body = {{"kind", kind_name(info.kind)},
                 {"name", info.name},
                 {"disabled", info.disabled},
                 {"created", time_json(info.created_at_ms)}};
    if (info.kind == PrincipalKind::group) {
        body["members"] = info.members;
    } else {
        body["source"] = info.source;
        body["password"] = info.has_password;
        body["groups"] = info.groups;
    }
    return body;
}

// What an operator may give to a principal that is to be made or changed.
Json named(PrincipalKind kind, const std::string& name) {
    return {{"kind", kind_name(kind)}, {"name", name}};
}

int said(const Context& context, PrincipalKind kind, const char* done) {
    const auto& name = context.args.name;
    return say_done(context, done, kind_word(kind) + " " + name + " " + done,
                    named(kind, name));
}

// All or nothing: who cannot be given a password or right is not made.
template <typename F>
Result<void> create_with(Accounts& accounts, PrincipalKind kind,
                         const std::string& name, const F& rest) {
    LS_CHECK(accounts.create(kind, name));
    if (auto done = rest(); !done) {
        auto error = done.error();
        if (auto gone = accounts.remove(name); !gone) {
            error.message += "; and it stays without: " + gone.error().message;
        }
        return error;
    }
    return {};
}

}  // namespace

Result<void> refuse_bad_name(const std::string& name) {
    if (!is_principal_name(name)) {
        return Error{Code::invalid_argument,
                     "\"" + name +
                         "\" is no name: letters, digits and . _ - @ +, the "
                         "first one a letter or digit, at most 128"};
    }
    return {};
}

int say_done(const Context& context, const char* done, const std::string& line,
             const Json& document) {
    if (context.json()) {
        Json body = {{"done", done}};
        body.update(document);
        print_json(body);
    } else {
        print_line(line);
    }
    return kDone;
}

Result<int> add_principal(Context& context, PrincipalKind kind) {
    const auto& args = context.args;
    LS_CHECK(refuse_bad_name(args.name));
    LS_TRY(accounts, context.accounts());
    bool asks = args.password_stdin ||
                (kind == PrincipalKind::user && !args.no_password);
    if (!asks) {
        LS_CHECK(accounts->create(kind, args.name));
        return said(context, kind, "added");
    }
    LS_TRY(password, read_new_password(args.name, args.password_stdin));
    LS_CHECK(create_with(*accounts, kind, args.name, [&] {
        return accounts->set_password(args.name, password.view());
    }));
    return said(context, kind, "added");
}

Result<int> list_principals(Context& context, PrincipalKind kind) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(all, accounts->list(kind));
    bool group = kind == PrincipalKind::group;
    if (context.json()) {
        Json list = Json::array();
        for (const auto& info : all) {
            list.push_back(principal_json(info));
        }
        print_json({{kind_word(kind) + "s", list}});
        return kDone;
    }
    Table table(group ? std::vector<std::string>{"NAME", "STATE", "MEMBERS"}
                      : std::vector<std::string>{"NAME", "STATE", "PASSWORD",
                                                 "SOURCE", "GROUPS"});
    for (const auto& info : all) {
        std::vector<std::string> row = {info.name,
                                        info.disabled ? "disabled" : "active"};
        if (group) {
            row.push_back(join(info.members, ","));
        } else {
            row.insert(row.end(), {info.has_password ? "yes" : "no",
                                   info.source, join(info.groups, ",")});
        }
        table.add(std::move(row));
    }
    table.print();
    return kDone;
}

Result<int> show_principal(Context& context, PrincipalKind kind) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(info, find(*accounts, kind, context.args.name));
    LS_TRY(grants, accounts->list_grants(info.name));
    std::vector<ApiTokenInfo> tokens;
    if (kind != PrincipalKind::group) {
        LS_TRY(found, accounts->list_tokens(info.name));
        tokens = std::move(found);
    }
    if (context.json()) {
        auto body = principal_json(info);
        body["grants"] = Json::array();
        for (const auto& grant : grants) {
            body["grants"].push_back(
                {{"pattern", grant.pattern},
                 {"actions", actions_json(grant.actions)}});
        }
        if (kind != PrincipalKind::group) {
            body["tokens"] = Json::array();
            for (const auto& token : tokens) {
                body["tokens"].push_back(token_json(token, unix_ms()));
            }
        }
        print_json(body);
        return kDone;
    }
    print_line(kind_word(kind) + " " + info.name + ", " +
               (info.disabled ? "disabled" : "active") + ", since " +
               time_text(info.created_at_ms, "the beginning"));
    if (kind == PrincipalKind::group) {
        print_line("members: " +
                   (info.members.empty() ? "-" : join(info.members, " ")));
    } else {
        print_line(
            "password: " + std::string(info.has_password ? "set" : "none") +
            " (" + info.source + ")");
        print_line("groups: " +
                   (info.groups.empty() ? "-" : join(info.groups, " ")));
        print_line("tokens: " + std::to_string(tokens.size()));
    }
    for (const auto& grant : grants) {
        print_line("may " + grant.actions.text() + " " + grant.pattern);
    }
    return kDone;
}

Result<int> disable_principal(Context& context, PrincipalKind kind) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(info, find(*accounts, kind, context.args.name));
    LS_CHECK(accounts->set_disabled(info.name, true));
    return said(context, kind, "disabled");
}

Result<int> enable_principal(Context& context, PrincipalKind kind) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(info, find(*accounts, kind, context.args.name));
    LS_CHECK(accounts->set_disabled(info.name, false));
    return said(context, kind, "enabled");
}

Result<int> remove_principal(Context& context, PrincipalKind kind) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(info, find(*accounts, kind, context.args.name));
    LS_CHECK(accounts->remove(info.name));
    return said(context, kind, "removed");
}

Result<int> set_password(Context& context, PrincipalKind kind) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(info, find(*accounts, kind, context.args.name));
    LS_TRY(password, read_new_password(info.name, context.args.password_stdin));
    LS_CHECK(accounts->set_password(info.name, password.view()));
    const auto& name = info.name;
    return say_done(context, "changed",
                    "password of " + kind_word(kind) + " " + name + " changed",
                    named(kind, name));
}

Result<int> unlock_principal(Context& context, PrincipalKind kind) {
    LS_TRY(accounts, context.accounts());
    LS_TRY(info, find(*accounts, kind, context.args.name));
    LS_CHECK(accounts->unlock(info.name));
    return said(context, kind, "unlocked");
}

Result<int> add_member(Context& context) {
    const auto& args = context.args;
    LS_TRY(accounts, context.accounts());
    LS_CHECK(accounts->add_member(args.name, args.member));
    return say_done(context, "added",
                    args.member + " is a member of " + args.name,
                    {{"group", args.name}, {"member", args.member}});
}

Result<int> remove_member(Context& context) {
    const auto& args = context.args;
    LS_TRY(accounts, context.accounts());
    LS_CHECK(accounts->remove_member(args.name, args.member));
    return say_done(context, "removed",
                    args.member + " is no member of " + args.name + " now",
                    {{"group", args.name}, {"member", args.member}});
}

}  // namespace longshore
