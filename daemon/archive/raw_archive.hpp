// libarchive behind functions that return Results: one archive, one format,
// no compression around it, warnings taken for errors. Names are as they are
// in the archive, byte by byte, whatever locale the process has.
// One object is used by one thread at a time.
// @errors of all functions here: invalid_argument (the archive is damaged),
// unavailable (no libarchive), and those of what it reads
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "archive/budget.hpp"
#include "archive/entry.hpp"
#include "archive/feed.hpp"
#include "archive/limits.hpp"
#include "common/byte_source.hpp"

namespace longshore {

class RawArchive {
public:
    /// `container` is tar or ar; the feed outlives the archive.
    static Result<std::unique_ptr<RawArchive>> open(Feed& feed, Kind container);

    /// Source and budget outlive the archive.
    static Result<std::unique_ptr<RawArchive>> open_zip(
        const ByteSource& source, ArchiveBudget& budget);

    virtual ~RawArchive() = default;

    /// False at the end.
    virtual Result<bool> next(ArchiveEntry& entry) = 0;

    /// The entry's next bytes, perhaps none; nullopt at its end. Valid until
    /// the next call of anything.
    virtual Result<std::optional<std::string_view>> data() = 0;

    /// Goes to the entry's end.
    virtual Result<void> skip_data() = 0;

    /// What was taken of the feed.
    virtual std::uint64_t position() const = 0;
};

}  // namespace longshore
