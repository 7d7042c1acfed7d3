// The htpasswd file of an operator: its lines become principals of the source
// "htpasswd" in the database, so that every process decides by the same rows,
// and grants name them like any other. A line that is gone takes the
// principal's credential with it, not the row.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace longshore {

class Database;

struct HtpasswdFile {
    std::map<std::string, std::string> hashes;  // by name
    std::vector<std::string> refused;  // "line 3: …", without the hash
};

/// name:hash lines; empty ones and those that begin with # are skipped. Of a
/// name that is there twice the first counts, as in nginx.
HtpasswdFile parse_htpasswd(std::string_view text);

/// Makes the rows equal to the file. True if anything changed. Names that a
/// local principal has are added to `refused`.
/// @errors those of Database::write
Result<bool> sync_htpasswd(Database& database, HtpasswdFile& file);

/// Looks whether the file became another one, and reads it then.
class HtpasswdWatch {
public:
    explicit HtpasswdWatch(std::string path) : path_(std::move(path)) {}

    /// True with `out` set when it was changed and then let alone since the
    /// last call, or this is the first: who writes a file in place (htpasswd
    /// does) must not be seen half way, where names are gone that come back.
    /// @errors not_found, unavailable (cannot be read), too_large
    Result<bool> changed(HtpasswdFile& out);

private:
    struct Stamp {
        std::uint64_t device = 0, inode = 0, size = 0;
        std::int64_t modified_ns = 0, changed_ns = 0;
        bool operator==(const Stamp&) const = default;
    };
    Result<Stamp> look() const;

    std::string path_;
    Stamp seen_;     // of what was read last
    Stamp settles_;  // of what is read if the next look finds the same
    bool first_ = true;
};

}  // namespace longshore
