// Small readers of query results, shared by the statement files of db/.
// @errors of all functions here: those of Transaction, those of `read`.
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

/// All rows, each made by `read`.
template <typename T>
Result<std::vector<T>> all_rows(Transaction& t, Sql sql,
                                std::initializer_list<Value> values,
                                Result<T> (*read)(const Rows&)) {
    LS_TRY(rows, t.query(sql, values));
    std::vector<T> found;
    for (;;) {
        LS_TRY(more, rows->next());
        if (!more) {
            return found;
        }
        LS_TRY(one, read(*rows));
        found.push_back(std::move(one));
    }
}

/// The first row; nullopt without rows.
template <typename T>
Result<std::optional<T>> first_row(Transaction& t, Sql sql,
                                   std::initializer_list<Value> values,
                                   Result<T> (*read)(const Rows&)) {
    LS_TRY(rows, t.query(sql, values));
    LS_TRY(found, rows->next());
    if (!found) {
        return std::optional<T>();
    }
    LS_TRY(first, read(*rows));
    return std::optional<T>(std::move(first));
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
