// Documents: repositories of packages and what they hold as JSON, the same for
// the API and for registryctl, and the schemas that say so. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/schema.hpp"
#include "model/package.hpp"
#include "registry/format_info.hpp"
#include "registry/package_catalog.hpp"

namespace longshore::api {

extern const Schema kRepository;
extern const Schema kPackage;         // alone
extern const Schema kPackageDetails;  // with versions and tags
extern const Schema kVersion;
extern const Schema kVersionDetails;  // with files
extern const Schema kFile;
extern const Schema kProperty;
extern const Schema kFormat;
extern const Schema kFoundPackage;  // with the repository that it is in

Json repository_json(const Repository& repository);
Json package_json(const StoredPackage& package);
Json package_details_json(const StoredPackage& package);
Json version_details_json(const StoredVersion& version);
Json file_json(const StoredFile& file);
/// With the package and version that it belongs to, if it does.
Json file_json(const FileEntry& entry);
Json properties_json(const std::vector<Property>& properties);
Json format_json(const Format& format);
/// The packages of a search.
Json found_json(const PackagesFound& found);

/// State of a version by its word. @errors invalid_argument
Result<VersionState> parse_version_state(std::string_view word);

inline constexpr Field kRepositoryNameField{
    .name = "name",
    .kind = FieldKind::text,
    .description =
        "one component: lower-case letters, digits, and . _ - "
        "between them",
    .example = R"("npm-internal")",
    .max = 255,
    .format = "^[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*$"};
inline constexpr Field kDescriptionField{.name = "description",
                                         .kind = FieldKind::text,
                                         .description = "for people",
                                         .example = R"("our own packages")",
                                         .max = 4096};
inline constexpr Field kSettingsField{
    .name = "settings",
    .kind = FieldKind::free,
    .description = "switches of the format, see its page",
    .example = "{}"};
inline constexpr std::array<std::string_view, 3> kVersionStates = {
    "active", "yanked", "deprecated"};
inline constexpr Field kVersionStateField{
    .name = "state",
    .kind = FieldKind::word,
    .description =
        "yanked: only for who names it exactly; deprecated: with a "
        "warning",
    .example = R"("yanked")",
    .words = kVersionStates};

}  // namespace longshore::api
