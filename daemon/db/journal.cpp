#include "db/journal.hpp"

#include "db/rows.hpp"

namespace longshore::db {

Result<void> add_intent(Transaction& t, Intent& intent) {
    static constexpr Sql kAddIntent =
        "INSERT INTO disk_intents (kind, name, reference)"
        " VALUES ($1, $2, $3) RETURNING id";
    LS_TRY(id, one_integer(t, kAddIntent,
                           {static_cast<std::int64_t>(intent.kind), intent.name,
                            intent.reference}));
    intent.id = id.value_or(0);
    return {};
}

Result<std::vector<Intent>> list_intents(Transaction& t, std::size_t n,
                                         std::int64_t after) {
    static constexpr Sql kListIntents =
        "SELECT id, kind, name, reference FROM disk_intents"
        " WHERE id > $1 ORDER BY id LIMIT $2";
    LS_TRY(rows, t.query(kListIntents, {after, integer(n)}));
    std::vector<Intent> intents;
    for (;;) {
        LS_TRY(found, rows->next());
        if (!found) {
            return intents;
        }
        intents.push_back(
            {rows->integer(0), static_cast<Intent::Kind>(rows->integer(1)),
             std::string(rows->text(2)), std::string(rows->text(3))});
    }
}

Result<void> delete_intent(Transaction& t, std::int64_t id) {
    static constexpr Sql kDeleteIntent =
        "DELETE FROM disk_intents WHERE id = $1";
    return done(t.execute(kDeleteIntent, {id}));
}

Result<void> add_event(Transaction& t, const Event& event) {
    static constexpr Sql kAddEvent =
        "INSERT INTO events (type, name, reference, digest, media_type,"
        " size_bytes, request_id, at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    return done(t.execute(
        kAddEvent,
        {event.type, event.name, event.reference, event.digest,
         event.media_type, static_cast<std::int64_t>(event.size_bytes),
         event.request_id, event.at_ms}));
}

Result<std::vector<Event>> list_events(Transaction& t, std::size_t n,
                                       std::int64_t after) {
    static constexpr Sql kListEvents =
        "SELECT id, type, name, reference, digest, media_type, size_bytes,"
        " request_id, at_ms FROM events WHERE id > $1 ORDER BY id LIMIT $2";
    LS_TRY(rows, t.query(kListEvents, {after, integer(n)}));
    std::vector<Event> events;
    for (;;) {
        LS_TRY(found, rows->next());
        if (!found) {
            return events;
        }
        Event event;
        event.id = rows->integer(0);
        event.type = rows->text(1);
        event.name = rows->text(2);
        event.reference = rows->text(3);
        event.digest = rows->text(4);
        event.media_type = rows->text(5);
        event.size_bytes = static_cast<std::uint64_t>(rows->integer(6));
        event.request_id = rows->text(7);
        event.at_ms = rows->integer(8);
        events.push_back(std::move(event));
    }
}

Result<std::int64_t> delivered(Transaction& t, std::string_view reader) {
    static constexpr Sql kDelivered =
        "SELECT delivered_id FROM event_readers WHERE reader = $1";
    LS_TRY(id, one_integer(t, kDelivered, {reader}));
    return id.value_or(0);
}

Result<void> set_delivered(Transaction& t, std::string_view reader,
                           std::int64_t id) {
    static constexpr Sql kSetDelivered =
        "INSERT INTO event_readers (reader, delivered_id) VALUES ($1, $2)"
        " ON CONFLICT (reader) DO UPDATE SET delivered_id ="
        " CASE WHEN excluded.delivered_id > event_readers.delivered_id"
        " THEN excluded.delivered_id ELSE event_readers.delivered_id END";
    return done(t.execute(kSetDelivered, {reader, id}));
}

Result<std::int64_t> delete_events(Transaction& t, std::int64_t id,
                                   std::int64_t before_ms, std::size_t n) {
    static constexpr Sql kDeleteEvents =
        "DELETE FROM events WHERE id IN (SELECT id FROM"
        " (SELECT id, at_ms FROM events ORDER BY id LIMIT $3) oldest"
        " WHERE id <= $1 OR at_ms < $2)";
    return t.execute(kDeleteEvents, {id, before_ms, integer(n)});
}

Result<std::int64_t> delivered_by_all(Transaction& t) {
    static constexpr Sql kDeliveredByAll =
        "SELECT min(delivered_id) FROM event_readers";
    LS_TRY(id, one_integer(t, kDeliveredByAll, {}));
    return id.value_or(0);
}

Result<std::int64_t> last_event(Transaction& t) {
    static constexpr Sql kLastEvent = "SELECT max(id) FROM events";
    LS_TRY(id, one_integer(t, kLastEvent, {}));
    return id.value_or(0);
}

Result<void> add_drop(Transaction& t, std::string_view key) {
    return done(t.execute("INSERT INTO drops (key) VALUES ($1)", {key}));
}

Result<std::vector<Drop>> list_drops(Transaction& t, std::size_t n) {
    return all_rows<Drop>(
        t, "SELECT id, key FROM drops ORDER BY id LIMIT $1", {integer(n)},
        [](const Rows& row) -> Result<Drop> {
            return Drop{row.integer(0), std::string(row.text(1))};
        });
}

Result<void> delete_drops(Transaction& t, std::int64_t id) {
    return done(t.execute("DELETE FROM drops WHERE id <= $1", {id}));
}

Result<std::string> meta(Transaction& t, std::string_view key) {
    static constexpr Sql kMeta = "SELECT value FROM meta WHERE key = $1";
    LS_TRY(value, one_text(t, kMeta, {key}));
    return value.value_or("");
}

Result<void> set_meta(Transaction& t, std::string_view key,
                      std::string_view value) {
    static constexpr Sql kSetMeta =
        "INSERT INTO meta (key, value) VALUES ($1, $2)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    return done(t.execute(kSetMeta, {key, value}));
}

}  // namespace longshore::db
