// Reads archives that strangers made, entry by entry, without ever writing
// one to disk. Formats: tar (ustar, pax, GNU), zip, ar; around all but
// zip gzip, bzip2, xz, zstd, lzma. What the caller does not allow is not even
// tried. Everything is bounded (ArchiveLimits), checksums are verified, and
// what two readers may understand in two ways is refused: see zip_check.hpp,
// tar_check.hpp, and for what must not follow an archive reader.cpp.
//
//     LS_TRY(reader, ArchiveReader::open(source, Kind::ar | Kind::plain));
//     ArchiveEntry entry;
//     for (;;) {
//         LS_TRY(more, reader.next(entry));
//         if (!more) break;
//         …
//     }
//
// A reader is used by one thread at a time. After an error it gives the same
// error for ever.
// @errors of all functions here: invalid_argument (damaged, ambiguous, not of
// an allowed kind), too_large (a limit), unavailable (no libarchive), and
// those of the source and the sink
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "archive/entry.hpp"
#include "archive/limits.hpp"
#include "common/byte_source.hpp"

namespace longshore {

class ArchiveReader {
public:
    /// `source` outlives the reader and all readers within it.
    static Result<ArchiveReader> open(const ByteSource& source, Kinds allowed,
                                      const ArchiveLimits& limits = {});

    /// The next entry; false at the end of the archive, which is only then
    /// known to be whole. The root itself ("./") is passed over.
    Result<bool> next(ArchiveEntry& entry);

    /// The contents of the entry that next() gave, once.
    Result<std::string> read_entry(std::uint64_t max_bytes);
    Result<void> read_entry(const ByteSink& sink);

    /// Reads the entry that next() gave as an archive, from a stream and so
    /// not as a zip. Limits count for both together. The new reader ends with
    /// an error where this one goes on to its next entry.
    Result<ArchiveReader> open_nested(Kinds allowed);

private:
    class Impl;
    class EntryStream;

    explicit ArchiveReader(std::shared_ptr<Impl> impl);

    std::shared_ptr<Impl> impl_;
};

/// The contents of the one entry, a file, that `wanted` says yes to; nullopt
/// if there is none. Reads the archive to its end, so that it is known to be
/// whole and to have no second such entry, which is an error.
Result<std::optional<std::string>> find_entry(
    const ByteSource& source, Kinds allowed,
    const std::function<bool(const ArchiveEntry&)>& wanted,
    std::uint64_t max_bytes, const ArchiveLimits& limits = {});

}  // namespace longshore
