#include "auth/accounts.hpp"

#include <algorithm>
#include <map>

#include "auth/password.hpp"
#include "auth/secret.hpp"
#include "common/clock.hpp"
#include "common/oci_path.hpp"
#include "db/accounts.hpp"
#include "db/database.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxTokenName = 128;
constexpr std::size_t kMaxPatterns = 32;
constexpr std::size_t kFingerprint = 64;

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

Error no_principal(const std::string& name) {
    return {Code::not_found, "there is no principal \"" + name + "\""};
}

// One function at a time may be looked at: these rows are of the database,
// and it is damaged if they are none of what is stored.
Error damaged(const Error& error) {
    return {Code::corrupt, "database: " + error.message};
}

Result<db::PrincipalRow> find_row(Transaction& t, const std::string& name) {
    LS_TRY(row, db::find_principal(t, name));
    if (!row) {
        return no_principal(name);
    }
    return std::move(*row);
}

bool logs_in(const db::PrincipalRow& row) {
    return row.kind == "user" || row.kind == "service";
}

bool is_active(const db::PrincipalRow& row) {
    return !row.disabled &&
           (row.source != "htpasswd" || !row.password_hash.empty());
}

Result<std::string> clean_fingerprint(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (c != ':') {
            out += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    if (out.size() != kFingerprint ||
        out.find_first_not_of("0123456789abcdef") != std::string::npos) {
        return bad(
            "a fingerprint is the SHA-256 of a certificate, 64 hex "
            "characters");
    }
    return out;
}

Result<void> bump(Transaction& t, std::int64_t principal) {
    return db::bump_policy(t, principal, unix_ms());
}

// Written, and what was issued before is void.
Result<void> end_issued(Transaction& t, db::PrincipalRow& row) {
    ++row.generation;
    row.changed_at_ms = unix_ms();
    LS_TRY(changed, db::update_principal(t, row));
    static_cast<void>(changed);
    LS_TRY(ended, db::delete_refresh_tokens(t, row.id));
    static_cast<void>(ended);
    return bump(t, row.id);
}

Result<void> found_or(bool found, const char* what) {
    if (!found) {
        return Error{Code::not_found, what};
    }
    return {};
}

ApiTokenInfo token_info(const db::ApiTokenRow& row, std::string principal) {
    ApiTokenInfo info;
    info.id = row.id;
    info.principal = std::move(principal);
    info.name = row.name;
    info.actions = ActionSet::from_bits(row.actions);
    std::string_view rest = row.patterns;
    while (!rest.empty()) {
        auto end = std::min(rest.find(' '), rest.size());
        info.patterns.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    info.created_at_ms = row.created_at_ms;
    info.expires_at_ms = row.expires_at_ms;
    info.used_at_ms = row.used_at_ms;
    info.revoked_at_ms = row.revoked_at_ms;
    return info;
}

// What `admin` implies goes only with it; who takes less would be told that
// it is gone.
Result<void> check_taken(ActionSet taken, ActionSet left,
                         const std::string& pattern) {
    if (!taken.has(Action::admin) && left.has(Action::admin)) {
        return bad("admin is granted on " + pattern + " and includes " +
                   taken.text() + ": take admin away");
    }
    return {};
}

// Who is together with whom, both ways, by name.
using Links = std::map<PrincipalId, std::vector<std::string>>;

Links name_links(const std::vector<db::PrincipalRow>& rows,
                 const std::vector<db::MembershipRow>& memberships) {
    std::map<PrincipalId, const std::string*> names;
    for (const auto& row : rows) {
        names[row.id] = &row.name;
    }
    Links links;
    for (const auto& membership : memberships) {
        auto group = names.find(membership.group_id);
        auto member = names.find(membership.member_id);
        if (group != names.end() && member != names.end()) {
            links[membership.member_id].push_back(*group->second);
            links[membership.group_id].push_back(*member->second);
        }
    }
    return links;
}

PrincipalInfo principal_info(const db::PrincipalRow& row, PrincipalKind kind,
                             const Links& links) {
    PrincipalInfo info;
    info.id = row.id;
    info.kind = kind;
    info.name = row.name;
    info.source = row.source;
    info.has_password = !row.password_hash.empty();
    info.disabled = !is_active(row);
    info.created_at_ms = row.created_at_ms;
    if (auto linked = links.find(row.id); linked != links.end()) {
        (kind == PrincipalKind::group ? info.members : info.groups) =
            linked->second;
    }
    return info;
}

// Nobody gets by a new token what the one at hand is not good for.
Result<void> refuse_more(const NewApiToken& wanted,
                         std::vector<Pattern> patterns) {
    if (patterns.empty()) {
        LS_TRY(everything, Pattern::parse("**"));
        patterns.push_back(std::move(everything));
    }
    bool inside =
        !wanted.within ||
        std::all_of(patterns.begin(), patterns.end(),
                    [&](const Pattern& pattern) {
                        return wanted.within->include(pattern, wanted.actions);
                    });
    if (!inside) {
        return Error{Code::denied,
                     "the new token would have more than the one it is made "
                     "with"};
    }
    auto until = wanted.within_until_ms;
    if (until != 0 &&
        (wanted.expires_at_ms == 0 || wanted.expires_at_ms > until)) {
        return Error{Code::denied,
                     "the new token would outlive the one it is made with"};
    }
    return {};
}

using Names = std::map<PrincipalId, std::string>;

Result<Names> all_names(Transaction& t) {
    LS_TRY(rows, db::list_principals(t));
    Names names;
    for (auto& row : rows) {
        names[row.id] = std::move(row.name);
    }
    return names;
}

// Whose rows a list is to have; "": of all, which is 0.
Result<PrincipalId> wanted_id(Transaction& t, const std::string& principal) {
    if (principal.empty()) {
        return PrincipalId{0};
    }
    LS_TRY(row, find_row(t, principal));
    return row.id;
}

}  // namespace

bool is_principal_name(std::string_view name) noexcept {
    auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c >= '0' && c <= '9');
    };
    return !name.empty() && name.size() <= kMaxName && plain(name.front()) &&
           std::all_of(name.begin(), name.end(), [&](char c) {
               return plain(c) || c == '.' || c == '_' || c == '-' ||
                      c == '@' || c == '+';
           });
}

Result<std::shared_ptr<const Policy>> load_policy(Database& database) {
    db::AccountRows rows;
    LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
        LS_TRY(principals, db::list_principals(t));
        rows.principals = std::move(principals);
        LS_TRY(memberships, db::list_memberships(t));
        rows.memberships = std::move(memberships);
        LS_TRY(grants, db::list_grants(t));
        rows.grants = std::move(grants);
        LS_TRY(visibility, db::list_visibility(t));
        rows.visibility = std::move(visibility);
        LS_TRY(version, db::policy_version(t));
        rows.version = version;
        return {};
    }));
    auto policy = std::make_shared<Policy>();
    policy->set_version(rows.version);
    std::map<PrincipalId, std::vector<PrincipalId>> groups;
    for (const auto& row : rows.memberships) {
        groups[row.member_id].push_back(row.group_id);
    }
    for (const auto& row : rows.principals) {
        auto kind = parse_kind(row.kind);
        if (!kind) {
            return Error{Code::corrupt, "database: a principal's kind"};
        }
        policy->add(row.id, {row.name, *kind, is_active(row), row.generation,
                             std::move(groups[row.id])});
    }
    for (const auto& row : rows.grants) {
        auto pattern = Pattern::parse(row.pattern);
        if (!pattern) {
            return damaged(pattern.error());
        }
        policy->grant(row.principal_id,
                      {std::move(*pattern), ActionSet::from_bits(row.actions)});
    }
    for (const auto& row : rows.visibility) {
        auto pattern = Pattern::parse(row.pattern);
        if (!pattern) {
            return damaged(pattern.error());
        }
        policy->set_visibility(std::move(*pattern), row.visibility == "public");
    }
    return std::shared_ptr<const Policy>(std::move(policy));
}

Result<std::int64_t> Accounts::version() {
    std::int64_t version = 0;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(now, db::policy_version(t));
        version = now;
        return {};
    }));
    return version;
}

template <typename F>
Result<void> Accounts::change(std::string_view action, const std::string& name,
                              const F& work, const std::string& detail) {
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_row(t, name));
        if (row.kind == "builtin") {
            return bad("\"" + name + "\" is built in");
        }
        LS_CHECK(work(t, row));
        return changes_.tell(t, action, name, "", detail);
    });
}

Result<void> Accounts::create(PrincipalKind kind, const std::string& name,
                              std::optional<std::string_view> password) {
    if (kind == PrincipalKind::builtin) {
        return bad("builtin principals cannot be made");
    }
    if (!is_principal_name(name)) {
        return bad(
            "a name begins with a letter or digit, may have . _ - @ + "
            "inside, and is at most 128 characters long");
    }
    std::string hash;
    if (password) {
        if (kind == PrincipalKind::group) {
            return bad("a group has no password");
        }
        LS_CHECK(check_password_rules(name, *password));
        // Outside of the transaction: it takes long.
        LS_TRY(made, hash_password(*password));
        hash = std::move(made);
    }
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(known, db::find_principal(t, name));
        if (known) {
            return Error{Code::already_exists,
                         "there is a principal \"" + name + "\" already"};
        }
        db::PrincipalRow row;
        row.kind = kind_name(kind);
        row.name = name;
        row.password_hash = hash;
        row.created_at_ms = row.changed_at_ms = unix_ms();
        // Never that of an earlier principal, should an id ever come again.
        row.generation = row.created_at_ms;
        LS_TRY(id, db::add_principal(t, row));
        LS_CHECK(changes_.tell(t, "principal.create", name, "", row.kind));
        return bump(t, id);
    });
}

Result<void> Accounts::remove(const std::string& name) {
    return change("principal.remove", name,
                  [](Transaction& t, db::PrincipalRow& row) -> Result<void> {
                      LS_TRY(gone, db::delete_principal(t, row.id));
                      static_cast<void>(gone);
                      // A group's members lose what it had.
                      return bump(t, logs_in(row) ? row.id : 0);
                  });
}

Result<void> Accounts::set_disabled(const std::string& name, bool disabled) {
    return change(disabled ? "principal.disable" : "principal.enable", name,
                  [&](Transaction& t, db::PrincipalRow& row) -> Result<void> {
                      row.disabled = disabled;
                      LS_CHECK(end_issued(t, row));
                      return logs_in(row) ? Result<void>() : bump(t, 0);
                  });
}

Result<void> Accounts::set_password(const std::string& name,
                                    std::string_view password) {
    LS_CHECK(check_password_rules(name, password));
    // Outside of the transaction: it takes long.
    LS_TRY(hash, hash_password(password));
    return change("password.set", name,
                  [&](Transaction& t, db::PrincipalRow& row) -> Result<void> {
                      if (row.kind != "user" && row.kind != "service") {
                          return bad("a group has no password");
                      }
                      if (row.source == "htpasswd") {
                          return bad("the password of \"" + name +
                                     "\" is in the htpasswd file");
                      }
                      row.password_hash = hash;
                      LS_TRY(unlocked, db::delete_failures(t, name));
                      static_cast<void>(unlocked);
                      return end_issued(t, row);
                  });
}

Result<void> Accounts::unlock(const std::string& name) {
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(unlocked, db::delete_failures(t, name));
        static_cast<void>(unlocked);
        LS_TRY(known, db::find_principal(t, name));
        return changes_.tell(t, "principal.unlock", known ? name : "", "", "");
    });
}

Result<std::vector<PrincipalInfo>> Accounts::list(PrincipalKind kind) {
    std::vector<PrincipalInfo> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(rows, db::list_principals(t));
        LS_TRY(memberships, db::list_memberships(t));
        auto links = name_links(rows, memberships);
        for (const auto& row : rows) {
            if (row.kind == kind_name(kind) && row.kind != "builtin") {
                found.push_back(principal_info(row, kind, links));
            }
        }
        return {};
    }));
    return found;
}

Result<PrincipalInfo> Accounts::find(const std::string& name) {
    std::optional<PrincipalInfo> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_row(t, name));
        auto kind = parse_kind(row.kind);
        if (!kind || *kind == PrincipalKind::builtin) {
            return no_principal(name);
        }
        LS_TRY(rows, db::list_principals(t));
        LS_TRY(memberships, db::list_memberships(t));
        found = principal_info(row, *kind, name_links(rows, memberships));
        return {};
    }));
    return std::move(*found);
}

Result<void> Accounts::add_member(const std::string& group,
                                  const std::string& member) {
    return change(
        "group.member-add", group,
        [&](Transaction& t, db::PrincipalRow& row) -> Result<void> {
            LS_TRY(added, find_row(t, member));
            if (row.kind != "group" || !logs_in(added)) {
                return bad(
                    "members are users and services, of a "
                    "group");
            }
            LS_TRY(is_new, db::add_membership(t, {added.id, row.id}));
            static_cast<void>(is_new);
            return bump(t, added.id);
        },
        member);
}

Result<void> Accounts::remove_member(const std::string& group,
                                     const std::string& member) {
    return change(
        "group.member-remove", group,
        [&](Transaction& t, db::PrincipalRow& row) -> Result<void> {
            LS_TRY(removed, find_row(t, member));
            LS_TRY(was, db::delete_membership(t, {removed.id, row.id}));
            LS_CHECK(found_or(was, "it is no member of the group"));
            return bump(t, removed.id);
        },
        member);
}

Result<MadeApiToken> Accounts::create_token(const NewApiToken& wanted) {
    auto now = unix_ms();
    if (wanted.actions.empty()) {
        return bad("a token needs actions: pull, push, delete, admin");
    }
    if (wanted.expires_at_ms != 0 && wanted.expires_at_ms <= now) {
        return bad("the token would have ended already");
    }
    bool printable =
        std::all_of(wanted.name.begin(), wanted.name.end(), [](char c) {
            return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
        });
    if (wanted.name.size() > kMaxTokenName || !printable) {
        return bad("a token's name has at most 128 printable characters");
    }
    if (wanted.patterns.size() > kMaxPatterns) {
        return bad("a token has at most 32 patterns");
    }
    db::ApiTokenRow row;
    std::vector<Pattern> patterns;
    for (const auto& text : wanted.patterns) {
        LS_TRY(pattern, Pattern::parse(text));
        row.patterns += row.patterns.empty() ? "" : " ";
        row.patterns += pattern.text();
        patterns.push_back(std::move(pattern));
    }
    LS_CHECK(refuse_more(wanted, std::move(patterns)));
    LS_TRY(secret, make_secret(SecretKind::api_token));
    row.id = secret.id;
    row.secret_hash = secret.hash;
    row.name = wanted.name;
    row.actions = wanted.actions.bits();
    row.created_at_ms = now;
    row.expires_at_ms = wanted.expires_at_ms;
    auto detail = secret.id + " " + wanted.actions.text() + " " +
                  (row.patterns.empty() ? "**" : row.patterns);
    LS_CHECK(change(
        "token.create", wanted.principal,
        [&](Transaction& t, db::PrincipalRow& of) -> Result<void> {
            if (!logs_in(of)) {
                return bad("a group has no tokens");
            }
            row.principal_id = of.id;
            return db::add_api_token(t, row);
        },
        detail));
    return MadeApiToken{secret.id, secret.text};
}

Result<std::vector<ApiTokenInfo>> Accounts::list_tokens(
    const std::string& principal) {
    std::vector<ApiTokenInfo> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, wanted_id(t, principal));
        LS_TRY(names, all_names(t));
        LS_TRY(rows, db::list_api_tokens(t, id));
        for (const auto& row : rows) {
            found.push_back(token_info(row, names[row.principal_id]));
        }
        return {};
    }));
    return found;
}

Result<void> Accounts::revoke_token(const std::string& token) {
    auto id = secret_id(SecretKind::api_token, token).value_or(token);
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, db::find_api_token(t, id));
        bool revoked = false;
        if (row) {
            LS_TRY(now, db::revoke_api_token(t, id, unix_ms()));
            revoked = now;
        }
        LS_CHECK(found_or(revoked, "there is no such token to be revoked"));
        LS_TRY(names, all_names(t));
        LS_CHECK(changes_.tell(t, "token.revoke", names[row->principal_id], "",
                               std::string(id)));
        return bump(t, row->principal_id);
    });
}

Result<void> Accounts::add_certificate(const std::string& principal,
                                       const std::string& fingerprint) {
    LS_TRY(clean, clean_fingerprint(fingerprint));
    return change(
        "certificate.add", principal,
        [&](Transaction& t, db::PrincipalRow& row) -> Result<void> {
            if (!logs_in(row)) {
                return bad("a group has no certificates");
            }
            LS_TRY(known, db::find_certificate(t, clean));
            if (known) {
                return Error{Code::already_exists,
                             "the certificate belongs to a principal already"};
            }
            return db::add_certificate(t, {clean, row.id, unix_ms()});
        },
        clean);
}

Result<void> Accounts::remove_certificate(const std::string& fingerprint) {
    LS_TRY(clean, clean_fingerprint(fingerprint));
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, db::find_certificate(t, clean));
        LS_CHECK(found_or(row.has_value(), "there is no such certificate"));
        LS_TRY(gone, db::delete_certificate(t, clean));
        static_cast<void>(gone);
        LS_TRY(names, all_names(t));
        LS_CHECK(changes_.tell(t, "certificate.remove",
                               names[row->principal_id], "", clean));
        return bump(t, row->principal_id);
    });
}

Result<std::vector<CertificateInfo>> Accounts::list_certificates(
    const std::string& principal) {
    std::vector<CertificateInfo> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, wanted_id(t, principal));
        LS_TRY(names, all_names(t));
        LS_TRY(rows, db::list_certificates(t));
        for (const auto& row : rows) {
            if (id == 0 || id == row.principal_id) {
                found.push_back({names[row.principal_id], row.fingerprint,
                                 row.created_at_ms});
            }
        }
        return {};
    }));
    return found;
}

Result<void> Accounts::grant(const std::string& principal,
                             const std::string& pattern, ActionSet actions) {
    LS_TRY(parsed, Pattern::parse(pattern));
    if (actions.empty()) {
        return bad("a grant needs actions: pull, push, delete, admin");
    }
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_row(t, principal));
        LS_TRY(old, db::find_grant(t, row.id, parsed.text()));
        auto set = actions;
        if (old) {
            set.add(ActionSet::from_bits(old->actions));
        }
        LS_CHECK(
            db::put_grant(t, {row.id, parsed.text(), set.bits(), unix_ms()}));
        LS_CHECK(changes_.tell(t, "grant.add", principal, parsed.text(),
                               actions.text()));
        return bump(t, logs_in(row) ? row.id : 0);
    });
}

Result<void> Accounts::revoke(const std::string& principal,
                              const std::string& pattern, ActionSet actions) {
    LS_TRY(parsed, Pattern::parse(pattern));
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_row(t, principal));
        LS_TRY(old, db::find_grant(t, row.id, parsed.text()));
        LS_CHECK(found_or(old.has_value(), "there is no such grant"));
        auto left = ActionSet::from_bits(old->actions);
        // "*" is everything, also what was granted by its own word.
        left.remove(actions == ActionSet::all() ? ActionSet::from_bits(15)
                                                : actions);
        LS_CHECK(check_taken(actions, left, pattern));
        if (left.empty()) {
            LS_TRY(gone, db::delete_grant(t, row.id, parsed.text()));
            static_cast<void>(gone);
        } else {
            old->actions = left.bits();
            LS_CHECK(db::put_grant(t, *old));
        }
        LS_CHECK(changes_.tell(t, "grant.remove", principal, parsed.text(),
                               actions.text()));
        return bump(t, logs_in(row) ? row.id : 0);
    });
}

Result<std::vector<GrantInfo>> Accounts::list_grants(
    const std::string& principal) {
    std::vector<GrantInfo> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, wanted_id(t, principal));
        LS_TRY(names, all_names(t));
        LS_TRY(rows, db::list_grants(t));
        for (const auto& row : rows) {
            if (id == 0 || id == row.principal_id) {
                found.push_back({names[row.principal_id], row.pattern,
                                 ActionSet::from_bits(row.actions)});
            }
        }
        return {};
    }));
    return found;
}

Result<void> Accounts::set_visibility(const std::string& pattern,
                                      bool is_public) {
    LS_TRY(parsed, Pattern::parse(pattern));
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::put_visibility(
            t, {parsed.text(), is_public ? "public" : "private"}));
        LS_CHECK(changes_.tell(t, "visibility.set", "", parsed.text(),
                               is_public ? "public" : "private"));
        return bump(t, 0);
    });
}

Result<void> Accounts::remove_visibility(const std::string& pattern) {
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(gone, db::delete_visibility(t, pattern));
        LS_CHECK(found_or(gone, "there is no such visibility rule"));
        LS_CHECK(changes_.tell(t, "visibility.remove", "", pattern, ""));
        return bump(t, 0);
    });
}

Result<std::vector<VisibilityInfo>> Accounts::list_visibility() {
    std::vector<VisibilityInfo> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(rows, db::list_visibility(t));
        for (auto& row : rows) {
            found.push_back(
                {std::move(row.pattern), row.visibility == "public"});
        }
        return {};
    }));
    return found;
}

Result<CanAnswer> Accounts::can(const std::string& principal, Action action,
                                const std::string& repository) {
    if (!is_repository_name(repository)) {
        return bad("\"" + repository + "\" is no name of a repository");
    }
    PrincipalId id = 0;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_row(t, principal));
        id = row.id;
        return {};
    }));
    LS_TRY(policy, load_policy(database_));
    auto verdict = policy->decide(id, nullptr, repository, action);
    return CanAnswer{verdict.allowed(),
                     policy->explain(verdict, id, repository, action)};
}

}  // namespace longshore
