// What every command works with: its arguments, the settings, and the
// accounts, opened when first needed. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/accounts.hpp"
#include "auth/first_run.hpp"
#include "common/result.hpp"
#include "config.hpp"

namespace longshore {

class Database;

/// What the command line said; a command reads those that it has.
struct Arguments {
    // Of every command.
    std::string file;
    std::string root;
    std::string database;
    std::string output = "text";
    bool json_flag = false;
    bool json() const { return json_flag || output == "json"; }

    std::string name;
    std::string member;
    std::string pattern;
    std::string actions;
    std::string action;
    std::string repository;
    std::string visibility;
    std::string token;
    std::string label;
    std::string expires = "90d";
    std::string fingerprint;
    std::string certificate_file;
    std::string page;
    std::string url;
    std::string roots;
    std::string since;
    std::string head;
    std::string keys_url;
    std::string keys_file;
    std::string ca_file;
    std::string leeway;
    std::string max_lifetime;
    std::string network;
    std::vector<std::string> audiences;
    std::string service;
    std::string token_file;
    std::string kind = "openpgp";
    std::string algorithm;
    std::string overlap = "30d";
    std::string key_file;
    std::string format;
    std::optional<std::string> description;
    std::optional<std::string> settings;
    std::string prefix;
    std::string property;
    std::string package;
    std::string version;
    std::string path;
    std::string reason;
    std::string text;
    std::string last;
    std::size_t limit = 0;
    std::vector<std::string> properties;
    std::vector<std::string> conditions;
    std::vector<std::string> patterns;
    std::vector<std::string> tags;
    std::string home;
    std::string user;
    bool with_packages = false;
    bool write = false;
    bool undo = false;
    std::string digest;
    std::string folder;
    bool skip_damaged = false;
    bool dry_run = false;
    bool deep = false;
    bool no_wait = false;
    std::string tag_pattern;
    std::vector<std::string> keep_tags;
    std::int64_t keep_last = 0;
    std::int64_t keep_pulled_days = 0;
    std::int64_t keep_younger_days = 0;
    std::int64_t delete_untagged_days = 0;
    bool token_stdin = false;
    bool link = false;
    bool refused = false;
    bool private_network = false;
    bool discovery = false;
    bool password_stdin = false;
    bool no_password = false;
    bool binary = false;
};

/// A file that there is not is not "no such user": nothing can be done.
Error not_now(Error error);

class Context {
public:
    Context();
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    Context(Context&&) = delete;
    Context& operator=(Context&&) = delete;

    Arguments args;
    bool json() const { return args.json(); }

    /// Settings of file and options. Run by root this becomes the owner of
    /// the data folder, so read what only root may before.
    /// @errors not_found and unavailable of the file, invalid_argument
    Result<const Config*> config();

    /// The setting alone, "" without one or without settings; nobody becomes
    /// anybody.
    std::string public_url() const;

    /// The accounts of the database, beside a daemon or without one.
    /// @errors unavailable (also: no database yet, or one of another version),
    ///         conflict (it is being made anew), corrupt; of config()
    Result<Accounts*> accounts();
    /// The same database itself. @errors as accounts()
    Result<Database*> database();

    /// How the first administrator comes. @errors those of accounts()
    Result<FirstRun> first_run();

    /// Who runs this, for the audit log.
    const Actor& actor() const noexcept { return actor_; }

private:
    Actor actor_;
    std::unique_ptr<Config> config_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<Accounts> accounts_;
};

}  // namespace longshore
