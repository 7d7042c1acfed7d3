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
#include "store/digest_locks.hpp"

namespace longshore {

class BlobStore {
public:
    virtual ~BlobStore() = default;

    /// What keeps the garbage collector of this process from a digest; a
    /// store of packages below the same root shares it.
    const std::shared_ptr<DigestLocks>& locks() const noexcept {
        return locks_;
    }

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

    /// Makes now the time of the file's last change: for as long as a grace
    /// of the garbage collector it stays. False if there is none.
    /// @errors unavailable (also: the file is somebody else's), internal
    virtual Result<bool> touch(const Path& path) = 0;

    /// A file that the garbage collector took out of everybody's sight and
    /// may still put back. The next start clears what is left of them.
    struct Aside {
        std::string name;
        std::int64_t age_s = 0;  // since its last change
        std::uint64_t size_bytes = 0;
    };
    /// One rename into the trash, which moves no time of the file; nullopt if
    /// there is none.
    virtual Result<std::optional<Aside>> set_aside(const Path& path) = 0;
    /// Back to where it was; an equal file that came meanwhile gives way.
    virtual Result<void> put_back(const Aside& aside, const Path& path) = 0;
    /// For good. A file that cannot be removed is left to the next start.
    virtual void discard(const Aside& aside) noexcept = 0;

    /// A blob that was set aside stays in the trash, from now on, until
    /// empty_trash(); one that cannot is discarded.
    virtual void throw_away(const Aside& aside,
                            const Digest& digest) noexcept = 0;
    /// From the trash back to its place, durable and as new; false if it is
    /// in neither.
    virtual Result<bool> take_back(const Digest& digest) = 0;
    /// Seconds that the blob has been in the trash. @errors not_found
    virtual Result<std::int64_t> trash_age_s(const Digest& digest) = 0;
    struct Trash {
        std::uint64_t blobs = 0;
        std::uint64_t bytes = 0;
    };
    /// Removes what has been in the trash for so long. Returns what is left.
    virtual Result<Trash> empty_trash(std::int64_t age_s) = 0;

    /// Removes a folder that has become empty; one that has not stays.
    virtual void remove_empty(const Path& folder) noexcept = 0;

    /// Removes what writers that are gone left in the spool a day ago or
    /// longer. Returns how many files.
    virtual Result<std::size_t> sweep_spool() = 0;

    /// Makes everything written so far durable (syncfs). @errors unavailable
    virtual Result<void> sync() = 0;

private:
    std::shared_ptr<DigestLocks> locks_ = std::make_shared<DigestLocks>();
};

/// Opens the store on a local file system and clears what an earlier life
/// left half done in its trash and (older than a day) in its spool.
/// @errors unavailable, invalid_argument (root too long)
Result<std::unique_ptr<BlobStore>> open_file_store(const std::string& root);

/// The same without making or clearing anything, for verification.
Result<std::unique_ptr<BlobStore>> open_file_store_for_reading(
    const std::string& root);

}  // namespace longshore
