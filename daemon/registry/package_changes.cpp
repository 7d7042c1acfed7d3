#include "registry/package_changes.hpp"

#include "registry/format.hpp"

namespace longshore {
namespace {

Error no_version(const PackagePlace& place) {
    return Error{Code::not_found, "package " + std::string(place.package) +
                                      " has no version " +
                                      std::string(place.version)};
}

std::string_view action_of(VersionState state) noexcept {
    switch (state) {
        case VersionState::yanked:
            return "package.yank";
        case VersionState::deprecated:
            return "package.deprecate";
        case VersionState::active:
            break;
    }
    return "package.restore";
}

}  // namespace

std::string PackagePlace::package_key() const {
    return format.package_key(package);
}

std::string PackagePlace::version_key() const {
    return version.empty() ? std::string() : format.version_key(version);
}

Result<Written> remove_package(PackagePublisher& publisher,
                               const PackagePlace& place) {
    auto version = place.version_key();
    auto take_out = [&](StoredPackage& package) -> Result<void> {
        if (version.empty()) {
            package.versions.clear();
            package.tags.clear();
            return {};
        }
        auto gone = std::erase_if(package.versions, [&](const auto& one) {
            return one.key == version;
        });
        return gone == 0 ? no_version(place) : Result<void>();
    };
    EditOptions options{"package.delete", std::string(place.version),
                        std::string(place.request_id),
                        place.format.info().tombstones};
    return publisher.edit(place.access, place.package_key(), take_out, options);
}

Result<Written> set_state(PackagePublisher& publisher,
                          const PackagePlace& place, VersionState state,
                          const std::string& reason) {
    auto change = [&](StoredPackage& package) -> Result<void> {
        auto* version = package.find(place.version_key());
        if (version == nullptr) {
            return no_version(place);
        }
        version->state = state;
        version->reason = state == VersionState::active ? "" : reason;
        return {};
    };
    auto detail = std::string(place.version);
    detail += reason.empty() ? "" : ": " + reason;
    EditOptions options{action_of(state), detail,
                        std::string(place.request_id)};
    return publisher.edit(place.access, place.package_key(), change, options);
}

}  // namespace longshore
