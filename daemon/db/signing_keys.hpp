// SQL of the keys that sign what repositories publish (schema 0006). A row is
// what the table has; what it means is said in registry/signer.hpp.
//
// @errors of all: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace longshore {
class Transaction;
}

namespace longshore::db {

struct SigningKeyRow {
    std::int64_t id = 0;
    std::int64_t repository_id = 0;
    std::string kind;
    std::string state;
    std::string origin;
    std::string algorithm;
    std::string fingerprint;
    std::string key_id;
    std::string user_id;
    std::string public_key;
    std::string sealed;
    std::int64_t created_at_ms = 0;
    std::int64_t expires_at_ms = 0;
    std::int64_t published_until_ms = 0;
    std::int64_t retired_at_ms = 0;
};

/// Every key of a repository, the newest first.
Result<std::vector<SigningKeyRow>> list_signing_keys(
    Transaction& t, std::int64_t repository_id);
/// Those of one kind that are not retired: the active one, then published
/// ones, the newest first.
Result<std::vector<SigningKeyRow>> usable_signing_keys(
    Transaction& t, std::int64_t repository_id, std::string_view kind);
/// True if any key of any repository has a sealed part.
Result<bool> has_sealed_keys(Transaction& t);

/// Returns the id; that of the row unless it is 0.
/// @errors conflict (repository, fingerprint, a second active key)
Result<std::int64_t> add_signing_key(Transaction& t, const SigningKeyRow& row);
/// The active key of this kind, if there is one, becomes a published one.
Result<bool> publish_active_key(Transaction& t, std::int64_t repository_id,
                                std::string_view kind,
                                std::int64_t published_until_ms);
Result<bool> delete_signing_key(Transaction& t, std::int64_t id);

/// Published keys whose time is over, of all repositories, at most 100.
Result<std::vector<SigningKeyRow>> ended_signing_keys(Transaction& t,
                                                      std::int64_t now_ms);
/// Ends it; its sealed part is gone.
Result<bool> retire_signing_key(Transaction& t, std::int64_t id,
                                std::int64_t now_ms);
/// Forgets keys that retired before.
Result<void> prune_signing_keys(Transaction& t, std::int64_t before_ms);

/// Key of a repository by its id, and the other way round.
Result<std::optional<std::string>> repository_key(Transaction& t,
                                                  std::int64_t id);
Result<std::optional<std::int64_t>> repository_id(Transaction& t,
                                                  std::string_view key);

/// All keys and the repositories that have some, from one database into a new
/// one.
struct SigningRows {
    struct Repository {
        std::int64_t id = 0;
        std::string key;
        std::string format;
        std::string kind;
    };
    std::vector<Repository> repositories;
    std::vector<SigningKeyRow> keys;
};
Result<SigningRows> read_signing_keys(Transaction& t);
/// A repository that is there already stays as it is.
Result<void> write_signing_keys(Transaction& t, const SigningRows& rows);

}  // namespace longshore::db
