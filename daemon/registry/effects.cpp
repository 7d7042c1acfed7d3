#include "registry/effects.hpp"

#include "common/clock.hpp"
#include "common/protocol.hpp"
#include "db/audit.hpp"

namespace longshore {
namespace {

std::string words(const std::vector<std::string>& tags) {
    std::string out;
    for (const auto& tag : tags) {
        out += out.empty() ? tag : " " + tag;
    }
    return out;
}

// What every removal of a tag does, told by itself or with its manifest.
Result<void> take_tag(Transaction& t, Effects& effects, db::Id name_id,
                      std::string_view tag, Event event) {
    LS_TRY(gone, db::delete_tag(t, name_id, tag));
    (void)gone;
    effects.drops.push_back(key::manifest(event.name, tag));
    event.type = "tag.deleted";
    event.reference = tag;
    LS_CHECK(db::add_event(t, event));
    return intend(t, effects, db::Intent::Kind::tag, event.name, tag);
}

}  // namespace

Result<void> intend(Transaction& t, Effects& effects, db::Intent::Kind kind,
                    std::string_view name, std::string_view reference) {
    db::Intent intent{0, kind, std::string(name), std::string(reference)};
    LS_CHECK(db::add_intent(t, intent));
    effects.intents.push_back(std::move(intent));
    return {};
}

Event event_of(std::string_view type, std::string_view name,
               std::string_view request_id) {
    Event event;
    event.type = type;
    event.name = name;
    event.request_id = request_id;
    event.at_ms = unix_ms();
    return event;
}

Result<void> audit(Transaction& t, const Actor& actor, std::string_view action,
                   const Event& event, std::string detail) {
    db::AuditEntry entry;
    entry.at_ms = event.at_ms;
    entry.action = action;
    entry.actor = actor;
    entry.repository = event.name;
    entry.target = event.reference.empty() ? event.digest : event.reference;
    entry.detail = std::move(detail);
    LS_TRY(added, db::append_audit(t, entry));
    (void)added;
    return {};
}

Result<void> remove_tag(Transaction& t, Effects& effects, const Actor& actor,
                        db::Id name_id, std::string_view tag,
                        const Event& event, std::string_view detail) {
    LS_CHECK(take_tag(t, effects, name_id, tag, event));
    auto told = event;
    told.reference = tag;
    auto more = detail.empty() ? std::string() : " " + std::string(detail);
    return audit(t, actor, "tag.delete", told, event.digest + more);
}

Result<void> remove_manifest(Transaction& t, Effects& effects,
                             const Actor& actor, db::Id name_id,
                             db::Id manifest, const Event& event,
                             std::string_view detail) {
    LS_TRY(tags, db::tags_of(t, name_id, manifest));
    for (const auto& tag : tags) {
        LS_CHECK(take_tag(t, effects, name_id, tag, event));
    }
    LS_TRY(gone, db::delete_manifest(t, name_id, manifest));
    if (!gone) {
        return unknown("manifest", event.digest, event.name,
                       "MANIFEST_UNKNOWN");
    }
    effects.drops.push_back(key::manifest(event.name, event.digest));
    auto deleted = event;
    deleted.type = "manifest.deleted";
    LS_CHECK(db::add_event(t, deleted));
    LS_CHECK(audit(t, actor, "manifest.delete", deleted,
                   detail.empty() ? words(tags) : std::string(detail)));
    return intend(t, effects, db::Intent::Kind::revision, event.name,
                  event.digest);
}

Error unknown(std::string_view what, std::string_view reference,
              std::string_view name, std::string_view reason) {
    std::string message(what);
    message += ' ';
    message += reference;
    message += " is not known in ";
    message += name;
    return Error{Code::not_found, std::move(message), reason};
}

}  // namespace longshore
