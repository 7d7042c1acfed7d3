// Small readers of query results, shared by the statement files of db/.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "db/database.hpp"

namespace longshore::db {

/// First column of the first row; nullopt without rows.
inline Result<std::optional<std::int64_t>> one_integer(
    Transaction& t, Sql sql, std::initializer_list<Value> values) {
    LS_TRY(rows, t.query(sql, values));
    LS_TRY(found, rows->next());
    if (!found) {
        return std::optional<std::int64_t>();
    }
    return std::optional(rows->integer(0));
}

inline Result<std::optional<std::string>> one_text(
    Transaction& t, Sql sql, std::initializer_list<Value> values) {
    LS_TRY(rows, t.query(sql, values));
    LS_TRY(found, rows->next());
    if (!found) {
        return std::optional<std::string>();
    }
    return std::optional(std::string(rows->text(0)));
}

/// First column of all rows.
inline Result<std::vector<std::string>> all_texts(
    Transaction& t, Sql sql, std::initializer_list<Value> values) {
    LS_TRY(rows, t.query(sql, values));
    std::vector<std::string> texts;
    for (;;) {
        LS_TRY(found, rows->next());
        if (!found) {
            return texts;
        }
        texts.emplace_back(rows->text(0));
    }
}

inline Value integer(std::size_t number) {
    return Value(static_cast<std::int64_t>(number));
}

/// NULL for nullopt.
inline Value nullable(const std::optional<std::int64_t>& number) {
    return number ? Value(*number) : Value(nullptr);
}

/// Drops the number of changed rows.
inline Result<void> done(Result<std::int64_t> changed) {
    if (!changed) {
        return std::move(changed).error();
    }
    return {};
}

/// True if any row was changed.
inline Result<bool> any(Result<std::int64_t> changed) {
    if (!changed) {
        return std::move(changed).error();
    }
    return *changed > 0;
}

}  // namespace longshore::db
