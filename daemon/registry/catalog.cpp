#include "registry/catalog.hpp"

#include <algorithm>

#include "common/hash.hpp"
#include "db/database.hpp"
#include "db/oci.hpp"
#include "db/scrub.hpp"
#include "registry/takeover.hpp"
#include "registry/uses.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

constexpr std::uint64_t kMaxManifestBytes = 64 * 1024 * 1024;

Error name_unknown(std::string_view name) {
    return Error{Code::not_found,
                 "repository " + std::string(name) + " is not known",
                 "NAME_UNKNOWN"};
}

Error manifest_unknown(std::string_view name, std::string_view reference) {
    return Error{Code::not_found,
                 "manifest " + std::string(reference) + " is not known in " +
                     std::string(name),
                 "MANIFEST_UNKNOWN"};
}

// There is nothing in the place of a blob, or no file.
bool is_lost(const Error& error) noexcept {
    return error.code == Code::not_found || error.code == Code::corrupt;
}

// `reference` is a digest or a tag.
Result<std::optional<StoredManifest>> find_either(Transaction& t,
                                                  std::string_view name,
                                                  std::string_view reference) {
    return reference.find(':') != std::string_view::npos
               ? db::find_manifest(t, name, reference)
               : db::find_tagged(t, name, reference);
}

// One more than asked for was read, to know whether there is more.
template <typename T>
Page<T> page_of(std::vector<T> items, std::size_t n) {
    Page<T> page;
    page.more = items.size() > n;
    if (page.more) {
        items.resize(n);
    }
    page.items = std::move(items);
    return page;
}

}  // namespace

Catalog::Catalog(Database& database, BlobStore& store)
    : database_(database), store_(store) {}

bool Catalog::is_disk_open() const noexcept {
    return takeover_ != nullptr && !takeover_->complete();
}

Result<StoredManifest> Catalog::manifest(const Access& access,
                                         std::string_view reference) {
    auto name = access.name().text();
    if (uses_ == nullptr) {
        return look_up(name, reference);
    }
    // First, by digest: it may be about to go, and then is not there.
    bool by_digest = reference.find(':') != reference.npos;
    if (by_digest) {
        uses_->note(name, reference);
    }
    auto found = look_up(name, reference);
    if (found && !by_digest) {
        uses_->note(name, found->digest.text());
    }
    return found;
}

Result<StoredManifest> Catalog::look_up(std::string_view name,
                                        std::string_view reference) {
    bool disk_open = is_disk_open();
    std::optional<StoredManifest> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_either(t, name, reference));
        found = std::move(row);
        return {};
    }));
    if (found) {
        return std::move(*found);
    }
    return missing_manifest(name, reference, disk_open);
}

Result<StoredManifest> Catalog::missing_manifest(std::string_view name,
                                                 std::string_view reference,
                                                 bool disk_open) {
    bool indexed = false;
    bool has_content = false;
    std::optional<StoredManifest> late;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        // Again: the name may have become indexed since the first look.
        LS_TRY(again, find_either(t, name, reference));
        late = std::move(again);
        LS_TRY(row, db::find_name(t, name));
        indexed = row && row->indexed;
        if (row) {
            LS_TRY(some, db::has_content(t, *row));
            has_content = some;
        }
        return {};
    }));
    if (late) {
        return std::move(*late);
    }
    if (!indexed && disk_open) {
        auto found = takeover_->manifest(name, reference);
        if (found || found.error().code != Code::not_found) {
            return found;
        }
        if (!has_content) {
            LS_TRY(on_disk, takeover_->on_disk(name));
            has_content = on_disk;
        }
    }
    if (has_content) {
        return manifest_unknown(name, reference);
    }
    return name_unknown(name);
}

Result<std::string> Catalog::manifest_bytes(const StoredManifest& manifest) {
    LS_CHECK(check_there(manifest));
    auto bytes = store_.read(manifest.digest, kMaxManifestBytes);
    if (!bytes) {
        return bytes;
    }
    // Small, and once per cache entry of nginx: never wrong bytes.
    if (digest_of(manifest.digest.algorithm(), *bytes) != manifest.digest) {
        return Error{Code::corrupt,
                     "blob " + manifest.digest.str() + " holds other bytes"};
    }
    return bytes;
}

Result<void> Catalog::check_there(const StoredManifest& manifest) {
    auto size = store_.size(manifest.digest);
    if (!size && is_lost(size.error())) {
        return Error{Code::not_found,
                     "the bytes of manifest " + manifest.digest.str() +
                         " are lost, push it again",
                     "MANIFEST_UNKNOWN"};
    }
    LS_CHECK(size);
    return {};
}

Result<std::uint64_t> Catalog::blob(const Access& access,
                                    const Digest& digest) {
    auto name = access.name().text();
    std::optional<std::uint64_t> size;
    bool disk_open = is_disk_open();
    bool indexed = false;
    bool damaged = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_linked(t, name, digest));
        LS_TRY(gone, db::is_damaged(t, digest));
        size = found;
        damaged = gone;
        if (!size) {
            LS_TRY(row, db::find_name(t, name));
            indexed = row && row->indexed;
        }
        return {};
    }));
    if (!size && !indexed && disk_open) {
        LS_TRY(on_disk, takeover_->linked(name, digest));
        size = on_disk;
    }
    if (size) {
        // What is lost or damaged counts as not there: a push brings it again.
        auto there = store_.size(digest);
        if (!there && !is_lost(there.error())) {
            return there;
        }
        if (!there || damaged) {
            size.reset();
        }
    }
    if (!size) {
        return Error{
            Code::not_found,
            "blob " + digest.str() + " is not known in " + std::string(name),
            "BLOB_UNKNOWN"};
    }
    return *size;
}

Result<Page<std::string>> Catalog::names_with_blob(const Digest& digest,
                                                   std::size_t n,
                                                   std::string_view last) {
    std::vector<std::string> names;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::names_with_blob(t, digest, n + 1, last));
        names = std::move(found);
        return {};
    }));
    return page_of(std::move(names), n);
}

Result<Page<std::string>> Catalog::tags(const Access& access, std::size_t n,
                                        std::string_view last) {
    auto name = access.name().text();
    std::vector<std::string> tags;
    bool disk_open = is_disk_open();
    bool indexed = false;
    bool has_content = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(row, db::find_name(t, name));
        if (!row) {
            return {};
        }
        indexed = row->indexed;
        LS_TRY(listed, db::list_tags(t, row->id, n + 1, last));
        for (auto& tagged : listed) {
            tags.push_back(std::move(tagged.tag));
        }
        has_content = !tags.empty();
        if (!has_content) {
            LS_TRY(some, db::has_content(t, *row));
            has_content = some;
        }
        return {};
    }));
    if (!indexed && disk_open) {
        LS_TRY(on_disk, takeover_->on_disk(name));
        if (on_disk) {
            return disk_tags(name, n, last);
        }
    }
    if (!has_content) {
        return name_unknown(name);
    }
    return page_of(std::move(tags), n);
}

// The links follow each commit before it is answered, so the disk alone knows
// every tag of a name that is not indexed.
Result<Page<std::string>> Catalog::disk_tags(std::string_view name,
                                             std::size_t n,
                                             std::string_view last) {
    LS_TRY(all, takeover_->tags(name));
    auto from = std::upper_bound(all.begin(), all.end(), last);
    auto left = static_cast<std::size_t>(all.end() - from);
    auto to = from + static_cast<std::ptrdiff_t>(std::min(left, n + 1));
    return page_of(std::vector<std::string>(from, to), n);
}

Result<Page<std::string>> Catalog::names(std::size_t n, std::string_view last) {
    std::vector<std::string> names;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(listed, db::list_names(t, n + 1, last));
        names = std::move(listed);
        return {};
    }));
    return page_of(std::move(names), n);
}

Result<Page<Referrer>> Catalog::referrers(const Access& access,
                                          const Digest& subject,
                                          std::string_view artifact_type,
                                          std::size_t n,
                                          std::string_view last) {
    auto name = access.name().text();
    // An empty answer would be taken for "nothing is attached", so a name
    // that was taken over is indexed before the first one.
    if (is_disk_open()) {
        LS_TRY(on_disk, takeover_->on_disk(name));
        if (on_disk) {
            LS_CHECK(takeover_->adopt(name));
        }
    }
    std::vector<Referrer> referrers;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(listed, db::list_referrers(t, name, subject, artifact_type,
                                          n + 1, last));
        referrers = std::move(listed);
        return {};
    }));
    return page_of(std::move(referrers), n);
}

Result<Page<ChartTag>> Catalog::charts(std::size_t n, std::string_view name,
                                       std::string_view tag) {
    Page<ChartTag> page;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_charts(t, n + 1, name, tag));
        for (auto& one : found) {
            page.items.push_back({std::move(one.name), std::move(one.tag),
                                  std::move(one.digest)});
        }
        return {};
    }));
    page.more = page.items.size() > n;
    if (page.more) {
        page.items.pop_back();
    }
    return page;
}

}  // namespace longshore
