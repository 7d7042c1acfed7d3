// Statements of the documents derived from packages (schema 0005): what is
// served, what lags behind, what may be cleared away.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"
#include "model/package.hpp"

namespace longshore::db {

/// A document as its row has it.
struct DocumentRow {
    Document document;
    std::string scope;
    std::string variant;        // base URL of its links, or ""
    std::int64_t grace_ms = 0;  // served for so long after its generation
};

/// The encodings that there are of a document, identity first.
Result<std::vector<DocumentRow>> find_documents(Transaction& t,
                                                std::int64_t repository,
                                                std::string_view path,
                                                std::string_view variant);
/// Those of the present generation.
Result<std::vector<DocumentRow>> documents_of(Transaction& t,
                                              std::int64_t repository,
                                              std::string_view scope,
                                              std::string_view variant);
/// Paths of the present generation that begin with `prefix`, bytewise.
Result<std::vector<std::string>> list_documents(Transaction& t,
                                                std::int64_t repository,
                                                std::string_view prefix,
                                                std::size_t n,
                                                std::string_view last);
/// Makes the row or replaces it; what had the old bytes is left over then.
Result<void> put_document(Transaction& t, std::int64_t repository,
                          const DocumentRow& row, std::int64_t now_ms);
/// Ends a document: gone at `now_ms`, or after its grace.
Result<void> end_document(Transaction& t, std::int64_t repository,
                          const DocumentRow& row, std::int64_t now_ms);
/// Base URLs that the scope has documents for, the newest first.
Result<std::vector<std::string>> variants_of(Transaction& t,
                                             std::int64_t repository,
                                             std::string_view scope);

/// Scopes that lag behind.
struct StaleScope {
    std::int64_t repository = 0;
    std::string scope;
    std::int64_t changed = 0;
    std::int64_t rendered = 0;
};
/// The scope's packages have changed. `changed` grows for ever, with the clock
/// where that is ahead: no old rendering is ever taken for a newer one.
Result<void> mark_stale(Transaction& t, std::int64_t repository,
                        std::string_view scope, std::int64_t now_ms);
Result<std::optional<StaleScope>> find_stale(Transaction& t,
                                             std::int64_t repository,
                                             std::string_view scope);
Result<void> mark_rendered(Transaction& t, std::int64_t repository,
                           std::string_view scope, std::int64_t changed);
Result<std::vector<StaleScope>> list_stale(Transaction& t, std::size_t n,
                                           std::int64_t repository,
                                           std::string_view scope);
/// After a power cut: of the scopes that were not durable, and of those that
/// share bytes with them, no document is left, and all of them are stale.
Result<void> drop_undurable(Transaction& t, std::int64_t now_ms);
/// Forgets a scope that was rendered as of `changed` and is durable now.
Result<void> forget_stale(Transaction& t, const StaleScope& scope);

/// Ends what was kept for a grace time that is over; how many rows.
Result<std::int64_t> delete_expired(Transaction& t, std::int64_t now_ms,
                                    std::size_t n);
/// Notes that no document may have these bytes any more.
Result<void> leave_over(Transaction& t, std::string_view digest,
                        std::int64_t now_ms);
/// Digests left over before `before_ms` that no document has: the caller
/// removes their bytes, then forgets them.
Result<std::vector<std::string>> unused_leftovers(Transaction& t,
                                                  std::int64_t before_ms,
                                                  std::size_t n);
Result<void> forget_leftover(Transaction& t, std::string_view digest);
/// True if a document has these bytes, or had them and they are left over.
Result<bool> is_known_document(Transaction& t, std::string_view digest);

}  // namespace longshore::db
