#include "db/audit.hpp"

#include <algorithm>

#include "common/hash.hpp"
#include "common/redact.hpp"
#include "db/rows.hpp"

namespace longshore::db {
namespace {

constexpr std::string_view kPrune = "audit.prune";

constexpr Sql kColumnsAfter =
    "SELECT id, at_ms, action, verdict, status, principal_id, principal,"
    " credential, credential_id, peer, request_id, repository, target, detail,"
    " count, hash FROM audit WHERE id > $1 ORDER BY id LIMIT $2";

AuditRow read_row(const Rows& rows) {
    AuditRow row;
    auto& entry = row.entry;
    row.id = rows.integer(0);
    entry.at_ms = rows.integer(1);
    entry.action = rows.text(2);
    entry.verdict = rows.text(3);
    entry.status = rows.integer(4);
    entry.actor.principal_id = rows.integer(5);
    entry.actor.principal = rows.text(6);
    entry.actor.credential = rows.text(7);
    entry.actor.credential_id = rows.text(8);
    entry.actor.peer = rows.text(9);
    entry.actor.request_id = rows.text(10);
    entry.repository = rows.text(11);
    entry.target = rows.text(12);
    entry.detail = rows.text(13);
    entry.count = rows.integer(14);
    row.hash = rows.text(15);
    return row;
}

void put(std::string& out, std::string_view field) {
    out += std::to_string(field.size());
    out += ':';
    out += field;
}

void put(std::string& out, std::int64_t number) {
    put(out, std::string_view(std::to_string(number)));
}

std::string hash_of(std::string_view before, const AuditRow& row) {
    const auto& entry = row.entry;
    const auto& actor = entry.actor;
    std::string text;
    text.reserve(512);
    put(text, before);
    put(text, row.id);
    put(text, entry.at_ms);
    put(text, std::string_view(entry.action));
    put(text, std::string_view(entry.verdict));
    put(text, entry.status);
    put(text, actor.principal_id);
    for (const auto* field :
         {&actor.principal, &actor.credential, &actor.credential_id,
          &actor.peer, &actor.request_id, &entry.repository, &entry.target,
          &entry.detail}) {
        put(text, std::string_view(*field));
    }
    put(text, entry.count);
    return std::string(digest_of(Algorithm::sha256, text).encoded());
}

Result<void> insert(Transaction& t, const AuditRow& row) {
    static constexpr Sql kInsert =
        "INSERT INTO audit (id, at_ms, action, verdict, status, principal_id,"
        " principal, credential, credential_id, peer, request_id, repository,"
        " target, detail, count, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
        " $9, $10, $11, $12, $13, $14, $15, $16)";
    const auto& entry = row.entry;
    const auto& actor = entry.actor;
    return done(t.execute(
        kInsert,
        {row.id, entry.at_ms, entry.action, entry.verdict, entry.status,
         actor.principal_id, actor.principal, actor.credential,
         actor.credential_id, actor.peer, actor.request_id, entry.repository,
         entry.target, entry.detail, entry.count, row.hash}));
}

void clean(std::string& text) {
    text = redact(std::string_view(text).substr(0, 2 * kMaxAuditText));
    text.resize(std::min(text.size(), kMaxAuditText));
    for (char& c : text) {
        c = c >= ' ' && c < 0x7f ? c : '?';
    }
}

bool matches(const AuditEntry& entry, const AuditFilter& filter) {
    auto is_action = [&] {
        std::string_view action = entry.action;
        return action.starts_with(filter.action) &&
               (action.size() == filter.action.size() ||
                action[filter.action.size()] == '.');
    };
    return entry.at_ms >= filter.since_ms &&
           (filter.principal.empty() ||
            filter.principal == entry.actor.principal) &&
           (filter.action.empty() || is_action()) &&
           (filter.repository.empty() ||
            filter.repository == entry.repository) &&
           (!filter.refused || entry.verdict != "done");
}

// What is wrong with a row that should follow `before`.
std::string fault_of(const AuditRow& row, const AuditPoint& before) {
    if (row.id != before.id + 1) {
        return "the row before it is missing";
    }
    if (row.hash != hash_of(before.hash, row)) {
        return "its hash is not that of this row after the one before it";
    }
    return {};
}

// The words of the row that tells of a cut.
std::string cut_text(const AuditPoint& cut) {
    return std::to_string(cut.id) + " " + cut.hash;
}

}  // namespace

Result<AuditPoint> audit_checkpoint(Transaction& t) {
    static constexpr Sql kFind =
        "SELECT through_id, hash FROM audit_checkpoint";
    LS_TRY(rows, t.query(kFind, {}));
    LS_TRY(found, rows->next());
    if (!found) {
        return Error{Code::corrupt, "the audit log has no checkpoint"};
    }
    return AuditPoint{rows->integer(0), std::string(rows->text(1))};
}

Result<AuditPoint> audit_head(Transaction& t) {
    static constexpr Sql kLast =
        "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1";
    {
        LS_TRY(rows, t.query(kLast, {}));
        LS_TRY(found, rows->next());
        if (found) {
            return AuditPoint{rows->integer(0), std::string(rows->text(1))};
        }
    }
    return audit_checkpoint(t);
}

Result<AuditPoint> append_audit(Transaction& t, const AuditEntry& entry) {
    LS_TRY(before, audit_head(t));
    AuditRow row{before.id + 1, entry, {}};
    auto& actor = row.entry.actor;
    for (auto* text :
         {&row.entry.action, &actor.principal, &actor.credential,
          &actor.credential_id, &actor.peer, &actor.request_id,
          &row.entry.repository, &row.entry.target, &row.entry.detail}) {
        clean(*text);
    }
    row.hash = hash_of(before.hash, row);
    LS_CHECK(insert(t, row));
    return AuditPoint{row.id, std::move(row.hash)};
}

Result<AuditPage> list_audit(Transaction& t, const AuditFilter& filter,
                             std::size_t n, std::size_t look) {
    LS_TRY(rows, t.query(kColumnsAfter, {filter.after_id, integer(look)}));
    AuditPage page;
    std::size_t seen = 0;
    for (std::int64_t last = filter.after_id;;) {
        LS_TRY(found, rows->next());
        if (!found) {
            page.next = seen == look ? last : 0;
            return page;
        }
        ++seen;
        last = rows->integer(0);
        auto row = read_row(*rows);
        if (!matches(row.entry, filter)) {
            continue;
        }
        page.rows.push_back(std::move(row));
        if (page.rows.size() == n) {
            page.next = last;
            return page;
        }
    }
}

Result<AuditReport> verify_audit(Transaction& t, std::string_view head) {
    constexpr std::size_t kAll = INT32_MAX;
    AuditReport report;
    LS_TRY(checkpoint, audit_checkpoint(t));
    report.first = report.head = checkpoint;
    report.known_head = head.empty() || head == checkpoint.hash;
    // The newest row about a cut vouches for the checkpoint.
    std::optional<std::string> cut;
    LS_TRY(rows,
           t.query(kColumnsAfter, {std::int64_t{INT64_MIN}, integer(kAll)}));
    for (;;) {
        LS_TRY(found, rows->next());
        if (!found) {
            break;
        }
        auto row = read_row(*rows);
        auto what = fault_of(row, report.head);
        if (!what.empty()) {
            report.fault = AuditFault{row.id, std::move(what)};
            return report;
        }
        ++report.rows;
        report.known_head = report.known_head || row.hash == head;
        if (row.entry.action == kPrune) {
            cut = row.entry.target;
        }
        report.head = {row.id, std::move(row.hash)};
    }
    if (checkpoint.id != 0 && cut != cut_text(checkpoint)) {
        report.fault = AuditFault{
            checkpoint.id, "no row tells of the cut that the checkpoint names"};
    } else if (!report.known_head) {
        report.fault = AuditFault{
            report.head.id,
            "no row has the hash that was kept: rows are missing at the end, "
            "or the log is another one"};
    }
    return report;
}

Result<std::int64_t> prune_audit(Transaction& t, std::int64_t before_ms,
                                 std::size_t n, const Actor& by,
                                 std::int64_t now_ms) {
    // The first row that stays; a clock that went back ends the prefix early.
    static constexpr Sql kFirstKept =
        "SELECT id FROM audit WHERE at_ms >= $1 ORDER BY id LIMIT 1";
    static constexpr Sql kHash = "SELECT hash FROM audit WHERE id = $1";
    static constexpr Sql kMove =
        "UPDATE audit_checkpoint SET through_id = $1, hash = $2";
    static constexpr Sql kDelete = "DELETE FROM audit WHERE id <= $1";
    LS_TRY(old, audit_checkpoint(t));
    LS_TRY(head, audit_head(t));
    LS_TRY(kept, one_integer(t, kFirstKept, {before_ms}));
    auto through = std::min(kept.value_or(head.id) - 1,
                            old.id + static_cast<std::int64_t>(n));
    if (through <= old.id) {
        return 0;
    }
    LS_TRY(hash, one_text(t, kHash, {through}));
    AuditPoint cut{through, hash.value_or("")};
    AuditEntry entry;
    entry.at_ms = now_ms;
    entry.action = kPrune;
    entry.actor = by;
    entry.target = cut_text(cut);
    entry.count = through - old.id;
    LS_TRY(told, append_audit(t, entry));
    static_cast<void>(told);
    LS_CHECK(done(t.execute(kMove, {cut.id, cut.hash})));
    return t.execute(kDelete, {cut.id});
}

Result<void> start_audit(Transaction& t, const AuditPoint& checkpoint) {
    static constexpr Sql kStart =
        "UPDATE audit_checkpoint SET through_id = $1, hash = $2";
    return done(t.execute(kStart, {checkpoint.id, checkpoint.hash}));
}

Result<void> copy_audit(Transaction& t, const AuditRow& row) {
    return insert(t, row);
}

}  // namespace longshore::db
