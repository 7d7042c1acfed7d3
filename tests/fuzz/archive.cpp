// Input: a byte that chooses rules, then an archive of any kind. Whatever is
// in it, reading ends, and what comes out is as the headers promise.
#include "archive/reader.hpp"

#include <algorithm>
#include <set>
#include <string>

#include "archive/compress.hpp"
#include "archive/entry_name.hpp"
#include "fuzz.hpp"

using namespace longshore;
using fuzz::require;

namespace {

constexpr Kinds kAll = Kind::tar | Kind::zip | Kind::ar | Kind::plain |
                       Kind::gzip | Kind::bzip2 | Kind::xz | Kind::zstd |
                       Kind::lzma;

ArchiveLimits limits_of(unsigned char rules) {
    ArchiveLimits limits;
    limits.max_entries = 100;
    limits.max_total_bytes = 1U << 20;
    limits.max_memory_bytes = 64U << 10;
    limits.max_decoder_bytes = 8U << 20;
    limits.bad_names = (rules & 1) != 0 ? BadNames::skip : BadNames::refuse;
    limits.far_links = (rules & 2) != 0 ? FarLinks::allow : FarLinks::refuse;
    limits.duplicates =
        (rules & 4) != 0 ? Duplicates::allow : Duplicates::refuse;
    return limits;
}

void check_entry(const ArchiveEntry& entry, const ArchiveLimits& limits) {
    auto name = entry_name(entry.path, limits);
    require(name && !name->empty() && *name == entry.path,
            "a path is in its one spelling");
    require(entry.mode <= 07777, "mode has permissions only");
    bool link =
        entry.type == EntryType::symlink || entry.type == EntryType::hardlink;
    require(link || entry.target.empty(), "only links have targets");
    require(entry.type != EntryType::symlink ||
                limits.far_links == FarLinks::allow ||
                !leads_out(entry.path, entry.target),
            "no link leads out");
}

void walk(ArchiveReader& reader, const ArchiveLimits& limits, unsigned depth) {
    std::set<std::string> files;
    ArchiveEntry entry;
    for (std::uint64_t number = 0;; ++number) {
        auto more = reader.next(entry);
        if (!more) {
            auto again = reader.next(entry);
            require(!again && again.error().message == more.error().message,
                    "an error stays");
            require(more.error().code == Code::invalid_argument ||
                        more.error().code == Code::too_large,
                    "the archive's fault");
            return;
        }
        if (!*more) {
            return;
        }
        require(number < limits.max_entries, "entries are counted");
        check_entry(entry, limits);
        if (limits.duplicates == Duplicates::refuse &&
            entry.type != EntryType::folder) {
            require(files.insert(entry.path).second, "names are unique");
        }
        if (number % 3 == 1) {
            auto data = reader.read_entry(32U << 10);
            require(!data || data->size() <= 32U << 10, "no more than asked");
            require(!data || !entry.size || *entry.size == data->size(),
                    "as long as it says");
        } else if (number % 3 == 2) {
            auto inner = reader.open_nested(kAll);
            require(!inner || depth < limits.max_nesting, "depth is bounded");
            if (inner) {
                walk(*inner, limits, depth + 1);
            }
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    if (size == 0) {
        return 0;
    }
    auto limits = limits_of(data[0]);
    const std::string input(fuzz::text(data + 1, size - 1));
    MemorySource source(input);
    if (auto reader = ArchiveReader::open(source, kAll, limits)) {
        walk(*reader, limits, 0);
    }
    auto ends = gzip_members(source, limits);
    require(!ends || std::is_sorted(ends->begin(), ends->end()), "in order");
    require(!ends || ends->empty() || ends->back() <= input.size(), "inside");
    return 0;
}
