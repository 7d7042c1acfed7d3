// Outbox: reads the events that writes left, in order. A reader (webhooks, a
// second node) remembers how far it has come; what all have passed, and what
// is too old or too much, is forgotten. Thread-safe.
// @errors of all functions here: those of Database.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "model/event.hpp"

namespace longshore {

class Database;

class Outbox {
public:
    explicit Outbox(Database& database) : database_(database) {}

    /// At most `n` events with an id above `after`, in order.
    Result<std::vector<Event>> events(std::int64_t after, std::size_t n);

    /// Last id that the reader confirmed, 0 for a new one.
    Result<std::int64_t> position(std::string_view reader);

    /// Confirms everything up to `id`; never goes back.
    Result<void> confirm(std::string_view reader, std::int64_t id);

    /// Forgets what all readers confirmed, what is older than `max_age_s`,
    /// and the oldest beyond `max_count`. Returns how many.
    Result<std::int64_t> sweep(std::int64_t max_age_s, std::int64_t max_count);

private:
    Database& database_;
};

}  // namespace longshore
