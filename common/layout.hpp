// Where things lie on disk. The OCI part is the layout of the distribution
// project, so that its directories can be taken over and handed back. Drawn
// in docs/storage-layout.md; nobody else puts such a path together.
//
// Names given here were parsed before (Digest, is_repository_name,
// is_upload_id), so no path can leave the root.
#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/digest.hpp"

namespace longshore {

/// A path on the stack, always NUL-terminated, for the hot path.
class Path {
public:
    static constexpr std::size_t kCapacity = 1024;

    Path() noexcept { text_[0] = '\0'; }

    /// Joins without separators; a result that would not fit is empty, which
    /// every open() refuses.
    explicit Path(std::initializer_list<std::string_view> parts) noexcept;

    const char* c_str() const noexcept { return text_.data(); }
    std::string_view view() const noexcept { return {text_.data(), size_}; }
    std::string str() const { return std::string(view()); }
    bool empty() const noexcept { return size_ == 0; }

private:
    std::array<char, kCapacity> text_;  // left raw: cleared on use only
    std::size_t size_ = 0;
};

/// Longest root that leaves room for the longest path below it.
constexpr std::size_t kMaxRoot = 400;

namespace layout {

/// <root>/docker/registry/v2/blobs/<alg>/<2 hex>/<hex>/data
Path blob_data(std::string_view root, const Digest& digest) noexcept;
/// the folder of blob_data
Path blob_folder(std::string_view root, const Digest& digest) noexcept;
/// …/blobs/<alg>/<2 hex>: the folders of those that begin so
Path blob_shelf(std::string_view root, Algorithm algorithm,
                std::string_view two_hex) noexcept;
/// <root>/docker/registry/v2/repositories
Path repositories(std::string_view root) noexcept;
/// …/repositories/<name>
Path repository(std::string_view root, std::string_view name) noexcept;
/// …/<name>/_layers/<alg>/<hex>/link
Path layer_link(std::string_view root, std::string_view name,
                const Digest& digest) noexcept;
/// …/<name>/_manifests/revisions/<alg>/<hex>/link
Path revision_link(std::string_view root, std::string_view name,
                   const Digest& digest) noexcept;
/// …/<name>/_manifests/tags/<tag>
Path tag_folder(std::string_view root, std::string_view name,
                std::string_view tag) noexcept;
/// …/<tag>/current/link
Path tag_current(std::string_view root, std::string_view name,
                 std::string_view tag) noexcept;
/// …/<tag>/index/<alg>/<hex>/link
Path tag_index(std::string_view root, std::string_view name,
               std::string_view tag, const Digest& digest) noexcept;
/// …/<name>/_uploads/<id>
Path upload_folder(std::string_view root, std::string_view name,
                   std::string_view id) noexcept;
/// …/_uploads/<id>/data
Path upload_data(std::string_view root, std::string_view name,
                 std::string_view id) noexcept;
/// …/_uploads/<id>/state, see upload_state.hpp
Path upload_state(std::string_view root, std::string_view name,
                  std::string_view id) noexcept;
/// …/_uploads/<id>/startedat, RFC 3339 text
Path upload_startedat(std::string_view root, std::string_view name,
                      std::string_view id) noexcept;

/// <root>/spool/<id>: a file on its way in
Path spool_file(std::string_view root, std::string_view id) noexcept;
/// <root>/documents/sha256/<first two hex>/<hex>: an index or another answer
/// that is made once and sent often
Path document_data(std::string_view root, const Digest& digest) noexcept;
/// <root>/uploads: the sessions of packages
Path package_uploads(std::string_view root) noexcept;
/// …/<repository>/<id>: an upload session of a package, with
/// the same files as that of a blob
Path package_upload_folder(std::string_view root, std::string_view repository,
                           std::string_view id) noexcept;

/// <root>/keys/token.pub: the public keys of access tokens, one
/// "<key id> <base64url of 32 bytes>" per line
Path token_keys(std::string_view root) noexcept;

}  // namespace layout
}  // namespace longshore
