// The audit log: what is in it, whether it is whole, where it ends.
#include <cstdio>
#include <ctime>

#include "common/clock.hpp"
#include "ctl/commands.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"

namespace longshore {
namespace {

constexpr std::size_t kPage = 1000;
constexpr std::size_t kLook = 20'000;  // rows of one snapshot

Json row_json(const db::AuditRow& row) {
    const auto& entry = row.entry;
    const auto& actor = entry.actor;
    return {{"id", row.id},
            {"time", time_json(entry.at_ms)},
            {"action", entry.action},
            {"verdict", entry.verdict},
            {"status", entry.status},
            {"principal", actor.principal},
            {"principal_id", actor.principal_id},
            {"credential", actor.credential},
            {"credential_id", actor.credential_id},
            {"from", actor.peer},
            {"request_id", actor.request_id},
            {"repository", entry.repository},
            {"target", entry.target},
            {"detail", entry.detail},
            {"count", entry.count},
            {"hash", row.hash}};
}

void add(Table& table, const db::AuditRow& row) {
    const auto& entry = row.entry;
    auto verdict = entry.verdict;
    if (entry.status != 0) {
        verdict += " " + std::to_string(entry.status);
    }
    if (entry.count != 1) {
        verdict += " x" + std::to_string(entry.count);
    }
    table.add({std::to_string(row.id), time_text(entry.at_ms, ""),
               entry.actor.principal, entry.actor.credential, entry.actor.peer,
               entry.action, verdict, entry.repository, entry.target,
               entry.detail});
}

// "2h" is two hours ago, a day its beginning; "" is everything.
Result<std::int64_t> parse_since(const std::string& text) {
    if (text.empty()) {
        return 0;
    }
    // A time to come is as far from now as one that has been.
    auto now = unix_ms();
    LS_TRY(time, parse_end(text, now));
    bool span = text.find('-') == std::string::npos;
    return span && time != 0 ? 2 * now - time : time;
}

// Reads page after page, each in a snapshot of its own.
template <typename F>
Result<void> for_each(Database& database, db::AuditFilter filter,
                      const F& work) {
    for (;;) {
        db::AuditPage page;
        LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
            LS_TRY(read, db::list_audit(t, filter, kPage, kLook));
            page = std::move(read);
            return {};
        }));
        for (const auto& row : page.rows) {
            work(row);
        }
        if (page.next == 0) {
            return {};
        }
        filter.after_id = page.next;
    }
}

}  // namespace

Result<int> list_audit(Context& context) {
    const auto& args = context.args;
    db::AuditFilter filter;
    LS_TRY(since, parse_since(args.since));
    filter.since_ms = since;
    filter.principal = args.name;
    filter.action = args.action;
    filter.repository = args.repository;
    filter.refused = args.refused;
    LS_TRY(database, context.database());
    if (context.json()) {
        // One row at a time: a log may be longer than memory.
        std::printf("{\"audit\": [");
        const char* between = "\n";
        LS_CHECK(for_each(*database, filter, [&](const db::AuditRow& row) {
            std::printf(
                "%s%s", between,
                row_json(row)
                    .dump(-1, ' ', false, Json::error_handler_t::replace)
                    .c_str());
            between = ",\n";
        }));
        std::printf("\n]}\n");
        return kDone;
    }
    Table table({"ID", "TIME", "PRINCIPAL", "BY", "FROM", "ACTION", "VERDICT",
                 "REPOSITORY", "TARGET", "DETAIL"});
    LS_CHECK(for_each(*database, filter,
                      [&](const db::AuditRow& row) { add(table, row); }));
    table.print();
    return kDone;
}

Result<int> verify_audit(Context& context) {
    LS_TRY(database, context.database());
    db::AuditReport report;
    LS_CHECK(database->read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::verify_audit(t, context.args.head));
        report = std::move(found);
        return {};
    }));
    bool whole = !report.fault;
    if (context.json()) {
        Json fault = nullptr;
        if (!whole) {
            fault = {{"id", report.fault->id}, {"what", report.fault->what}};
        }
        print_json(
            {{"whole", whole},
             {"rows", report.rows},
             {"after", report.first.id},
             {"head", {{"id", report.head.id}, {"hash", report.head.hash}}},
             {"fault", fault}});
    } else if (whole) {
        print_line("whole: " + std::to_string(report.rows) +
                   " rows, the last " + std::to_string(report.head.id) + " " +
                   report.head.hash);
    } else {
        print_line("broken at row " + std::to_string(report.fault->id) + ": " +
                   report.fault->what);
    }
    return whole ? kDone : kNo;
}

Result<int> show_audit_head(Context& context) {
    LS_TRY(database, context.database());
    db::AuditPoint head;
    LS_CHECK(database->read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::audit_head(t));
        head = std::move(found);
        return {};
    }));
    if (context.json()) {
        print_json({{"id", head.id}, {"hash", head.hash}});
    } else {
        print_line(head.hash);
    }
    return kDone;
}

}  // namespace longshore
