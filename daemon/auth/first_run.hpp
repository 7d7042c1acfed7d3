// FirstRun: how a registry gets its first administrator. There is no default
// password: `registryctl setup NAME` makes one on the machine itself, or
// `registryctl setup --link` a key, with which setup_page.hpp lets whoever has
// it make one. The key is of 190 random bits, lies in <root>/keys/setup as a
// hash only, and is void once it is used, after a day, or when there is an
// administrator, however that came about. Thread-safe, and safe between
// processes; blocks on database and disk.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "model/actor.hpp"

namespace longshore {

class Database;

/// How long a key is good.
inline constexpr std::int64_t kSetupKeyMs = std::int64_t{24} * 3600 * 1000;
/// Path of the page, below the mount.
inline constexpr std::string_view kSetupTarget = "/-/setup";

struct SetupKey {
    std::string text;  // shown once
    std::int64_t expires_at_ms = 0;
};

/// Every function returns unavailable, internal or corrupt when the database
/// or the disk does.
class FirstRun {
public:
    FirstRun(Database& database, std::string root)
        : database_(database), root_(std::move(root)) {}

    /// Somebody who may administer everything, alone or by a group; "":
    /// nobody. @errors those said above
    Result<std::string> administrator();

    /// A user with this password who may do everything, in one transaction
    /// and only while there is no administrator: of two callers at once one
    /// gets already_exists. Ends the key.
    /// @errors already_exists (an administrator: no reason; the name: reason
    ///         "NAME"), invalid_argument (name, password)
    Result<void> make_administrator(const std::string& name,
                                    std::string_view password,
                                    const Actor& by = {});

    /// A key, in place of the one before.
    /// @errors already_exists (an administrator)
    Result<SetupKey> make_key(std::int64_t now_ms);

    /// Whether it is the key, and good now. Takes the same time wherever the
    /// texts differ. @errors those said above
    Result<bool> is_key(std::string_view text, std::int64_t now_ms);

    /// Ends the key if there is an administrator. @errors those said above
    Result<void> tidy();

private:
    std::string path() const { return root_ + "/keys/setup"; }
    Result<void> end_key();

    Database& database_;
    std::string root_;
};

}  // namespace longshore
