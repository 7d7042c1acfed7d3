// Statements of the tables that record what is still to be done or told:
// disk intents, the outbox of events, drops, and meta.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"
#include "model/event.hpp"

namespace longshore::db {

/// A path on disk that may lag behind the tables.
struct Intent {
    enum class Kind : std::uint8_t { layer = 0, revision = 1, tag = 2 };
    std::int64_t id = 0;
    Kind kind = Kind::layer;
    std::string name;
    std::string reference;  // digest text, or tag
};

/// Records the intent and gives it its id.
Result<void> add_intent(Transaction& t, Intent& intent);
Result<std::vector<Intent>> list_intents(Transaction& t, std::size_t n,
                                         std::int64_t after);
Result<void> delete_intent(Transaction& t, std::int64_t id);

/// `event.id` is ignored.
Result<void> add_event(Transaction& t, const Event& event);
Result<std::vector<Event>> list_events(Transaction& t, std::size_t n,
                                       std::int64_t after);
Result<std::int64_t> delivered(Transaction& t, std::string_view reader);
Result<void> set_delivered(Transaction& t, std::string_view reader,
                           std::int64_t id);
/// Forgets events up to `id` (inclusive), and those older than `before_ms`;
/// at most `n`. Returns how many.
Result<std::int64_t> delete_events(Transaction& t, std::int64_t id,
                                   std::int64_t before_ms, std::size_t n);
/// The id that every reader has passed; 0 without readers.
Result<std::int64_t> delivered_by_all(Transaction& t);
/// Id of the newest event, 0 if there is none.
Result<std::int64_t> last_event(Transaction& t);

/// A key that nginx is to drop (common/protocol.hpp, key), because of a change
/// made by another process than the daemon.
Result<void> add_drop(Transaction& t, std::string_view key);
struct Drop {
    std::int64_t id = 0;
    std::string key;
};
Result<std::vector<Drop>> list_drops(Transaction& t, std::size_t n);
/// Forgets those up to `id`, inclusive.
Result<void> delete_drops(Transaction& t, std::int64_t id);

Result<std::string> meta(Transaction& t, std::string_view key);
Result<void> set_meta(Transaction& t, std::string_view key,
                      std::string_view value);

}  // namespace longshore::db
