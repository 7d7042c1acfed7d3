// The commands as one tree: what is parsed, what --help says, the man page,
// shell completion and the reference in docs/registryctl.md all come from it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "common/result.hpp"
#include "ctl/context.hpp"

namespace longshore {

class CommandTree {
public:
    /// Values go into `context.args`, which must live as long.
    explicit CommandTree(Context& context);

    /// Parses. 0 or more: the program is to end with that (help was asked
    /// for, or the line is wrong, which was said); -1: run().
    int parse(int argc, char** argv);

    /// Runs what was parsed. @errors those of the command
    Result<int> run();

private:
    using Run = std::function<Result<int>()>;

    CLI::App* group(const char* name, const char* help);
    CLI::App* command(CLI::App* parent, const char* name,
                      const std::string& help, Run run);
    void add_general_options();
    void add_setup();
    void add_principals(PrincipalKind kind);
    void add_members(CLI::App* group);
    void add_credentials();
    void add_rules();
    void add_issuers();
    void add_issuer_options(CLI::App* command);
    void add_issuer_change(CLI::App* issuer);
    void add_issuer_rules(CLI::App* issuer);
    void add_keys();
    // tree_packages.cpp
    void add_repositories();
    void add_packages();
    void add_data();
    void add_garbage();
    void add_scrub();
    // tree_retention.cpp
    void add_retention();
    void add_backup();
    void add_audit();
    void add_pages();
    Result<int> print_page();

    Context& context_;
    CLI::App app_;
    Run run_;
    bool only_database_ = false;  // scrub run
};

}  // namespace longshore
