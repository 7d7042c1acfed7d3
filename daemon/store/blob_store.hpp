// BlobStore: bytes by digest, and the link files that say which repository
// has them. The layout is that of the distribution project
// (common/layout.hpp, docs/storage-layout.md). nginx reads the same files.
// @errors of all functions here: unavailable, internal; others where said.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/layout.hpp"
#include "common/result.hpp"

namespace longshore {

class BlobStore {
public:
    virtual ~BlobStore() = default;

    /// Makes `bytes` durable under `digest`, which the caller computed from
    /// them. What is already there is compared and replaced if it differs.
    /// @errors unavailable (disk full, no rights), internal
    /// @thread any; blocks on the disk
    virtual Result<void> put(const Digest& digest, std::string_view bytes) = 0;

    /// @errors not_found, unavailable
    virtual Result<std::uint64_t> size(const Digest& digest) = 0;

    /// The whole blob; refuses one larger than `max_bytes` (too_large).
    /// @errors not_found, too_large, unavailable
    virtual Result<std::string> read(const Digest& digest,
                                     std::uint64_t max_bytes) = 0;

    // Small files below the root. Paths come from common/layout.hpp.

    /// Root of the layout, as given to layout::…
    virtual const std::string& root() const noexcept = 0;

    /// Replaces the file in one step; folders are made. Not durable until
    /// sync(). @errors unavailable, internal
    virtual Result<void> write_file(const Path& path,
                                    std::string_view text) = 0;

    /// The same, durable when the call returns, with every new folder.
    virtual Result<void> write_durable(const Path& path,
                                       std::string_view text) = 0;

    /// Text of a small file (at most 64 KiB). @errors not_found, unavailable
    virtual Result<std::string> read_file(const Path& path) = 0;

    /// False for a path that cannot be looked at, too.
    virtual bool exists(const Path& path) = 0;

    /// False only if nothing is there. @errors unavailable, internal
    virtual Result<bool> present(const Path& path) = 0;

    /// Removes a file; false if there was none. @errors unavailable, internal
    virtual Result<bool> remove_file(const Path& path) = 0;

    /// Takes a folder away in one step and then clears it up; false if there
    /// was none. @errors unavailable, internal
    virtual Result<bool> remove_folder(const Path& path) = 0;

    /// One entry of a folder.
    struct Entry {
        std::string_view name;
        bool folder = false;
    };
    /// Calls `visit` for each entry, in no order, until it returns false. A
    /// folder that is not there has no entries. @errors unavailable
    virtual Result<void> list(
        const Path& path, const std::function<bool(const Entry&)>& visit) = 0;

    /// Seconds since the file or folder was last changed. @errors not_found
    virtual Result<std::int64_t> age_s(const Path& path) = 0;

    /// Makes everything written so far durable (syncfs). @errors unavailable
    virtual Result<void> sync() = 0;
};

/// Opens the store on a local file system and clears what an earlier life
/// left in its trash and (older than a day) in its spool.
/// @errors unavailable, invalid_argument (root too long)
Result<std::unique_ptr<BlobStore>> open_file_store(const std::string& root);

/// The same without making or clearing anything, for verification.
Result<std::unique_ptr<BlobStore>> open_file_store_for_reading(
    const std::string& root);

}  // namespace longshore
