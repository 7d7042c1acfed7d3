#include "config.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string_view>
#include <variant>
#include <vector>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "common/layout.hpp"
#include "common/range.hpp"

namespace longshore {
namespace {

using Text = std::string Config::*;
using Number = std::uint64_t Config::*;
using Flag = bool Config::*;

struct Setting {
    std::string_view name;
    std::variant<Text, Number, Flag> member;
    std::string_view unit;  // of numbers; what a text is
    std::string_view standard;
    std::uint64_t min = 0;          // numbers
    std::uint64_t max = 0;          // numbers
    std::string_view choices = {};  // texts: allowed ones, space between
    std::string_view help = {};
};

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kTiB = kMiB * kMiB;

const std::array kSettings = {
    Setting{"root", &Config::root, "path", "/var/lib/registryd", 0, 0, "",
            "Folder of all data; the same as nginx's `registry_root`."},
    Setting{"database", &Config::database, "path", "", 0, 0, "",
            "Folder of the SQLite database; empty: `<root>/db`."},
    Setting{"listen", &Config::listen, "endpoint",
            "ipc:///run/registryd/registryd.sock", 0, 0, "",
            "Where nginx asks, `ipc://` and an absolute path; the same as "
            "nginx's `registry_daemon`. "
            "`<listen>.pub` is opened beside it."},
    Setting{"socket_mode", &Config::socket_mode, "mode", "0660", 0, 0,
            "0600 0660 0666",
            "Permissions of the socket files; nginx's workers must be able to "
            "write to them."},
    Setting{"threads", &Config::threads, "threads", "8", 2, 256, "",
            "Questions worked on at once. Two of them take no writes, if "
            "there are more than two."},
    Setting{"queue", &Config::queue, "questions", "4096", 1, 1'000'000, "",
            "Questions that may wait for a thread; more are answered 503."},
    Setting{"log_level", &Config::log_level, "level", "info", 0, 0,
            "debug info warning error",
            "JSON lines on standard error; `info` logs writes, `debug` every "
            "question."},
    Setting{"max_manifest_bytes", &Config::max_manifest_bytes, "bytes",
            "4194304", 64 * kKiB, 64 * kMiB, "",
            "Longest manifest; a longer one is answered 413. Clients read "
            "4 MiB."},
    Setting{"max_blob_bytes", &Config::max_blob_bytes, "bytes", "0", 0,
            16 * kTiB, "",
            "Longest blob of a single POST; 0: no limit. nginx's "
            "`registry_upload_max` limits the others."},
    Setting{"max_file_bytes", &Config::max_file_bytes, "bytes", "0", 0,
            16 * kTiB, "", "Longest file of a package; 0: no limit."},
    Setting{"max_page_items", &Config::max_page_items, "items", "1000", 1,
            100'000, "", "Most items of one page of tags, names, referrers."},
    Setting{"max_tags_per_push", &Config::max_tags_per_push, "tags", "32", 10,
            1000, "", "Most `?tag=` of one manifest push; more: 414."},
    Setting{"cache_ttl_ms", &Config::cache_ttl_ms, "milliseconds", "60000", 0,
            86'400'000, "",
            "How long nginx may answer from its memory; a write through the "
            "registry ends it at once. 0: not at all."},
    Setting{"cache_inline_bytes", &Config::cache_inline_bytes, "bytes", "65536",
            0, 4 * kMiB, "",
            "Manifests up to this size are kept in nginx's memory, longer "
            "ones are sent from the disk."},
    Setting{"upload_max_age_s", &Config::upload_max_age_s, "seconds", "604800",
            60, 31'536'000, "",
            "Upload sessions that nobody touched for so long are removed."},
    Setting{"retention_interval_s", &Config::retention_interval_s, "seconds",
            "3600", 0, 31'536'000, "",
            "How often the rules of [retention.md](retention.md) are applied, "
            "where there are any; 0: only by `registryctl retention run`."},
    Setting{"gc_interval_s", &Config::gc_interval_s, "seconds", "3600", 0,
            31'536'000, "",
            "How often what nothing refers to is collected "
            "([garbage.md](garbage.md)); 0: only by `registryctl gc run`."},
    Setting{"gc_grace_s", &Config::gc_grace_s, "seconds", "86400", 600,
            31'536'000, "",
            "For so long after an upload, a mount or a HEAD a blob stays "
            "though nothing refers to it."},
    Setting{"gc_trash_s", &Config::gc_trash_s, "seconds", "86400", 0,
            31'536'000, "",
            "For so long a blob that was collected stays in the trash, where "
            "`registryctl gc undelete` finds it; 0: not at all."},
    Setting{"scrub_interval_days", &Config::scrub_interval_days, "days", "30",
            0, 3650, "",
            "How often all that is stored is read and compared with its "
            "digests ([scrub.md](scrub.md)); 0: only by `registryctl scrub "
            "run`."},
    Setting{"scrub_mib_s", &Config::scrub_mib_s, "MiB a second", "20", 0,
            1'000'000, "", "No more is read so; 0: no limit."},
    Setting{"auth", &Config::auth, "", "on", 0, 0, "on off",
            "Whether who asks is looked at. With `on` nginx must not say "
            "`registry_auth off`, else everything is answered 503. With `off` "
            "whoever reaches nginx may pull, push and delete."},
    Setting{"token_service", &Config::token_service, "name", "registry", 0, 0,
            "",
            "Name of the token service: `service` of challenges, issuer and "
            "audience of access tokens."},
    Setting{"public_url", &Config::public_url, "URL", "", 0, 0, "",
            "`https://host/prefix` as clients know it, for challenges; empty: "
            "what the request says."},
    Setting{"htpasswd", &Config::htpasswd, "path", "", 0, 0, "",
            "File of names and passwords (bcrypt, sha-crypt), read again when "
            "it changes; empty: none."},
    Setting{"token_key_days", &Config::token_key_days, "days", "30", 1, 3650,
            "", "After so long a new key signs access tokens."},
    Setting{"audit_days", &Config::audit_days, "days", "365", 0, 36'500, "",
            "Rows of the audit log are removed after so long; 0: never."},
    Setting{"requests_per_address", &Config::requests_per_address,
            "questions a minute", "0", 0, 10'000'000, "",
            "More from one address (IPv6: its /64) are answered 429, as many "
            "may come at once; 0: no limit. What nginx answers by itself is "
            "not counted, nor are addresses of this machine."},
    Setting{"requests_per_principal", &Config::requests_per_principal,
            "questions a minute", "0", 0, 10'000'000, "",
            "The same for one account, from wherever; 0: no limit."},
    Setting{"failed_logins_per_address", &Config::failed_logins_per_address,
            "logins a minute", "30", 0, 1'000'000, "",
            "After so many wrong passwords from one address (IPv6: its /64) no "
            "password is taken from it until a minute's share is there again; "
            "tokens are. 0: no limit."},
    Setting{"allow_delete", &Config::allow_delete, "", "true", 0, 0, "",
            "Whether tags, manifests and blobs may be deleted; else 405."},
    Setting{"sparse_indexes", &Config::sparse_indexes, "", "true", 0, 0, "",
            "Whether an index may name manifests that are not here."},
    Setting{"sparse_images", &Config::sparse_images, "", "false", 0, 0, "",
            "Whether an image may name layers that are not here; for mirrors "
            "that keep a part. A pull of it fails."},
};

const Setting* find_setting(std::string_view name) {
    for (const auto& setting : kSettings) {
        if (setting.name == name) {
            return &setting;
        }
    }
    return nullptr;
}

// Edits between two words (Levenshtein), to find what was meant.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            auto change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
        }
    }
    return row[b.size()];
}

std::string nearest(std::string_view name) {
    const auto* best = &kSettings[0];
    for (const auto& setting : kSettings) {
        if (distance(name, setting.name) < distance(name, best->name)) {
            best = &setting;
        }
    }
    return std::string(best->name);
}

Error bad(const std::string& where, const std::string& what) {
    return Error{Code::invalid_argument, where + ": " + what};
}

std::string range_text(const Setting& setting) {
    if (!setting.choices.empty()) {
        return std::string(setting.choices);
    }
    if (std::holds_alternative<Number>(setting.member)) {
        return std::to_string(setting.min) + " … " +
               std::to_string(setting.max);
    }
    return std::holds_alternative<Flag>(setting.member) ? "true false" : "";
}

bool is_choice(std::string_view choices, std::string_view text) {
    while (!choices.empty()) {
        auto end = std::min(choices.find(' '), choices.size());
        if (choices.substr(0, end) == text) {
            return true;
        }
        choices.remove_prefix(std::min(end + 1, choices.size()));
    }
    return false;
}

Result<void> set(Config& config, const Setting& setting,
                 const std::string& text, const std::string& where) {
    auto refuse = [&] {
        return bad(where, std::string(setting.name) + " = " + text +
                              " is not allowed, but: " + range_text(setting));
    };
    if (const auto* member = std::get_if<Text>(&setting.member)) {
        if (!setting.choices.empty() && !is_choice(setting.choices, text)) {
            return refuse();
        }
        config.*(*member) = text;
    } else if (const auto* number = std::get_if<Number>(&setting.member)) {
        auto value = parse_decimal(text);
        if (!value || *value < setting.min || *value > setting.max) {
            return refuse();
        }
        config.*(*number) = *value;
    } else if (const auto* flag = std::get_if<Flag>(&setting.member)) {
        if (text != "true" && text != "false") {
            return refuse();
        }
        config.*(*flag) = text == "true";
    }
    return {};
}

// A TOML value as the text that the table understands; its type must be the
// setting's.
Result<std::string> value_text(const Setting& setting, const toml::node& node,
                               const std::string& where) {
    if (std::holds_alternative<Text>(setting.member) && node.is_string()) {
        return std::string(node.ref<std::string>());
    }
    if (std::holds_alternative<Number>(setting.member) && node.is_integer()) {
        return std::to_string(node.ref<std::int64_t>());
    }
    if (std::holds_alternative<Flag>(setting.member) && node.is_boolean()) {
        return std::string(node.ref<bool>() ? "true" : "false");
    }
    auto wanted =
        std::holds_alternative<Text>(setting.member)     ? "a text in quotes"
        : std::holds_alternative<Number>(setting.member) ? "a whole number"
                                                         : "true or false";
    return bad(where, std::string(setting.name) + " must be " + wanted);
}

Result<void> set_from_table(Config& config, const toml::table& table,
                            const std::string& file) {
    for (const auto& [key, node] : table) {
        auto where = file + ":" + std::to_string(key.source().begin.line);
        const auto* setting = find_setting(key.str());
        if (!setting) {
            return bad(where, "unknown setting \"" + std::string(key.str()) +
                                  "\"; did you mean \"" + nearest(key.str()) +
                                  "\"?");
        }
        LS_TRY(text, value_text(*setting, node, where));
        LS_CHECK(set(config, *setting, text, where));
    }
    return {};
}

}  // namespace

Config default_config() {
    Config config;
    for (const auto& setting : kSettings) {
        // The table's own defaults are in range; a test says so.
        static_cast<void>(static_cast<bool>(
            set(config, setting, std::string(setting.standard), "default")));
    }
    return config;
}

Result<Config> read_config(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return errno_error("cannot read " + file, errno);
    }
    std::stringstream text;
    text << in.rdbuf();
    auto parsed = toml::parse(text.str(), file);
    if (!parsed) {
        const auto& error = parsed.error();
        return bad(file + ":" + std::to_string(error.source().begin.line),
                   std::string(error.description()));
    }
    auto config = default_config();
    LS_CHECK(set_from_table(config, parsed.table(), file));
    return config;
}

Result<void> set_config(Config& config, const std::string& name,
                        const std::string& text, const std::string& where) {
    const auto* setting = find_setting(name);
    if (!setting) {
        return bad(where, "unknown setting \"" + name + "\"; did you mean \"" +
                              nearest(name) + "\"?");
    }
    return set(config, *setting, text, where);
}

Result<Config> load_config(const std::string& file,
                           const ConfigOptions& options) {
    auto config = default_config();
    if (!file.empty()) {
        LS_TRY(read, read_config(file));
        config = std::move(read);
    }
    for (const auto& [name, text] : options) {
        if (!text.empty()) {
            LS_CHECK(set_config(config, name, text, "--" + name));
        }
    }
    if (config.database.empty()) {
        config.database = config.root + "/db";
    }
    return config;
}

Result<void> check_config(const Config& config) {
    if (!config.root.starts_with('/')) {
        return bad("root", "\"" + config.root + "\" is not an absolute path");
    }
    if (config.root.size() > kMaxRoot) {
        return bad("root",
                   "longer than " + std::to_string(kMaxRoot) + " characters");
    }
    if (constexpr std::string_view kIpc = "ipc:///";
        !config.listen.starts_with(kIpc) ||
        config.listen.size() == kIpc.size()) {
        return bad("listen", "\"" + config.listen +
                                 "\" is not ipc:// and an absolute path");
    }
    auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
               c == ':';
    };
    if (const auto& service = config.token_service;
        service.empty() || service.size() > 64 ||
        !std::all_of(service.begin(), service.end(), good)) {
        return bad("token_service", "\"" + service +
                                        "\" is not 1 to 64 of A-Z a-z 0-9 . "
                                        "- _ :");
    }
    if (const auto& url = config.public_url; !url.empty()) {
        bool plain = std::all_of(url.begin(), url.end(), [&](char c) {
            return good(c) || c == '/' || c == '[' || c == ']' || c == '~';
        });
        if (!plain || url.ends_with('/') || url.size() > 1024 ||
            (!url.starts_with("https://") && !url.starts_with("http://"))) {
            return bad("public_url", "\"" + url +
                                         "\" is not http(s)://host/prefix "
                                         "without a slash at the end");
        }
    }
    if (!config.htpasswd.empty() && !config.htpasswd.starts_with('/')) {
        return bad("htpasswd",
                   "\"" + config.htpasswd + "\" is not an absolute path");
    }
    return {};
}

unsigned socket_mode_bits(const Config& config) {
    unsigned bits = 0;
    for (char c : config.socket_mode) {
        bits = bits * 8 + static_cast<unsigned>(c - '0');
    }
    return bits;
}

std::string settings_markdown() {
    std::string out =
        "# registryd.conf\n\n"
        "TOML, `name = value`, no sections; `registryd --check` reads it and "
        "says what is\nwrong. This page is `registryd --help-settings`.\n\n"
        "| Setting | Unit | Default | Allowed | |\n"
        "| --- | --- | --- | --- | --- |\n";
    for (const auto& setting : kSettings) {
        bool text = std::holds_alternative<Text>(setting.member);
        std::string standard(setting.standard);
        out += "| `" + std::string(setting.name) + "` | ";
        out += std::string(setting.unit) + " | `";
        out += text ? '"' + standard + '"' : standard;
        out += "` | " + range_text(setting) + " | ";
        out += std::string(setting.help) + " |\n";
    }
    return out;
}

}  // namespace longshore
