#include "registry/undelete.hpp"

#include <utility>

#include "common/hash.hpp"
#include "registry/publisher.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

// Of indexes in an index.
constexpr int kMaxDepth = 8;

}  // namespace

struct Undelete::Work {
    const Access& access;
    Undeleted done{};
    std::set<Digest> seen{};
};

Result<Undeleted> Undelete::run(const Access& access, const Digest& digest,
                                std::vector<std::string> tags) {
    Work work{access};
    LS_CHECK(manifest(work, digest, std::move(tags), 0));
    return std::move(work.done);
}

Result<void> Undelete::bring(const Digest& digest) {
    LS_TRY(there, store_.take_back(digest));
    if (!there) {
        return Error{Code::not_found,
                     "the bytes of " + digest.str() +
                         " are neither in the store nor in the trash"};
    }
    return {};
}

Result<void> Undelete::manifest(Work& work, const Digest& digest,
                                std::vector<std::string> tags, int depth) {
    if (depth > kMaxDepth) {
        return Error{Code::invalid_argument, "indexes lie more than " +
                                                 std::to_string(kMaxDepth) +
                                                 " deep in each other"};
    }
    LS_CHECK(bring(digest));
    LS_TRY(bytes, store_.read(digest, max_manifest_bytes_));
    if (digest_of(digest.algorithm(), bytes) != digest) {
        return Error{Code::corrupt, digest.str() + " has other bytes"};
    }
    LS_TRY(facts, reader_(bytes, {}));
    LS_CHECK(below(work, facts, depth));
    ManifestDraft draft;
    draft.bytes = bytes;
    draft.digest = digest;
    draft.facts = std::move(facts);
    draft.tags = std::move(tags);
    LS_TRY(written, publisher_.put_manifest(work.access, draft));
    publish_(written.drops);
    ++work.done.manifests;
    return {};
}

Result<void> Undelete::below(Work& work, const ManifestFacts& facts,
                             int depth) {
    for (const auto& reference : facts.references) {
        const auto& digest = reference.descriptor.digest;
        if (!work.seen.insert(digest).second) {
            continue;
        }
        bool child = reference.kind == ManifestReference::Kind::child;
        auto back =
            child ? manifest(work, digest, {}, depth + 1) : bring(digest);
        if (!back && back.error().code == Code::not_found &&
            (child || !reference.must_exist)) {
            if (child) {
                work.done.missing.push_back(digest);
            }
            continue;
        }
        LS_CHECK(back);
        if (!child) {
            LS_TRY(written, publisher_.link_blob(work.access, digest, {}));
            publish_(written.drops);
            ++work.done.blobs;
        }
    }
    return {};
}

}  // namespace longshore
