// Reads the headers of an RPM package (lead, signature, main header; format 3
// and 4, and what 6 keeps of them) as rpm's manual "Package format" has them,
// and what a repository says about a package. The payload is not looked at.
// Everything is checked against its bounds when it is read, and the data of
// two tags never overlap, so that reading takes as long as the header is.
// Pure values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/byte_source.hpp"
#include "common/result.hpp"

namespace longshore {

struct RpmLimits {
    std::size_t entries = 8192;             // of one header's index
    std::size_t store = 64 * 1024 * 1024;   // bytes of one header's data
    std::size_t files = 1'000'000;          // of a package
    std::size_t path = 4096;                // bytes of one file's path
    std::size_t paths = 128 * 1024 * 1024;  // bytes of all of them
    std::size_t relations = 200'000;        // of one kind
};

/// One header: values of tags. A tag that is absent, or that has another
/// type than asked for, has no value.
class RpmHeader {
public:
    /// Reads the header that starts at `offset`.
    /// @errors invalid_argument, too_large, what the source ends with
    static Result<RpmHeader> read(const ByteSource& source,
                                  std::uint64_t offset,
                                  const RpmLimits& limits = {});

    /// Bytes that it has in the package, without padding.
    std::uint64_t size() const noexcept;

    bool has(std::uint32_t tag) const noexcept;
    /// A string, or the first of several; of a translated one, that of the
    /// locale if there is one, else the first, which is in English.
    std::string_view text(std::uint32_t tag,
                          std::string_view locale = "C") const;
    std::vector<std::string_view> texts(std::uint32_t tag) const;
    /// An integer of any width, or the first of several.
    std::optional<std::uint64_t> number(std::uint32_t tag) const;
    std::vector<std::uint64_t> numbers(std::uint32_t tag) const;
    std::string_view binary(std::uint32_t tag) const;

private:
    struct Entry {
        std::uint32_t tag = 0;
        std::uint32_t type = 0;
        std::uint32_t offset = 0;
        std::uint32_t count = 0;
    };

    static Result<void> check(const Entry& entry, std::string_view store,
                              std::size_t& end);
    Result<void> take_index(std::string_view index);
    Result<std::size_t> region_entries(const Entry& first) const;
    const Entry* find(std::uint32_t tag) const noexcept;
    std::uint64_t integer(const Entry& entry, std::size_t which) const noexcept;

    std::vector<Entry> entries_;  // by tag
    std::size_t index_size_ = 0;
    std::string store_;
};

/// What a package needs, has or does not stand: "a", "a >= 1:2-3".
struct RpmRelation {
    std::string name;
    std::string_view flags;  // "LT" "GT" "EQ" "LE" "GE", empty for any version
    std::string epoch;       // "0" where there is a version without one
    std::string version;
    std::string release;
    bool pre = false;  // needed before the package's scripts run

    friend bool operator==(const RpmRelation&, const RpmRelation&) = default;
};

enum class RpmFileType { file, dir, ghost };

struct RpmFile {
    std::string path;
    RpmFileType type = RpmFileType::file;
    std::uint32_t mode = 0;
};

struct RpmChange {
    std::string author;
    std::uint64_t time_s = 0;
    std::string text;
};

/// All text is UTF-8; what a package does not say is empty or 0.
struct RpmPackage {
    std::string name;
    std::string epoch;  // "0" for none
    std::string version;
    std::string release;
    std::string arch;  // "src" for a source package
    std::string summary;
    std::string description;
    std::string packager;
    std::string url;
    std::string license;
    std::string vendor;
    std::string group;
    std::string build_host;
    std::string source_rpm;
    std::uint64_t build_time_s = 0;
    std::uint64_t installed_size = 0;
    std::uint64_t archive_size = 0;
    // Bytes of the package that are its main header: from, up to.
    std::uint64_t header_start = 0;
    std::uint64_t header_end = 0;
    // In the package's order, all that it names, "rpmlib(…)" too.
    std::vector<RpmRelation> provides;
    std::vector<RpmRelation> requirements;
    std::vector<RpmRelation> conflicts;
    std::vector<RpmRelation> obsoletes;
    std::vector<RpmRelation> recommends;
    std::vector<RpmRelation> suggests;
    std::vector<RpmRelation> supplements;
    std::vector<RpmRelation> enhances;
    std::vector<RpmFile> files;
    std::vector<RpmChange> changes;  // the newest first
};

/// @errors invalid_argument, too_large, what the source ends with
Result<RpmPackage> read_rpm(const ByteSource& source,
                            const RpmLimits& limits = {});

/// The requirements that an index names: without those of rpm itself, what
/// the package has itself, and what is said twice.
std::vector<RpmRelation> index_requirements(const RpmPackage& package);

/// Whether an index names the file among the few that packages are required
/// by: programs, settings, and sendmail.
bool is_primary_file(std::string_view path) noexcept;

}  // namespace longshore
