#include "registry/disk_walk.hpp"

#include <vector>

#include "common/oci_path.hpp"

namespace longshore::disk {
namespace {

// A name has at most 255 characters, so at most 128 segments.
constexpr int kMaxDepth = 128;

// Returns false when `visit` wants no more.
Result<bool> walk(BlobStore& store, const std::string& name, int depth,
                  const std::function<bool(std::string_view)>& visit) {
    std::vector<std::string> below;
    bool is_repository = false;
    auto path = name.empty() ? layout::repositories(store.root())
                             : layout::repository(store.root(), name);
    LS_CHECK(store.list(path, [&](const BlobStore::Entry& entry) {
        if (!entry.folder) {
            return true;
        }
        if (entry.name == "_manifests" || entry.name == "_layers" ||
            entry.name == "_uploads") {
            is_repository = true;
        } else if (!entry.name.starts_with('_')) {
            below.emplace_back(entry.name);
        }
        return true;
    }));
    if (is_repository && is_repository_name(name) && !visit(name)) {
        return false;
    }
    if (depth >= kMaxDepth) {
        return true;
    }
    for (const auto& leaf : below) {
        std::string child = name;
        child.append(name.empty() ? "" : "/").append(leaf);
        LS_TRY(more, walk(store, child, depth + 1, visit));
        if (!more) {
            return false;
        }
    }
    return true;
}

}  // namespace

Result<void> each_name(BlobStore& store,
                       const std::function<bool(std::string_view)>& visit) {
    LS_TRY(more, walk(store, "", 0, visit));
    (void)more;
    return {};
}

Result<void> each_digest(BlobStore& store, const std::string& folder,
                         const std::function<bool(const Digest&)>& visit) {
    for (auto algorithm : {Algorithm::sha256, Algorithm::sha512}) {
        auto name = algorithm_name(algorithm);
        Path path{folder, "/", name};
        bool more = true;
        LS_CHECK(store.list(path, [&](const BlobStore::Entry& entry) {
            Digest digest;
            auto text = std::string(name) + ":" + std::string(entry.name);
            if (entry.folder && Digest::parse(text, digest)) {
                more = visit(digest);
            }
            return more;
        }));
        if (!more) {
            break;
        }
    }
    return {};
}

std::string revisions(const BlobStore& store, std::string_view name) {
    return layout::repository(store.root(), name).str() +
           "/_manifests/revisions";
}

std::string layers(const BlobStore& store, std::string_view name) {
    return layout::repository(store.root(), name).str() + "/_layers";
}

std::string tags(const BlobStore& store, std::string_view name) {
    return layout::repository(store.root(), name).str() + "/_manifests/tags";
}

Result<Digest> read_link(BlobStore& store, const Path& path) {
    LS_TRY(text, store.read_file(path));
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.pop_back();
    }
    Digest digest;
    if (!Digest::parse(text, digest)) {
        return Error{Code::corrupt, path.str() + " holds no digest"};
    }
    return digest;
}

}  // namespace longshore::disk
