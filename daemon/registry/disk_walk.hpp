// Walks the repositories of a directory in the layout of the distribution
// project. Reads only.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "store/blob_store.hpp"

namespace longshore::disk {

/// Calls `visit` with each repository name found, in no order, until it
/// returns false. Folders whose names no client could ask for are left out.
/// @errors unavailable
Result<void> each_name(BlobStore& store,
                       const std::function<bool(std::string_view)>& visit);

/// Calls `visit` with each digest that has a folder below `folder`
/// (…/<alg>/<hex>), in no order. @errors unavailable
Result<void> each_digest(BlobStore& store, const std::string& folder,
                         const std::function<bool(const Digest&)>& visit);

/// …/_manifests/revisions, …/_layers, …/_manifests/tags of a name.
std::string revisions(const BlobStore& store, std::string_view name);
std::string layers(const BlobStore& store, std::string_view name);
std::string tags(const BlobStore& store, std::string_view name);

/// Digest in a link file. @errors not_found, corrupt (not a digest)
Result<Digest> read_link(BlobStore& store, const Path& path);

}  // namespace longshore::disk
