// StoredFiles: reads what is stored against its digest, for the scrubber, and
// takes damaged files out of everybody's sight. Reads past the page cache
// (O_DIRECT) where the file system can, so that it sees the disk and nobody's
// hot pages go; else it gives back the pages that it read.
// Used by one thread.
// @errors of all functions here: unavailable (also: no descriptor, no memory),
// internal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.hpp"
#include "common/protocol.hpp"
#include "common/result.hpp"

namespace longshore {

class StoredFiles {
public:
    /// Folders that hold files by their digests: one for each two hex digits
    /// of both algorithms of blobs, then of documents.
    static constexpr std::size_t kShelves = 768;
    static Area area_of(std::size_t shelf) noexcept;

    static Result<std::unique_ptr<StoredFiles>> open(const std::string& root);
    ~StoredFiles();
    StoredFiles(const StoredFiles&) = delete;
    StoredFiles& operator=(const StoredFiles&) = delete;

    /// The digests on a shelf, in order.
    Result<std::vector<Digest>> list(std::size_t shelf);

    enum class Verdict : std::uint8_t {
        healthy,
        gone,  // there is nothing
        wrong,
        unreadable,
        stopped,  // by the pace
    };
    struct Held;
    struct Look {
        Verdict verdict = Verdict::gone;
        std::string problem = {};  // of wrong and unreadable
        std::uint64_t size_bytes = 0;
        /// What was looked at, which no other file can be taken for; null if
        /// it could not even be found.
        std::shared_ptr<const Held> held = {};
    };
    /// Told before each read how many bytes it is; false ends the look.
    using Pace = std::function<bool(std::size_t bytes)>;
    Result<Look> look(Area area, const Digest& digest, const Pace& pace);

    /// False if another file, or none, is in the place of what was looked at.
    Result<bool> is_still(const Look& look) const;

    /// Moves what was looked at to <root>/quarantine/<name>; false if another
    /// file, or none, is in its place now.
    Result<bool> quarantine(const Look& look, const std::string& name);

    /// False if there is nothing, not even something damaged.
    bool there(Area area, const Digest& digest) const;

private:
    struct Found;
    explicit StoredFiles(std::string root);
    std::string place(Area area, const Digest& digest) const;
    Result<Found> find(Area area, const Digest& digest) const;
    Result<void> read(const Digest& digest, const Pace& pace, Look& look);
    Result<void> compare(int fd, bool& direct, const Digest& digest,
                         const Pace& pace, Look& look);

    struct Parts;
    std::string root_;
    std::unique_ptr<Parts> parts_;
};

}  // namespace longshore
