// Statements of the audit log (schema 0004): rows chained by their hashes.
// The hash of a row is SHA-256 over that of the row before it (64 zeros before
// the first) and its own fields in order, each as "<length>:<bytes>", so that
// no two rows are written alike. Drawn in docs/audit.md.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"
#include "model/actor.hpp"

namespace longshore::db {

/// One thing that was done or refused.
struct AuditEntry {
    std::int64_t at_ms = 0;
    std::string action;            // "grant.add" "manifest.push" "pull" …
    std::string verdict = "done";  // or "refused", "suppressed"
    std::int64_t status = 0;       // HTTP status of a request, else 0
    Actor actor;
    std::string repository;  // name, or pattern of a rule
    std::string target;      // whom or what else it was about
    std::string detail;      // reason, actions, tags
    std::int64_t count = 1;
};

struct AuditRow {
    std::int64_t id = 0;
    AuditEntry entry;
    std::string hash;  // lower-case hex
};

/// Where the chain ends, or is cut.
struct AuditPoint {
    std::int64_t id = 0;
    std::string hash;
};

/// Bytes of each text of an entry; what is longer is cut.
inline constexpr std::size_t kMaxAuditText = 512;

/// Adds the entry at the end, its texts without tokens, in printable ASCII and
/// cut. In the transaction of what it tells about. Returns the row's place.
Result<AuditPoint> append_audit(Transaction& t, const AuditEntry& entry);

/// The last row; before the first one the checkpoint.
Result<AuditPoint> audit_head(Transaction& t);

struct AuditFilter {
    std::int64_t after_id = 0;  // rows behind this one
    std::int64_t since_ms = 0;
    std::string principal;
    std::string action;      // also the first part: "token" is "token.issue"
    std::string repository;  // exact
    bool refused = false;    // nothing that was done
};

/// In order of id, at most `n`; rows that the filter leaves out are read too,
/// at most `look` of them. `next` is where to go on, 0 at the end.
struct AuditPage {
    std::vector<AuditRow> rows;
    std::int64_t next = 0;
};
Result<AuditPage> list_audit(Transaction& t, const AuditFilter& filter,
                             std::size_t n, std::size_t look);

/// What is wrong with the chain, and where; nullopt: nothing.
struct AuditFault {
    std::int64_t id = 0;
    std::string what;
};
struct AuditReport {
    std::optional<AuditFault> fault;
    AuditPoint first;  // what the first row is chained to
    AuditPoint head;
    std::int64_t rows = 0;
    bool known_head = false;  // `head` was met
};

/// Reads every row. `head`: a hash that the operator kept; it has to be that
/// of a row, or of the checkpoint. "" for none.
Result<AuditReport> verify_audit(Transaction& t, std::string_view head);

/// Removes whole days' worth of the beginning: the rows before `before_ms`, at
/// most `n`, never the last one; what is left stays chained, and a row says
/// who cut. Returns how many went.
Result<std::int64_t> prune_audit(Transaction& t, std::int64_t before_ms,
                                 std::size_t n, const Actor& by,
                                 std::int64_t now_ms);

/// Sets where the chain of an empty log begins, and adds rows as they are: for
/// a database that is made anew.
Result<AuditPoint> audit_checkpoint(Transaction& t);
Result<void> start_audit(Transaction& t, const AuditPoint& checkpoint);
Result<void> copy_audit(Transaction& t, const AuditRow& row);

}  // namespace longshore::db
