// What this program does alone where there is no daemon, and else asks the
// daemon for by a row. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ctl/context.hpp"
#include "ctl/output.hpp"
#include "db/database.hpp"
#include "model/run.hpp"

namespace longshore {

/// nullptr: a daemon has the database.
/// @errors those of open_sqlite() but conflict
Result<std::unique_ptr<Database>> open_alone(const Config& config);

/// nginx may serve while we change the tables; it hears of it from the daemon.
void leave_drops(Database& database, const std::vector<std::string>& keys);

/// Reads the row by `find` until it is over; with --no-wait not at all.
/// @errors those of Context::database(); unavailable: there is no `what` more
template <typename Row>
Result<void> wait_for(Context& context, Row& row, const std::string& what,
                      Result<std::optional<Row>> (*find)(Transaction&,
                                                         std::int64_t)) {
    LS_TRY(database, context.database());
    while (!row.over() && !context.args.no_wait) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        LS_CHECK(database->read([&](Transaction& t) -> Result<void> {
            LS_TRY(found, find(t, row.id));
            if (!found) {
                return Error{Code::unavailable,
                             "the " + what + " was forgotten"};
            }
            row = std::move(*found);
            return {};
        }));
    }
    return {};
}

/// Prints the document or, of a run that is over, why it failed or `done`, of
/// one that is not, `soon`. @returns kNotNow if it failed
int say_run(const Context& context, const Run& run, const Json& document,
            const std::string& done, const std::string& soon = {});

}  // namespace longshore
