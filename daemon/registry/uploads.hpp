// Upload sessions: begun here, continued by nginx from the disk alone.
// @errors of all functions here: unavailable.
#pragma once

#include <string>
#include <string_view>

#include "common/digest.hpp"
#include "common/result.hpp"
#include "model/access.hpp"

namespace longshore {

class BlobStore;

class Uploads {
public:
    explicit Uploads(BlobStore& store);

    /// Makes the session's folder with `startedat`, `state` and an empty
    /// `data`; returns its id (36 characters, RFC 9562 version 4).
    /// @errors unavailable (disk full, too many sessions)
    Result<std::string> start(const Access& access, Algorithm algorithm);

    /// The same for a file of a repository of packages.
    /// @errors unavailable (disk full, too many sessions)
    Result<std::string> start_package(const Access& access);

    /// Removes sessions that nobody touched for `max_age_s`; returns how
    /// many. Called by the purge job.
    Result<std::size_t> purge(std::int64_t max_age_s);

private:
    Result<void> check_room(const std::string& folder);
    Result<std::size_t> purge_folder(const std::string& folder,
                                     std::int64_t max_age_s);

    BlobStore& store_;
};

}  // namespace longshore
