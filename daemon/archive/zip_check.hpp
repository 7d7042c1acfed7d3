// Whether a zip means the same to all who read it. Readers differ in what they
// believe: the central directory, the headers before each entry, or the bytes
// between them; a package that shows one thing to a scanner and another to an
// installer lives from that. Here all three must agree: one end record, no
// byte outside of entry, directory and end, every header as its directory
// record says (CVE-2025-54368 and the like). APPNOTE.TXT 6.3.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "archive/budget.hpp"
#include "common/byte_source.hpp"

namespace longshore {

struct ZipRecord {
    std::uint64_t offset = 0;  // of the entry's header
    std::uint64_t end = 0;     // after its data
    std::uint64_t size = 0;    // decompressed
};

/// The entries in the order of their bytes. Only entries that are stored or
/// deflated, and not encrypted, are accepted.
/// @errors invalid_argument (damaged, ambiguous, not accepted), too_large (a
/// limit), and those of the source
Result<std::vector<ZipRecord>> check_zip(const ByteSource& source,
                                         const ArchiveLimits& limits,
                                         ArchiveBudget& budget);

/// The name in the header at `offset`, as it is there.
/// @errors invalid_argument (there is no header), and those of the source
Result<std::string> zip_name(const ByteSource& source, std::uint64_t offset);

}  // namespace longshore
