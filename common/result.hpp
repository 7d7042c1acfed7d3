// Result<T>: a value or an Error, for everything that can fail by input,
// environment or policy. Codes are closed: a caller decides by code, never by
// message text. Pure values, usable from any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace longshore {

/// Why something failed. HTTP status, wire number and text of each code live
/// in error.cpp and nowhere else.
enum class Code : unsigned char {
    invalid_argument,
    unauthenticated,
    denied,
    not_found,
    already_exists,
    conflict,
    precondition_failed,
    range_invalid,
    digest_mismatch,
    too_large,
    quota_exceeded,
    unsupported,
    rate_limited,
    unavailable,
    timeout,
    corrupt,
    internal,
};

/// `message` is lower case, says what was wanted and what was found, and holds
/// no secret. `reason` is the format's own error code where one applies (OCI:
/// "BLOB_UNKNOWN"), a static string, else empty. `detail` is JSON or empty.
struct Error {
    Code code = Code::internal;
    std::string message;
    std::string_view reason = {};
    std::string detail = {};
};

template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const noexcept { return state_.index() == 0; }
    T& value() & { return std::get<0>(state_); }
    const T& value() const& { return std::get<0>(state_); }
    T&& value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return std::get<0>(state_); }
    const T& operator*() const& { return std::get<0>(state_); }
    T&& operator*() && { return std::get<0>(std::move(state_)); }
    T* operator->() { return &std::get<0>(state_); }
    const T* operator->() const { return &std::get<0>(state_); }
    Error& error() & { return std::get<1>(state_); }
    const Error& error() const& { return std::get<1>(state_); }
    Error&& error() && { return std::get<1>(std::move(state_)); }

private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), failed_(true) {}

    explicit operator bool() const noexcept { return !failed_; }
    Error& error() & { return error_; }
    const Error& error() const& { return error_; }
    Error&& error() && { return std::move(error_); }

private:
    Error error_;
    bool failed_ = false;
};

/// Text of a code ("not_found"), for logs.
std::string_view code_name(Code code) noexcept;

/// HTTP status of a code (404 for not_found).
int http_status(Code code) noexcept;

/// An Error made from errno: no space and quota become `unavailable`, missing
/// files `not_found`, everything else `internal`; `what` names the operation
/// and its object.
Error errno_error(std::string_view what, int error_number);

}  // namespace longshore

#define LS_PASTE(a, b) a##b
#define LS_CONCAT(a, b) LS_PASTE(a, b)

// A counter and not the line: closures within the expression use these macros
// too, and all of a macro's arguments may count as one line.
#define LS_TRY_INTO(result, var, expr)    \
    auto result = (expr);                 \
    if (!result)                          \
        return std::move(result).error(); \
    auto var = std::move(*result)

#define LS_CHECK_INTO(result, expr)    \
    if (auto result = (expr); !result) \
    return std::move(result).error()

/// LS_TRY(var, expr): `var` becomes the value of `expr`, or the enclosing
/// function returns its Error.
#define LS_TRY(var, expr) \
    LS_TRY_INTO(LS_CONCAT(ls_result_, __COUNTER__), var, expr)

/// LS_CHECK(expr): the same for Result<void>.
#define LS_CHECK(expr) LS_CHECK_INTO(LS_CONCAT(ls_checked_, __COUNTER__), expr)
