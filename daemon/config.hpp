// Settings of registryd: one table says name, unit, default, range and text
// of each; the file reader, --help-settings and docs/registryd.conf.md all
// read that table. File format: TOML 1.0, `name = value`, no sections.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/result.hpp"

namespace longshore {

struct Config {
    std::string root;
    std::string database;
    std::string listen;
    std::string socket_mode;
    std::uint64_t threads = 0;
    std::uint64_t queue = 0;
    std::string log_level;
    std::uint64_t max_manifest_bytes = 0;
    std::uint64_t max_blob_bytes = 0;
    std::uint64_t max_file_bytes = 0;
    std::uint64_t max_page_items = 0;
    std::uint64_t max_tags_per_push = 0;
    std::uint64_t cache_ttl_ms = 0;
    std::uint64_t cache_inline_bytes = 0;
    std::uint64_t upload_max_age_s = 0;
    std::uint64_t retention_interval_s = 0;
    std::uint64_t gc_interval_s = 0;
    std::uint64_t gc_grace_s = 0;
    std::uint64_t gc_trash_s = 0;
    std::uint64_t scrub_interval_days = 0;
    std::uint64_t scrub_mib_s = 0;
    std::string auth;
    std::string token_service;
    std::string public_url;
    std::string htpasswd;
    std::uint64_t token_key_days = 0;
    std::uint64_t audit_days = 0;
    std::uint64_t requests_per_address = 0;
    std::uint64_t requests_per_principal = 0;
    std::uint64_t failed_logins_per_address = 0;
    bool allow_delete = false;
    bool sparse_indexes = false;
    bool sparse_images = false;
};

/// The defaults of the table.
Config default_config();

/// Reads a file over the defaults.
/// @errors not_found, unavailable (cannot be read), invalid_argument (names
///         file, line and what is allowed)
Result<Config> read_config(const std::string& file);

/// Sets one setting from text; `where` begins the message of an error.
/// @errors invalid_argument
Result<void> set_config(Config& config, const std::string& name,
                        const std::string& text, const std::string& where);

/// Settings by name, as a command line gives them; an empty text is none.
using ConfigOptions = std::vector<std::pair<std::string, std::string>>;

/// What a program runs with: the defaults, over them `file` if there is one,
/// over that the options; `database` is filled in.
/// @errors as read_config(); for an option the message begins with "--name"
Result<Config> load_config(const std::string& file,
                           const ConfigOptions& options);

/// What no single setting can say: the root is absolute and not too long, …
/// @errors invalid_argument
Result<void> check_config(const Config& config);

/// socket_mode as a number.
unsigned socket_mode_bits(const Config& config);

/// The table as Markdown: docs/registryd.conf.md.
std::string settings_markdown();

}  // namespace longshore
