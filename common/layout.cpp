#include "common/layout.hpp"

namespace longshore {
namespace {

constexpr std::string_view kBlobs = "/docker/registry/v2/blobs/";
constexpr std::string_view kRepositories = "/docker/registry/v2/repositories";
constexpr std::string_view kPackageUploads = "/uploads";

constexpr std::string_view kTags = "/_manifests/tags/";

Path in_blob(std::string_view root, const Digest& digest,
             std::string_view leaf) noexcept {
    return Path{root,
                kBlobs,
                algorithm_name(digest.algorithm()),
                "/",
                digest.encoded().substr(0, 2),
                "/",
                digest.encoded(),
                leaf};
}

Path in_tag(std::string_view root, std::string_view name, std::string_view tag,
            std::string_view leaf) noexcept {
    return Path{root, kRepositories, "/", name, kTags, tag, leaf};
}

Path in_upload(std::string_view root, std::string_view name,
               std::string_view id, std::string_view leaf) noexcept {
    return Path{root, kRepositories, "/", name, "/_uploads/", id, leaf};
}

// The link that names `digest` in one of a repository's folders, which may be
// given in three parts.
Path digest_link(std::string_view root, std::string_view name,
                 const Digest& digest, std::string_view folder,
                 std::string_view tag = {},
                 std::string_view index = {}) noexcept {
    return Path{root,   kRepositories,
                "/",    name,
                folder, tag,
                index,  algorithm_name(digest.algorithm()),
                "/",    digest.encoded(),
                "/link"};
}

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
    return in_blob(root, digest, "");
}

Path blob_shelf(std::string_view root, Algorithm algorithm,
                std::string_view two_hex) noexcept {
    return Path{root, kBlobs, algorithm_name(algorithm), "/", two_hex};
}

Path blob_data(std::string_view root, const Digest& digest) noexcept {
    return in_blob(root, digest, "/data");
}

Path repositories(std::string_view root) noexcept {
    return Path{root, kRepositories};
}

Path repository(std::string_view root, std::string_view name) noexcept {
    return Path{root, kRepositories, "/", name};
}

Path layer_link(std::string_view root, std::string_view name,
                const Digest& digest) noexcept {
    return digest_link(root, name, digest, "/_layers/");
}

Path revision_link(std::string_view root, std::string_view name,
                   const Digest& digest) noexcept {
    return digest_link(root, name, digest, "/_manifests/revisions/");
}

Path tag_folder(std::string_view root, std::string_view name,
                std::string_view tag) noexcept {
    return in_tag(root, name, tag, "");
}

Path tag_current(std::string_view root, std::string_view name,
                 std::string_view tag) noexcept {
    return in_tag(root, name, tag, "/current/link");
}

Path tag_index(std::string_view root, std::string_view name,
               std::string_view tag, const Digest& digest) noexcept {
    return digest_link(root, name, digest, kTags, tag, "/index/");
}

Path upload_folder(std::string_view root, std::string_view name,
                   std::string_view id) noexcept {
    return in_upload(root, name, id, "");
}

Path upload_data(std::string_view root, std::string_view name,
                 std::string_view id) noexcept {
    return in_upload(root, name, id, "/data");
}

Path upload_state(std::string_view root, std::string_view name,
                  std::string_view id) noexcept {
    return in_upload(root, name, id, "/state");
}

Path upload_startedat(std::string_view root, std::string_view name,
                      std::string_view id) noexcept {
    return in_upload(root, name, id, "/startedat");
}

Path spool_file(std::string_view root, std::string_view id) noexcept {
    return Path{root, "/spool/", id};
}

Path document_data(std::string_view root, const Digest& digest) noexcept {
    return Path{root,
                "/documents/",
                algorithm_name(digest.algorithm()),
                "/",
                digest.encoded().substr(0, 2),
                "/",
                digest.encoded()};
}

Path package_uploads(std::string_view root) noexcept {
    return Path{root, kPackageUploads};
}

Path package_upload_folder(std::string_view root, std::string_view repository,
                           std::string_view id) noexcept {
    return Path{root, kPackageUploads, "/", repository, "/", id};
}

Path token_keys(std::string_view root) noexcept {
    return Path{root, "/keys/token.pub"};
}

}  // namespace layout
}  // namespace longshore
