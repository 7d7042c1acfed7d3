#include "model/package.hpp"

#include <algorithm>

namespace longshore {

std::string_view kind_name(RepositoryKind kind) noexcept {
    switch (kind) {
        case RepositoryKind::local:
            return "local";
        case RepositoryKind::remote:
            return "remote";
        case RepositoryKind::virtual_:
            break;
    }
    return "virtual";
}

std::string_view state_name(VersionState state) noexcept {
    switch (state) {
        case VersionState::active:
            return "active";
        case VersionState::yanked:
            return "yanked";
        case VersionState::deprecated:
            break;
    }
    return "deprecated";
}

const StoredVersion* StoredPackage::find(
    std::string_view version_key) const noexcept {
    auto found =
        std::find_if(versions.begin(), versions.end(),
                     [&](const auto& one) { return one.key == version_key; });
    return found == versions.end() ? nullptr : &*found;
}

StoredVersion* StoredPackage::find(std::string_view version_key) noexcept {
    return const_cast<StoredVersion*>(
        static_cast<const StoredPackage*>(this)->find(version_key));
}

const std::string* StoredPackage::tag(std::string_view tag) const noexcept {
    auto found = std::find_if(tags.begin(), tags.end(),
                              [&](const auto& one) { return one.tag == tag; });
    return found == tags.end() ? nullptr : &found->version_key;
}

}  // namespace longshore
