// What a repository says about a package, from the tags of its headers.
#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "common/text.hpp"
#include "syntax/rpm_header.hpp"

namespace longshore {
namespace {

constexpr std::size_t kLead = 96;
constexpr std::string_view kLeadMagic = "\xed\xab\xee\xdb";

// rpmtag.h: facts of the interface.
namespace tag {
constexpr std::uint32_t kName = 1000;
constexpr std::uint32_t kVersion = 1001;
constexpr std::uint32_t kRelease = 1002;
constexpr std::uint32_t kEpoch = 1003;
constexpr std::uint32_t kSummary = 1004;
constexpr std::uint32_t kDescription = 1005;
constexpr std::uint32_t kBuildTime = 1006;
constexpr std::uint32_t kBuildHost = 1007;
constexpr std::uint32_t kSize = 1009;
constexpr std::uint32_t kVendor = 1011;
constexpr std::uint32_t kLicense = 1014;
constexpr std::uint32_t kPackager = 1015;
constexpr std::uint32_t kGroup = 1016;
constexpr std::uint32_t kUrl = 1020;
constexpr std::uint32_t kArch = 1022;
constexpr std::uint32_t kOldFileNames = 1027;
constexpr std::uint32_t kFileModes = 1030;
constexpr std::uint32_t kFileFlags = 1037;
constexpr std::uint32_t kSourceRpm = 1044;
constexpr std::uint32_t kArchiveSize = 1046;
constexpr std::uint32_t kChangeTime = 1080;
constexpr std::uint32_t kChangeName = 1081;
constexpr std::uint32_t kChangeText = 1082;
constexpr std::uint32_t kSourcePackage = 1106;
constexpr std::uint32_t kDirIndexes = 1116;
constexpr std::uint32_t kBaseNames = 1117;
constexpr std::uint32_t kDirNames = 1118;
constexpr std::uint32_t kLongSize = 5009;
constexpr std::uint32_t kPayloadSizeAlt = 5113;
constexpr std::uint32_t kLongArchiveSize = 271;
constexpr std::uint32_t kSignaturePayloadSize = 1007;  // of the signature
}  // namespace tag

// Tags of one kind of relation.
struct RelationTags {
    std::uint32_t name;
    std::uint32_t flags;
    std::uint32_t version;
    std::vector<RpmRelation> RpmPackage::*into;
};
constexpr RelationTags kRelations[] = {
    {1047, 1112, 1113, &RpmPackage::provides},
    {1049, 1048, 1050, &RpmPackage::requirements},
    {1054, 1053, 1055, &RpmPackage::conflicts},
    {1090, 1114, 1115, &RpmPackage::obsoletes},
    {5046, 5048, 5047, &RpmPackage::recommends},
    {5049, 5051, 5050, &RpmPackage::suggests},
    {5052, 5054, 5053, &RpmPackage::supplements},
    {5055, 5057, 5056, &RpmPackage::enhances},
};

// rpmds.h.
constexpr std::uint64_t kSenseLess = 2;
constexpr std::uint64_t kSenseGreater = 4;
constexpr std::uint64_t kSenseEqual = 8;
constexpr std::uint64_t kSensePre = 64 | 512 | 1024;
// rpmfiles.h.
constexpr std::uint64_t kFileGhost = 64;
constexpr std::uint64_t kModeType = 0170000;
constexpr std::uint64_t kModeDir = 0040000;

Error broken(const char* why) {
    return {Code::invalid_argument, std::string("RPM package: ") + why};
}

Error too_large(const char* what, std::size_t limit) {
    return {Code::too_large, std::string("RPM package: more than ") +
                                 std::to_string(limit) + " " + what};
}

std::string_view flags_name(std::uint64_t flags) noexcept {
    switch (flags & (kSenseLess | kSenseGreater | kSenseEqual)) {
        case kSenseLess:
            return "LT";
        case kSenseGreater:
            return "GT";
        case kSenseEqual:
            return "EQ";
        case kSenseLess | kSenseEqual:
            return "LE";
        case kSenseGreater | kSenseEqual:
            return "GE";
        default:
            return {};
    }
}

// [epoch:]version[-release]
void take_evr(std::string_view text, RpmRelation& into) {
    if (text.empty()) {
        return;
    }
    into.epoch = "0";
    const auto colon = text.find(':');
    if (colon != std::string_view::npos) {
        if (colon > 0) {
            into.epoch = to_utf8(text.substr(0, colon));
        }
        text.remove_prefix(colon + 1);
    }
    const auto dash = text.rfind('-');
    into.version = to_utf8(text.substr(0, dash));
    if (dash != std::string_view::npos) {
        into.release = to_utf8(text.substr(dash + 1));
    }
}

Result<void> take_relations(const RpmHeader& header, const RelationTags& tags,
                            const RpmLimits& limits, RpmPackage& package) {
    const auto names = header.texts(tags.name);
    const auto flags = header.numbers(tags.flags);
    const auto versions = header.texts(tags.version);
    if (names.size() > limits.relations) {
        return too_large("relations of one kind", limits.relations);
    }
    // Very old packages name what they provide without versions.
    const bool bare = flags.empty() && versions.empty();
    if (!bare &&
        (flags.size() != names.size() || versions.size() != names.size())) {
        return broken("relations without their versions");
    }
    auto& into = package.*tags.into;
    into.reserve(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        auto& relation = into.emplace_back();
        relation.name = to_utf8(names[i]);
        if (bare) {
            continue;
        }
        relation.flags = flags_name(flags[i]);
        relation.pre =
            &into == &package.requirements && (flags[i] & kSensePre) != 0;
        take_evr(versions[i], relation);
    }
    return {};
}

Result<void> take_paths(const RpmHeader& header, const RpmLimits& limits,
                        std::vector<RpmFile>& files) {
    const auto names = header.texts(tag::kBaseNames);
    const auto dirs = header.texts(tag::kDirNames);
    const auto which = header.numbers(tag::kDirIndexes);
    const auto whole = header.texts(tag::kOldFileNames);
    const auto count = names.empty() ? whole.size() : names.size();
    if (which.size() != names.size()) {
        return broken("files without their folders");
    }
    if (count > limits.files) {
        return too_large("files", limits.files);
    }
    files.resize(count);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (!names.empty() && which[i] >= dirs.size()) {
            return broken("a file in a folder that there is not");
        }
        const auto dir = names.empty() ? std::string_view() : dirs[which[i]];
        const auto name = names.empty() ? whole[i] : names[i];
        if (dir.size() + name.size() > limits.path) {
            return too_large("bytes of a path", limits.path);
        }
        bytes += dir.size() + name.size();
        if (bytes > limits.paths) {
            return too_large("bytes of paths", limits.paths);
        }
        files[i].path = to_utf8(std::string(dir) + std::string(name));
    }
    return {};
}

Result<void> take_files(const RpmHeader& header, const RpmLimits& limits,
                        std::vector<RpmFile>& files) {
    LS_CHECK(take_paths(header, limits, files));
    const auto modes = header.numbers(tag::kFileModes);
    const auto flags = header.numbers(tag::kFileFlags);
    if (modes.size() != files.size() ||
        (!flags.empty() && flags.size() != files.size())) {
        return broken("files without their modes");
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
        files[i].mode = static_cast<std::uint32_t>(modes[i]);
        if ((modes[i] & kModeType) == kModeDir) {
            files[i].type = RpmFileType::dir;
        } else if (!flags.empty() && (flags[i] & kFileGhost) != 0) {
            files[i].type = RpmFileType::ghost;
        }
    }
    return {};
}

Result<void> take_changes(const RpmHeader& header,
                          std::vector<RpmChange>& changes) {
    const auto times = header.numbers(tag::kChangeTime);
    const auto names = header.texts(tag::kChangeName);
    const auto texts = header.texts(tag::kChangeText);
    if (names.size() != times.size() || texts.size() != times.size()) {
        return broken("changes without their dates");
    }
    changes.reserve(times.size());
    for (std::size_t i = 0; i < times.size(); ++i) {
        changes.push_back({to_utf8(names[i]), times[i], to_utf8(texts[i])});
    }
    return {};
}

Result<void> take_facts(const RpmHeader& header, const RpmHeader& signature,
                        RpmPackage& package) {
    const std::pair<std::uint32_t, std::string RpmPackage::*> texts[] = {
        {tag::kName, &RpmPackage::name},
        {tag::kVersion, &RpmPackage::version},
        {tag::kRelease, &RpmPackage::release},
        {tag::kArch, &RpmPackage::arch},
        {tag::kSummary, &RpmPackage::summary},
        {tag::kDescription, &RpmPackage::description},
        {tag::kPackager, &RpmPackage::packager},
        {tag::kUrl, &RpmPackage::url},
        {tag::kLicense, &RpmPackage::license},
        {tag::kVendor, &RpmPackage::vendor},
        {tag::kGroup, &RpmPackage::group},
        {tag::kBuildHost, &RpmPackage::build_host},
        {tag::kSourceRpm, &RpmPackage::source_rpm},
    };
    for (const auto& [which, into] : texts) {
        package.*into = to_utf8(header.text(which));
    }
    // rpm itself goes by the name of a source that is not there.
    if (header.has(tag::kSourcePackage) || !header.has(tag::kSourceRpm)) {
        package.arch = "src";
    }
    package.epoch = std::to_string(header.number(tag::kEpoch).value_or(0));
    package.build_time_s = header.number(tag::kBuildTime).value_or(0);
    package.installed_size =
        header.number(tag::kLongSize)
            .value_or(header.number(tag::kSize).value_or(0));
    for (const auto& size : {header.number(tag::kLongArchiveSize),
                             signature.number(tag::kLongArchiveSize),
                             header.number(tag::kArchiveSize),
                             signature.number(tag::kSignaturePayloadSize),
                             header.number(tag::kPayloadSizeAlt)}) {
        if (size) {
            package.archive_size = *size;
            break;
        }
    }
    if (package.name.empty() || package.version.empty() ||
        package.release.empty() || package.arch.empty()) {
        return broken("no name, version, release or architecture");
    }
    return {};
}

// What makes two relations the same one.
auto key_of(const RpmRelation& relation) {
    return std::tie(relation.name, relation.flags, relation.epoch,
                    relation.version, relation.release);
}

}  // namespace

Result<RpmPackage> read_rpm(const ByteSource& source, const RpmLimits& limits) {
    std::string lead(kLead, '\0');
    LS_TRY(read, source.read_at(0, lead));
    const auto format = static_cast<unsigned char>(lead[4]);
    if (read != kLead ||
        std::string_view(lead).substr(0, kLeadMagic.size()) != kLeadMagic ||
        format < 3 || format > 4) {
        return broken("does not begin with the lead of one");
    }
    LS_TRY(signature, RpmHeader::read(source, kLead, limits));
    RpmPackage package;
    package.header_start = kLead + (signature.size() + 7) / 8 * 8;
    LS_TRY(header, RpmHeader::read(source, package.header_start, limits));
    package.header_end = package.header_start + header.size();
    LS_CHECK(take_facts(header, signature, package));
    for (const auto& tags : kRelations) {
        LS_CHECK(take_relations(header, tags, limits, package));
    }
    LS_CHECK(take_files(header, limits, package.files));
    LS_CHECK(take_changes(header, package.changes));
    return package;
}

std::vector<RpmRelation> index_requirements(const RpmPackage& package) {
    std::set<decltype(key_of(std::declval<const RpmRelation&>()))> own;
    for (const auto& provided : package.provides) {
        own.insert(key_of(provided));
    }
    std::unordered_set<std::string_view> paths;
    for (const auto& file : package.files) {
        paths.insert(file.path);
    }
    std::set<
        std::pair<decltype(key_of(std::declval<const RpmRelation&>())), bool>>
        said;
    std::vector<RpmRelation> out;
    for (const auto& relation : package.requirements) {
        if (relation.name.starts_with("rpmlib(") ||
            own.count(key_of(relation)) != 0 ||
            (relation.name.starts_with("/") &&
             paths.count(relation.name) != 0) ||
            !said.emplace(key_of(relation), relation.pre).second) {
            continue;
        }
        out.push_back(relation);
    }
    return out;
}

bool is_primary_file(std::string_view path) noexcept {
    return path.starts_with("/etc/") || path == "/usr/lib/sendmail" ||
           path.find("bin/") != std::string_view::npos;
}

}  // namespace longshore
