#include "auth/first_run.hpp"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

#include "auth/accounts.hpp"
#include "auth/password.hpp"
#include "auth/secret.hpp"
#include "common/clock.hpp"
#include "common/file.hpp"
#include "common/probe.hpp"
#include "common/range.hpp"
#include "db/accounts.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"
#include "model/access.hpp"

namespace longshore {
namespace {

constexpr std::size_t kKeyText = 32;
constexpr std::string_view kEverywhere = "**";

Error another(const std::string& administrator) {
    return {Code::already_exists,
            "there is an administrator already: " + administrator +
                "; a new password: registryctl user password " + administrator};
}

// A disabled one counts: who disabled it can enable it.
Result<std::string> find_administrator(Transaction& t) {
    LS_TRY(grants, db::list_grants(t));
    LS_TRY(principals, db::list_principals(t));
    LS_TRY(memberships, db::list_memberships(t));
    auto find = [&](std::int64_t id) {
        return std::find_if(principals.begin(), principals.end(),
                            [&](const auto& row) { return row.id == id; });
    };
    for (const auto& grant : grants) {
        auto who = find(grant.principal_id);
        if (grant.pattern != kEverywhere || who == principals.end() ||
            !ActionSet::from_bits(grant.actions).has(Action::admin)) {
            continue;
        }
        if (who->kind != "group") {
            return who->name;
        }
        for (const auto& membership : memberships) {
            auto member = find(membership.member_id);
            if (membership.group_id == who->id && member != principals.end()) {
                return member->name;
            }
        }
    }
    return std::string();
}

Result<void> add_administrator(Transaction& t, const std::string& name,
                               const std::string& hash) {
    LS_TRY(known, db::find_principal(t, name));
    if (known) {
        return Error{Code::already_exists,
                     "there is a principal \"" + name + "\" already", "NAME"};
    }
    db::PrincipalRow row;
    row.kind = kind_name(PrincipalKind::user);
    row.name = name;
    row.password_hash = hash;
    row.created_at_ms = row.changed_at_ms = unix_ms();
    // Never that of an earlier principal, should an id ever come again.
    row.generation = row.created_at_ms;
    LS_TRY(id, db::add_principal(t, row));
    LS_CHECK(db::put_grant(t, {id, std::string(kEverywhere),
                               ActionSet::all().bits(), row.created_at_ms}));
    return db::bump_policy(t, id, row.created_at_ms);
}

}  // namespace

Result<std::string> FirstRun::administrator() {
    std::string name;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, find_administrator(t));
        name = std::move(found);
        return {};
    }));
    return name;
}

Result<void> FirstRun::make_administrator(const std::string& name,
                                          std::string_view password,
                                          const Actor& by) {
    if (!is_principal_name(name)) {
        return Error{Code::invalid_argument,
                     "a name begins with a letter or digit, may have . _ - @ "
                     "+ inside, and is at most 128 characters long"};
    }
    LS_CHECK(check_password_rules(name, password));
    LS_TRY(hash, hash_password(password));
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(known, find_administrator(t));
        if (!known.empty()) {
            return another(known);
        }
        LS_CHECK(add_administrator(t, name, hash));
        db::AuditEntry entry;
        entry.at_ms = unix_ms();
        entry.action = "principal.create";
        entry.actor = by;
        entry.target = name;
        entry.detail = "administrator";
        LS_TRY(added, db::append_audit(t, entry));
        static_cast<void>(added);
        return {};
    }));
    LS_PROBE(setup, committed);
    // If it cannot be removed it is void all the same: is_key().
    static_cast<void>(end_key());
    return {};
}

Result<SetupKey> FirstRun::make_key(std::int64_t now_ms) {
    LS_TRY(known, administrator());
    if (!known.empty()) {
        return another(known);
    }
    LS_TRY(text, random_text(kKeyText));
    SetupKey key{std::move(text), now_ms + kSetupKeyMs};
    auto folder = root_ + "/keys";
    LS_CHECK(make_folder(folder, 0755));
    LS_CHECK(write_file(
        folder, path(),
        std::to_string(key.expires_at_ms) + " " + secret_hash(key.text) + "\n",
        0600));
    return key;
}

Result<bool> FirstRun::is_key(std::string_view text, std::int64_t now_ms) {
    LS_CHECK(tidy());
    auto file = read_file(path());
    if (!file) {
        if (file.error().code == Code::not_found) {
            return false;
        }
        return std::move(file).error();
    }
    std::string_view line = *file;
    auto space = line.find(' ');
    if (!line.ends_with('\n') || space == line.npos) {
        return Error{Code::corrupt, path() + " is no key"};
    }
    auto expires = parse_decimal(line.substr(0, space));
    auto hash = line.substr(space + 1, line.size() - space - 2);
    bool right = equal_secrets(secret_hash(text), hash);
    // A clock that was set back makes no key last longer.
    auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(now_ms, 0));
    bool in_time = expires && *expires > now &&
                   *expires - now <= static_cast<std::uint64_t>(kSetupKeyMs);
    return right && in_time;
}

// Else it would come back with a registry that loses its administrator.
Result<void> FirstRun::tidy() {
    if (::access(path().c_str(), F_OK) != 0) {
        return {};
    }
    LS_TRY(known, administrator());
    return known.empty() ? Result<void>() : end_key();
}

Result<void> FirstRun::end_key() {
    if (::unlink(path().c_str()) != 0 && errno != ENOENT) {
        return errno_error("remove " + path(), errno);
    }
    return {};
}

}  // namespace longshore
