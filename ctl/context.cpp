#include "ctl/context.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdint>
#include <fstream>

#include <grp.h>

#include "db/database.hpp"

namespace longshore {
namespace {

constexpr const char* kInstalledFile = "/etc/registryd/registryd.conf";

constexpr std::uint32_t kNoLogin = UINT32_MAX;

// Files made by root would be out of the daemon's reach, so root becomes the
// owner of the data folder.
Result<void> become_owner(const std::string& root) {
    struct stat info {};
    if (::stat(root.c_str(), &info) != 0) {
        return errno_error("root " + root, errno);
    }
    if (::geteuid() != 0 || info.st_uid == 0) {
        return {};
    }
    if (::setgroups(0, nullptr) != 0 || ::setgid(info.st_gid) != 0 ||
        ::setuid(info.st_uid) != 0) {
        return errno_error("become the owner of " + root, errno);
    }
    return {};
}

std::string file_of(const Arguments& args) {
    bool installed = args.file.empty() && args.root.empty() &&
                     ::access(kInstalledFile, R_OK) == 0;
    return installed ? kInstalledFile : args.file;
}

}  // namespace

Error not_now(Error error) {
    if (error.code == Code::not_found) {
        error.code = Code::unavailable;
    }
    return error;
}

// Before root becomes somebody else. The login uid says who root was before
// that; it is not ours to change.
Context::Context() {
    actor_.credential = "local";
    actor_.peer = "uid:" + std::to_string(::getuid());
    std::ifstream file("/proc/self/loginuid");
    std::uint32_t login = kNoLogin;
    if (file >> login && login != kNoLogin) {
        actor_.credential_id = "login-uid:" + std::to_string(login);
    }
}

Context::~Context() = default;

Result<const Config*> Context::config() {
    if (config_ != nullptr) {
        return config_.get();
    }
    auto read = load_config(file_of(args),
                            {{"root", args.root}, {"database", args.database}});
    if (!read) {
        return read.error().code == Code::invalid_argument
                   ? read.error()
                   : not_now(read.error());
    }
    if (auto done = become_owner(read->root); !done) {
        return not_now(done.error());
    }
    config_ = std::make_unique<Config>(std::move(*read));
    return config_.get();
}

std::string Context::public_url() const {
    auto file = file_of(args);
    auto read = load_config(file, {});
    return read ? read->public_url : "";
}

Result<Accounts*> Context::accounts() {
    if (accounts_ == nullptr) {
        LS_TRY(opened, database());
        accounts_ = std::make_unique<Accounts>(*opened, actor_);
    }
    return accounts_.get();
}

Result<Database*> Context::database() {
    if (database_ != nullptr) {
        return database_.get();
    }
    LS_TRY(settings, config());
    DatabaseSettings beside;
    beside.folder = settings->database;
    beside.readers = 1;
    beside.beside = true;
    auto opened = open_sqlite(beside);
    if (!opened) {
        auto& error = opened.error();
        if (error.code == Code::not_found) {
            error.message = "there is no database in " + beside.folder +
                            " yet: start registryd once, or name its folder "
                            "with --root or --config";
        } else if (error.code == Code::unsupported) {
            error.message +=
                "; install both programs alike and start "
                "registryd once";
        }
        return not_now(error);
    }
    database_ = std::move(*opened);
    return database_.get();
}

Result<FirstRun> Context::first_run() {
    LS_TRY(opened, accounts());
    static_cast<void>(opened);
    return FirstRun(*database_, config_->root);
}

}  // namespace longshore
