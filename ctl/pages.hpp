// The pages that are made of the tree of commands.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace longshore {

inline constexpr const char* kStatusHelp =
    "Exit status: 0 done, allowed or clean; 1 denied, not found, there "
    "already, or differences; 2 wrong command line, setting or value; 3 cannot "
    "work now: no database, a daemon has it, no space";

/// roff, for man(1).
std::string man_page(const CLI::App& app);
/// A script for bash; zsh reads it after bashcompinit.
std::string completion(const CLI::App& app);
/// Markdown: the tables of docs/registryctl.md.
std::string reference(const CLI::App& app);

}  // namespace longshore
