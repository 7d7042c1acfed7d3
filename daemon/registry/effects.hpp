// Effects: what a write of metadata leaves behind besides its rows, and the
// parts that all such writes are made of. Whoever deletes a tag or a manifest
// does it by remove_tag() and remove_manifest(), so that events, the audit log,
// the links on disk and nginx's memory agree whoever it was.
// @errors of all functions here: those of Transaction; others where said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/probe.hpp"
#include "common/result.hpp"
#include "db/database.hpp"
#include "db/journal.hpp"
#include "db/oci.hpp"
#include "model/actor.hpp"
#include "model/event.hpp"
#include "registry/links.hpp"
#include "registry/publisher.hpp"

namespace longshore {

struct Effects {
    std::vector<db::Intent> intents;
    std::vector<std::string> drops;  // keys of nginx's cache
};

/// Records what is to be done on disk.
Result<void> intend(Transaction& t, Effects& effects, db::Intent::Kind kind,
                    std::string_view name, std::string_view reference);

/// An event of now.
Event event_of(std::string_view type, std::string_view name,
               std::string_view request_id);

/// The audit log's row, in the transaction of the write, so that neither is
/// there without the other.
Result<void> audit(Transaction& t, const Actor& actor, std::string_view action,
                   const Event& event, std::string detail);

/// The tag goes; who counts how long its manifest has been without one is to
/// be told (db::hold_manifest). `event` has name, digest, request and time.
/// `detail`: more for the audit log than the digest.
Result<void> remove_tag(Transaction& t, Effects& effects, const Actor& actor,
                        db::Id name_id, std::string_view tag,
                        const Event& event, std::string_view detail = {});

/// The manifest and every tag that names it.
/// @errors not_found (MANIFEST_UNKNOWN)
Result<void> remove_manifest(Transaction& t, Effects& effects,
                             const Actor& actor, db::Id name_id,
                             db::Id manifest, const Event& event,
                             std::string_view detail = {});

/// What is said of something that is not there.
Error unknown(std::string_view what, std::string_view reference,
              std::string_view name, std::string_view reason);

/// One transaction, then its links. `body` fills in the effects, and may run
/// more than once. A link that cannot be written now is logged and done by the
/// sweeper: what is committed is committed.
template <typename Body>
Result<Written> commit(Database& database, Links& links, const Body& body) {
    Effects effects;
    LS_CHECK(database.write([&](Transaction& t) -> Result<void> {
        effects = {};
        return body(t, effects);
    }));
    LS_PROBE(names, committed);
    (void)links.apply(effects.intents);
    LS_PROBE(names, linked);
    return Written{std::move(effects.drops)};
}

}  // namespace longshore
