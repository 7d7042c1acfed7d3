#include "ctl/runs.hpp"

#include "db/journal.hpp"

namespace longshore {

Result<std::unique_ptr<Database>> open_alone(const Config& config) {
    DatabaseSettings settings;
    settings.folder = config.database;
    auto alone = open_sqlite(settings);
    if (!alone && alone.error().code == Code::conflict) {
        return std::unique_ptr<Database>();
    }
    if (!alone) {
        return not_now(alone.error());
    }
    return alone;
}

void leave_drops(Database& database, const std::vector<std::string>& keys) {
    (void)database.write([&](Transaction& t) -> Result<void> {
        for (const auto& key : keys) {
            LS_CHECK(db::add_drop(t, key));
        }
        return {};
    });
}

int say_run(const Context& context, const Run& run, const Json& document,
            const std::string& done, const std::string& soon) {
    bool failed = run.state == "failed";
    if (context.json()) {
        print_json(document);
    } else if (failed) {
        print_line("failed: " + run.error);
    } else {
        print_line(run.over() ? done : soon);
    }
    return failed ? kNotNow : kDone;
}

}  // namespace longshore
