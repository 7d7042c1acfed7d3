#include "jobs/outbox.hpp"

#include <algorithm>

#include "common/clock.hpp"
#include "common/probe.hpp"
#include "db/journal.hpp"

namespace longshore {
namespace {

// One transaction's worth, so that a push never waits long behind a sweep.
constexpr std::size_t kBatch = 2000;

}  // namespace

Result<std::vector<Event>> Outbox::events(std::int64_t after, std::size_t n) {
    std::vector<Event> events;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_events(t, n, after));
        events = std::move(found);
        return {};
    }));
    return events;
}

Result<std::int64_t> Outbox::position(std::string_view reader) {
    std::int64_t id = 0;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::delivered(t, reader));
        id = found;
        return {};
    }));
    return id;
}

Result<void> Outbox::confirm(std::string_view reader, std::int64_t id) {
    return database_.write(
        [&](Transaction& t) { return db::set_delivered(t, reader, id); });
}

Result<std::int64_t> Outbox::sweep(std::int64_t max_age_s,
                                   std::int64_t max_count) {
    std::int64_t upto = 0;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(confirmed, db::delivered_by_all(t));
        LS_TRY(last, db::last_event(t));
        upto = std::max(confirmed, last - max_count);
        return {};
    }));
    auto before_ms = unix_ms() - max_age_s * 1000;
    std::int64_t total = 0;
    for (;;) {
        std::int64_t gone = 0;
        LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
            LS_TRY(count, db::delete_events(t, upto, before_ms, kBatch));
            gone = count;
            return {};
        }));
        LS_PROBE(events, swept);
        total += gone;
        if (gone < static_cast<std::int64_t>(kBatch)) {
            return total;
        }
    }
}

}  // namespace longshore
