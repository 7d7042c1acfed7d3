#include "common/layout.hpp"

namespace longshore {
namespace {

constexpr std::string_view kBlobs = "/docker/registry/v2/blobs/";
constexpr std::string_view kRepositories = "/docker/registry/v2/repositories";

}  // namespace

Path::Path(std::initializer_list<std::string_view> parts) noexcept {
    for (auto part : parts) {
        if (part.size() >= kCapacity - size_) {
            size_ = 0;
            text_[0] = '\0';
            return;
        }
        size_ += part.copy(text_.data() + size_, part.size());
    }
    text_[size_] = '\0';
}

namespace layout {

Path blob_folder(std::string_view root, const Digest& digest) noexcept {
    return Path{root,
                kBlobs,
                algorithm_name(digest.algorithm()),
                "/",
                digest.encoded().substr(0, 2),
                "/",
                digest.encoded()};
}

Path blob_data(std::string_view root, const Digest& digest) noexcept {
    return Path{root,
                kBlobs,
                algorithm_name(digest.algorithm()),
                "/",
                digest.encoded().substr(0, 2),
                "/",
                digest.encoded(),
                "/data"};
}

Path repositories(std::string_view root) noexcept {
    return Path{root, kRepositories};
}

Path repository(std::string_view root, std::string_view name) noexcept {
    return Path{root, kRepositories, "/", name};
}

Path layer_link(std::string_view root, std::string_view name,
                const Digest& digest) noexcept {
    return Path{root, kRepositories,    "/",
                name, "/_layers/",      algorithm_name(digest.algorithm()),
                "/",  digest.encoded(), "/link"};
}

Path revision_link(std::string_view root, std::string_view name,
                   const Digest& digest) noexcept {
    return Path{root,
                kRepositories,
                "/",
                name,
                "/_manifests/revisions/",
                algorithm_name(digest.algorithm()),
                "/",
                digest.encoded(),
                "/link"};
}

Path tag_folder(std::string_view root, std::string_view name,
                std::string_view tag) noexcept {
    return Path{root, kRepositories, "/", name, "/_manifests/tags/", tag};
}

Path tag_current(std::string_view root, std::string_view name,
                 std::string_view tag) noexcept {
    return Path{root, kRepositories,  "/", name, "/_manifests/tags/",
                tag,  "/current/link"};
}

Path tag_index(std::string_view root, std::string_view name,
               std::string_view tag, const Digest& digest) noexcept {
    return Path{root,
                kRepositories,
                "/",
                name,
                "/_manifests/tags/",
                tag,
                "/index/",
                algorithm_name(digest.algorithm()),
                "/",
                digest.encoded(),
                "/link"};
}

Path upload_folder(std::string_view root, std::string_view name,
                   std::string_view id) noexcept {
    return Path{root, kRepositories, "/", name, "/_uploads/", id};
}

Path upload_data(std::string_view root, std::string_view name,
                 std::string_view id) noexcept {
    return Path{root, kRepositories, "/", name, "/_uploads/", id, "/data"};
}

Path upload_state(std::string_view root, std::string_view name,
                  std::string_view id) noexcept {
    return Path{root, kRepositories, "/", name, "/_uploads/", id, "/state"};
}

Path upload_startedat(std::string_view root, std::string_view name,
                      std::string_view id) noexcept {
    return Path{root, kRepositories, "/", name, "/_uploads/", id, "/startedat"};
}

}  // namespace layout
}  // namespace longshore
