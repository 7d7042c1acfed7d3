#include "auth/htpasswd.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/accounts.hpp"
#include "auth/password.hpp"
#include "common/clock.hpp"
#include "db/accounts.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"

namespace longshore {
namespace {

constexpr std::uint64_t kMaxFile = 16 * 1024 * 1024;
constexpr std::int64_t kNanoseconds = 1'000'000'000;

// Makes, changes or empties one row. True if there was something to do.
Result<bool> sync_one(Transaction& t, db::PrincipalRow row,
                      const std::string& hash) {
    if (row.password_hash == hash) {
        return false;
    }
    row.password_hash = hash;
    row.changed_at_ms = unix_ms();
    if (row.id == 0) {
        row.created_at_ms = row.generation = row.changed_at_ms;
        LS_TRY(id, db::add_principal(t, row));
        row.id = id;
    } else {
        ++row.generation;
        LS_TRY(changed, db::update_principal(t, row));
        static_cast<void>(changed);
        LS_TRY(ended, db::delete_refresh_tokens(t, row.id));
        static_cast<void>(ended);
    }
    LS_CHECK(db::bump_policy(t, row.id, row.changed_at_ms));
    return true;
}

Result<bool> sync_all(Transaction& t, HtpasswdFile& file) {
    bool any = false;
    LS_TRY(rows, db::list_principals(t));
    auto missing = file.hashes;
    for (auto& row : rows) {
        auto found = file.hashes.find(row.name);
        bool listed = found != file.hashes.end();
        missing.erase(row.name);
        if (row.source != "htpasswd") {
            if (listed) {
                file.refused.push_back(row.name + ": another principal has " +
                                       "that name already");
            }
            continue;
        }
        LS_TRY(changed,
               sync_one(t, std::move(row), listed ? found->second : ""));
        any = any || changed;
    }
    for (const auto& [name, hash] : missing) {
        db::PrincipalRow row;
        row.kind = "user";
        row.name = name;
        row.source = "htpasswd";
        LS_TRY(changed, sync_one(t, std::move(row), hash));
        any = any || changed;
    }
    return any;
}

Result<std::string> read_all(int fd, const std::string& path) {
    std::string text;
    char buffer[16 * 1024];
    for (;;) {
        auto got = ::read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return errno_error("read " + path, errno);
        }
        if (got == 0) {
            return text;
        }
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > kMaxFile) {
            return Error{Code::too_large, path + " is too long"};
        }
    }
}

}  // namespace

HtpasswdFile parse_htpasswd(std::string_view text) {
    HtpasswdFile file;
    for (std::size_t number = 1; !text.empty(); ++number) {
        auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        auto refuse = [&](const char* why) {
            file.refused.push_back("line " + std::to_string(number) + ": " +
                                   why);
        };
        auto colon = line.find(':');
        auto name = line.substr(0, colon);
        if (colon == std::string_view::npos || !is_principal_name(name)) {
            refuse("no name that a user can have");
            continue;
        }
        auto hash = line.substr(colon + 1);
        hash = hash.substr(0, hash.find(':'));
        if (!is_password_hash(hash)) {
            refuse(
                "the hash is none of bcrypt, sha-crypt and argon2id, or "
                "costs too much");
            continue;
        }
        if (!file.hashes.emplace(name, hash).second) {
            refuse("the name was there before");
        }
    }
    return file;
}

Result<bool> sync_htpasswd(Database& database, HtpasswdFile& file) {
    bool any = false;
    LS_CHECK(database.write([&](Transaction& t) -> Result<void> {
        LS_TRY(changed, sync_all(t, file));
        any = changed;
        if (!changed) {
            return {};
        }
        db::AuditEntry entry;
        entry.at_ms = unix_ms();
        entry.action = "htpasswd.read";
        entry.actor.credential = "local";
        entry.detail = std::to_string(file.hashes.size()) + " names";
        LS_TRY(added, db::append_audit(t, entry));
        static_cast<void>(added);
        return {};
    }));
    return any;
}

Result<HtpasswdWatch::Stamp> HtpasswdWatch::look() const {
    struct stat info {};
    if (::stat(path_.c_str(), &info) != 0) {
        return errno_error("htpasswd " + path_, errno);
    }
    return Stamp{info.st_dev, info.st_ino,
                 static_cast<std::uint64_t>(info.st_size),
                 info.st_mtim.tv_sec * kNanoseconds + info.st_mtim.tv_nsec,
                 info.st_ctim.tv_sec * kNanoseconds + info.st_ctim.tv_nsec};
}

Result<bool> HtpasswdWatch::changed(HtpasswdFile& out) {
    LS_TRY(now, look());
    if (!first_ && (now == seen_ || now != settles_)) {
        settles_ = now;
        return false;
    }
    int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno_error("htpasswd " + path_, errno);
    }
    auto text = read_all(fd, path_);
    ::close(fd);
    if (!text) {
        return std::move(text).error();
    }
    LS_TRY(after, look());
    if (!first_ && after != now) {
        settles_ = after;
        return false;
    }
    // At the start the first look has to do: a change while it was read shows
    // in the stamp of the next one.
    seen_ = now;
    first_ = false;
    out = parse_htpasswd(*text);
    return true;
}

}  // namespace longshore
