// Api: REST /api/v1 for accounts, rights and repositories. What a route cannot
// forget is done here once, in this order: authenticate, find the route,
// authorize, look at the request, handle. Thread-safe; blocks on the database.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/route.hpp"
#include "auth/authorizer.hpp"
#include "common/problem.hpp"
#include "common/protocol.hpp"
#include "common/result.hpp"
#include "http/reply.hpp"

namespace longshore {

class Database;

/// That every route of the API declares the right that its handler has. At
/// start. @errors internal (names the route)
Result<void> check_api_routes();

class Api {
public:
    struct Parts {
        Database& database;
        const Authorizer& authorizer;
        api::Packages packages;
        std::string_view version;  // of the program; static
    };
    explicit Api(const Parts& parts) : parts_(parts) {}

    struct Outcome {
        Reply reply;
        std::string principal;    // who asked, if anybody
        std::string_view action;  // of a change that was let through
        std::string repository;   // that it is about, if there is one
        std::string reference;    // the name that it is about
        std::string message;      // for the log, without anything secret
    };

    /// Every question of an api target gets an answer; an error is in it.
    Outcome answer(const Question& question);

private:
    struct Attempt;
    Result<Reply> attempt(Attempt& attempt);
    Result<Reply> run(Attempt& attempt);
    Result<void> prove(Attempt& attempt) const;
    Result<void> access(Attempt& attempt, std::string_view name) const;
    Result<api::Answer> handle(Attempt& attempt, Accounts& accounts);
    Reply refuse(const Attempt& attempt, const Error& error) const;

    Parts parts_;
};

}  // namespace longshore
