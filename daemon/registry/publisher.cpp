#include "registry/publisher.hpp"

#include <algorithm>
#include <set>

#include <spdlog/spdlog.h>

#include "common/probe.hpp"
#include "common/protocol.hpp"
#include "db/journal.hpp"
#include "db/oci.hpp"
#include "db/retention.hpp"
#include "db/scrub.hpp"
#include "registry/effects.hpp"
#include "registry/immutability.hpp"
#include "registry/links.hpp"
#include "registry/takeover.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

using Intent = db::Intent;

Error missing_blobs(const std::vector<Digest>& missing) {
    // Digests need no escapes.
    std::string detail = "[";
    for (const auto& digest : missing) {
        detail += detail.size() > 1 ? ",\"" : "\"";
        detail += digest.text();
        detail += '"';
    }
    detail += ']';
    return Error{Code::not_found, "blob is not known in the repository",
                 "MANIFEST_BLOB_UNKNOWN", std::move(detail)};
}

bool is_conditional(const TagCondition& condition) noexcept {
    return condition.if_match_any || condition.if_none_match_any ||
           !condition.if_match.empty();
}

// RFC 9110 section 13.1: `current` is the digest that the reference names
// now.
Result<void> check_condition(const TagCondition& condition,
                             const std::optional<std::string>& current) {
    bool holds = true;
    if (condition.if_match_any || !condition.if_match.empty()) {
        holds = current && (condition.if_match_any ||
                            std::any_of(condition.if_match.begin(),
                                        condition.if_match.end(),
                                        [&](const Digest& digest) {
                                            return digest.text() == *current;
                                        }));
    }
    if (condition.if_none_match_any && current) {
        holds = false;
    }
    if (holds) {
        return {};
    }
    return Error{Code::precondition_failed,
                 current ? "the reference names " + *current + " now"
                         : "the reference does not exist"};
}

Result<void> check_conditions(Transaction& t, const ManifestDraft& draft,
                              const std::optional<db::Name>& name) {
    if (!is_conditional(draft.condition)) {
        return {};
    }
    if (draft.tags.empty()) {
        std::optional<std::string> current;
        if (name) {
            LS_TRY(blob, db::find_blob(t, draft.digest));
            if (blob) {
                LS_TRY(known, db::has_manifest(t, name->id, blob->id));
                current =
                    known ? std::optional(draft.digest.str()) : std::nullopt;
            }
        }
        return check_condition(draft.condition, current);
    }
    for (const auto& tag : draft.tags) {
        std::optional<std::string> current;
        if (name) {
            LS_TRY(digest, db::tag_digest(t, name->id, tag));
            current = std::move(digest);
        }
        LS_CHECK(check_condition(draft.condition, current));
    }
    return {};
}

// Digests that must be in the repository and are not.
Result<std::vector<Digest>> find_missing(Transaction& t,
                                         const ManifestDraft& draft,
                                         const std::optional<db::Name>& name,
                                         const ManifestPolicy& policy) {
    std::vector<Digest> missing;
    std::set<std::string_view> seen;  // views into the draft
    for (const auto& reference : draft.facts.references) {
        bool child = reference.kind == ManifestReference::Kind::child;
        if (!reference.must_exist ||
            (child ? policy.sparse_indexes : policy.sparse_images)) {
            continue;
        }
        bool known = false;
        LS_TRY(blob, db::find_blob(t, reference.descriptor.digest));
        if (name && blob) {
            LS_TRY(found, child ? db::has_manifest(t, name->id, blob->id)
                                : db::is_linked(t, name->id, blob->id));
            known = found;
        }
        const auto& digest = reference.descriptor.digest;
        if (known) {
            LS_TRY(damaged, db::is_damaged(t, digest));
            known = !damaged;
        }
        if (!known && seen.insert(digest.text()).second) {
            missing.push_back(digest);
        }
    }
    return missing;
}

constexpr std::string_view kNotMoved = "it is not moved to another digest";
constexpr std::string_view kNotDeleted = "it is not deleted";

// Before the bytes are stored; the transaction looks again.
Result<void> check_tags_mutable(Transaction& t, const ManifestDraft& draft,
                                std::string_view repository,
                                const std::optional<db::Name>& name) {
    if (!name) {
        return {};
    }
    for (const auto& tag : draft.tags) {
        LS_TRY(before, db::tag_digest(t, name->id, tag));
        if (before && *before != draft.digest.text()) {
            LS_CHECK(check_tag_mutable(t, repository, tag, kNotMoved));
        }
    }
    return {};
}

std::string words(const std::vector<std::string>& tags) {
    std::string out;
    for (const auto& tag : tags) {
        out += out.empty() ? tag : " " + tag;
    }
    return out;
}

Result<void> save_tag(Transaction& t, db::Id name_id, db::Id blob,
                      std::string_view tag, Event event, Effects& effects) {
    LS_TRY(before, db::find_tag(t, name_id, tag));
    effects.drops.push_back(key::manifest(event.name, tag));
    if (before && before->manifest == blob) {
        // It was pushed now, and its links may still be on their way.
        LS_CHECK(db::touch_tag(t, name_id, tag, event.at_ms));
        return intend(t, effects, Intent::Kind::tag, event.name, tag);
    }
    if (before) {
        LS_CHECK(check_tag_mutable(t, event.name, tag, kNotMoved));
        LS_CHECK(db::hold_manifest(t, name_id, before->manifest, event.at_ms));
    }
    LS_CHECK(db::put_tag(t, name_id, tag, blob, event.at_ms));
    event.type = "tag.moved";
    event.reference = tag;
    LS_CHECK(db::add_event(t, event));
    return intend(t, effects, Intent::Kind::tag, event.name, tag);
}

Result<void> save_manifest(Transaction& t, const db::Name& name,
                           const ManifestDraft& draft, Event event,
                           Effects& effects) {
    const auto& facts = draft.facts;
    LS_TRY(blob, db::ensure_blob(t, draft.digest, draft.bytes.size()));
    LS_CHECK(db::close_damage(t, draft.digest, "blob", event.at_ms));
    db::ManifestRow row{facts.media_type, facts.artifact_type,
                        facts.annotations, std::nullopt, event.at_ms};
    if (facts.subject) {
        LS_TRY(subject, db::ensure_blob(t, *facts.subject, std::nullopt));
        row.subject = subject;
    }
    LS_TRY(made, db::add_manifest(t, name.id, blob, row));
    if (made) {
        for (const auto& reference : facts.references) {
            LS_TRY(target, db::ensure_blob(t, reference.descriptor.digest,
                                           std::nullopt));
            LS_CHECK(
                db::put_reference(t, name.id, blob, target, reference.kind));
        }
    } else {
        // The bytes are the same; only their type can have changed.
        LS_CHECK(db::put_manifest(t, name.id, blob, row));
        LS_CHECK(db::hold_manifest(t, name.id, blob, event.at_ms));
    }
    event.digest = draft.digest.text();
    event.media_type = facts.media_type;
    event.size_bytes = draft.bytes.size();
    effects.drops.push_back(key::manifest(event.name, draft.digest.text()));
    LS_CHECK(db::add_event(t, event));
    LS_CHECK(intend(t, effects, Intent::Kind::revision, event.name,
                    draft.digest.text()));
    for (const auto& tag : draft.tags) {
        LS_CHECK(save_tag(t, name.id, blob, tag, event, effects));
    }
    return {};
}

// The rows of a repository and a digest, both known or the error `absent`.
struct Pair {
    db::Id name;
    db::Blob blob;
};

Result<Pair> find_pair(Transaction& t, std::string_view name,
                       const Digest& digest, const Error& absent) {
    LS_TRY(row, db::find_name(t, name));
    LS_TRY(blob, db::find_blob(t, digest));
    if (!row || !blob) {
        return absent;
    }
    return Pair{row->id, *blob};
}

}  // namespace

Publisher::Publisher(Database& database, BlobStore& store,
                     ManifestPolicy policy)
    : database_(database),
      store_(store),
      policy_(policy),
      links_(std::make_unique<Links>(database, store)) {}

Publisher::~Publisher() = default;

Result<void> Publisher::start() {
    return links_->start();
}

Result<void> Publisher::adopt(const Access& access) {
    if (takeover_ == nullptr || takeover_->complete()) {
        return {};
    }
    return takeover_->adopt(access.name().text());
}

// Whether some of its tags are immutable once the tables know them: what the
// disk alone knows must not be moved either.
Result<bool> Publisher::is_guarded(const Access& access,
                                   const ManifestDraft& draft) {
    if (takeover_ == nullptr || takeover_->complete()) {
        return false;
    }
    bool guarded = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(rules, db::list_immutable_tags(t));
        guarded = std::any_of(
            draft.tags.begin(), draft.tags.end(), [&](const auto& tag) {
                return immutable_by(rules, access.name().text(), tag);
            });
        return {};
    }));
    return guarded;
}

// Looks on disk for what the tables miss; true if it found some of it.
Result<bool> Publisher::adopt_missing(const Access& access,
                                      const ManifestDraft& draft,
                                      const std::vector<Digest>& missing) {
    if (takeover_ == nullptr || takeover_->complete()) {
        return false;
    }
    auto name = access.name().text();
    std::vector<std::pair<Digest, std::uint64_t>> found;
    for (const auto& digest : missing) {
        LS_TRY(size, takeover_->linked(name, digest));
        if (size) {
            found.emplace_back(digest, *size);
        }
    }
    if (found.size() < missing.size() &&
        std::any_of(draft.facts.references.begin(),
                    draft.facts.references.end(),
                    [](const ManifestReference& reference) {
                        return reference.kind == ManifestReference::Kind::child;
                    })) {
        LS_CHECK(takeover_->adopt(name));
        return true;
    }
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, db::ensure_name(t, name));
        if (row.indexed) {
            return {};  // what the disk showed may have been deleted since
        }
        for (const auto& [digest, size] : found) {
            LS_TRY(blob, db::ensure_blob(t, digest, size));
            LS_TRY(made, db::link_blob(t, row.id, blob));
            (void)made;
        }
        return {};
    }));
    return !found.empty();
}

// Refuses before anything is written what the transaction would refuse.
Result<void> Publisher::check(const Access& access,
                              const ManifestDraft& draft) {
    LS_TRY(guarded, is_guarded(access, draft));
    if (guarded || is_conditional(draft.condition)) {
        LS_CHECK(adopt(access));
    }
    std::vector<Digest> missing;
    auto look = [&](Transaction& t) -> Result<void> {
        LS_TRY(name, db::find_name(t, access.name().text()));
        LS_CHECK(check_conditions(t, draft, name));
        LS_CHECK(check_tags_mutable(t, draft, access.name().text(), name));
        LS_TRY(found, find_missing(t, draft, name, policy_));
        missing = std::move(found);
        return {};
    };
    LS_CHECK(database_.read(look));
    if (!missing.empty()) {
        LS_TRY(more, adopt_missing(access, draft, missing));
        if (more) {
            LS_CHECK(database_.read(look));
        }
    }
    if (!missing.empty()) {
        return missing_blobs(missing);
    }
    return {};
}

Result<Written> Publisher::put_manifest(const Access& access,
                                        const ManifestDraft& draft) {
    auto name = access.name().text();
    LS_CHECK(check(access, draft));
    auto held = store_.locks()->share(draft.digest);
    LS_CHECK(store_.put(draft.digest, draft.bytes));
    LS_PROBE(manifest, stored);
    auto event = event_of("manifest.pushed", name, draft.request_id);
    auto work = [&](Transaction& t, Effects& effects) -> Result<void> {
        LS_TRY(row, db::ensure_name(t, name));
        // Again, now that nobody else writes.
        LS_CHECK(check_conditions(t, draft, row));
        LS_TRY(missing, find_missing(t, draft, row, policy_));
        if (!missing.empty()) {
            return missing_blobs(missing);
        }
        LS_CHECK(save_manifest(t, row, draft, event, effects));
        auto pushed = event;
        pushed.digest = draft.digest.text();
        return audit(t, access.actor(), "manifest.push", pushed,
                     words(draft.tags));
    };
    return commit(database_, *links_, work);
}

Result<Written> Publisher::delete_manifest(const Access& access,
                                           const Digest& digest,
                                           std::string_view request_id) {
    auto name = access.name().text();
    LS_CHECK(adopt(access));
    auto event = event_of("manifest.deleted", name, request_id);
    event.digest = digest.text();
    auto work = [&](Transaction& t, Effects& effects) -> Result<void> {
        auto absent =
            unknown("manifest", digest.text(), name, "MANIFEST_UNKNOWN");
        LS_TRY(found, find_pair(t, name, digest, absent));
        LS_TRY(known, db::has_manifest(t, found.name, found.blob.id));
        if (!known) {
            return absent;
        }
        LS_CHECK(check_removable(t, name, found.name, found.blob.id));
        return remove_manifest(t, effects, access.actor(), found.name,
                               found.blob.id, event);
    };
    return commit(database_, *links_, work);
}

Result<Written> Publisher::delete_tag(const Access& access,
                                      std::string_view tag,
                                      std::string_view request_id) {
    auto name = access.name().text();
    LS_CHECK(adopt(access));
    auto event = event_of("tag.deleted", name, request_id);
    auto work = [&](Transaction& t, Effects& effects) -> Result<void> {
        LS_TRY(row, db::find_name(t, name));
        auto absent = unknown("tag", tag, name, "MANIFEST_UNKNOWN");
        if (!row) {
            return absent;
        }
        LS_TRY(found, db::find_tag(t, row->id, tag));
        LS_TRY(digest, db::tag_digest(t, row->id, tag));
        if (!found || !digest) {
            return absent;
        }
        LS_CHECK(check_tag_mutable(t, name, tag, kNotDeleted));
        event.digest = *digest;
        LS_CHECK(remove_tag(t, effects, access.actor(), row->id, tag, event));
        return db::hold_manifest(t, row->id, found->manifest, event.at_ms);
    };
    return commit(database_, *links_, work);
}

Result<Written> Publisher::delete_blob(const Access& access,
                                       const Digest& digest,
                                       std::string_view request_id) {
    auto name = access.name().text();
    LS_CHECK(adopt(access));
    Effects effects;
    auto event = event_of("blob.deleted", name, request_id);
    event.digest = digest.text();
    auto unlinked = database_.write([&](Transaction& t) -> Result<void> {
        effects = {};
        auto absent = unknown("blob", digest.text(), name, "BLOB_UNKNOWN");
        LS_TRY(found, find_pair(t, name, digest, absent));
        LS_CHECK(check_removable(t, name, found.name, found.blob.id));
        LS_TRY(gone, db::unlink_blob(t, found.name, found.blob.id));
        if (!gone) {
            return absent;
        }
        effects.drops.push_back(key::blobs(name));
        event.size_bytes = found.blob.size_bytes.value_or(0);
        LS_CHECK(db::add_event(t, event));
        LS_CHECK(audit(t, access.actor(), "blob.delete", event, ""));
        return intend(t, effects, Intent::Kind::layer, name, digest.text());
    });
    if (!unlinked) {
        if (unlinked.error().code != Code::not_found) {
            return std::move(unlinked).error();
        }
        LS_TRY(left,
               store_.present(layout::layer_link(store_.root(), name, digest)));
        if (!left) {
            return std::move(unlinked).error();
        }
        // An earlier delete was committed, but its link file stayed.
        effects = {};
        effects.drops.push_back(key::blobs(name));
        effects.intents.push_back(
            {0, Intent::Kind::layer, std::string(name), digest.str()});
    }
    LS_PROBE(unlink, committed);
    // nginx serves by the link file, so the blob is gone only with it.
    LS_CHECK(links_->apply(effects.intents));
    LS_PROBE(unlink, linked);
    return Written{std::move(effects.drops)};
}

Result<void> Publisher::keep_blob(const Access& access, const Digest& digest) {
    auto name = access.name().text();
    auto held = store_.locks()->share(digest);
    bool linked = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_linked(t, name, digest));
        linked = found.has_value();
        return {};
    }));
    LS_TRY(kept, store_.touch(layout::layer_link(store_.root(), name, digest)));
    if (kept) {
        return {};
    }
    if (!linked) {
        return unknown("blob", digest.text(), name, "BLOB_UNKNOWN");
    }
    // Its link file is late.
    return links_->apply(
        {{0, Intent::Kind::layer, std::string(name), digest.str()}});
}

Result<Written> Publisher::link_blob(const Access& access, const Digest& digest,
                                     std::string_view request_id) {
    auto name = access.name().text();
    auto held = store_.locks()->share(digest);
    auto size = store_.size(digest);
    if (!size) {
        if (size.error().code == Code::not_found) {
            return unknown("blob", digest.text(), "the store", "BLOB_UNKNOWN");
        }
        return std::move(size).error();
    }
    bool linked = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_linked(t, name, digest));
        LS_TRY(damaged, db::is_damaged(t, digest));
        linked = found == *size && !damaged;
        return {};
    }));
    // What the collector may take is as old as it looks.
    LS_TRY(kept, store_.touch(layout::layer_link(store_.root(), name, digest)));
    if (linked && kept) {
        LS_PROBE(layer, touched);
        return Written{};
    }
    Effects effects;
    auto event = event_of("blob.pushed", name, request_id);
    event.digest = digest.text();
    event.size_bytes = *size;
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        effects = {};
        LS_TRY(row, db::ensure_name(t, name));
        LS_TRY(blob, db::ensure_blob(t, digest, *size));
        LS_CHECK(db::close_damage(t, digest, "blob", event.at_ms));
        LS_TRY(made, db::link_blob(t, row.id, blob));
        if (made) {
            LS_CHECK(db::add_event(t, event));
        }
        return intend(t, effects, Intent::Kind::layer, name, digest.text());
    }));
    LS_PROBE(layer, committed);
    LS_CHECK(links_->apply(effects.intents));
    LS_PROBE(layer, linked);
    return Written{};
}

}  // namespace longshore
