// Routes of /api/v1: one table, of which requests are answered, checked and
// described. What a route may do follows from the type of its handler: only
// who is proven to administer the registry reaches Accounts, Issuers and
// RetentionRules, who may do an action on the repository that the route names
// gets an Access, everybody else no more than OwnAccount. A handler of one
// right cannot have the check of another.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/own_account.hpp"
#include "api/schema.hpp"
#include "auth/accounts.hpp"
#include "auth/authorizer.hpp"
#include "common/result.hpp"
#include "http/request.hpp"
#include "model/access.hpp"

namespace longshore {
class Format;
class Issuers;
class PackageCatalog;
class PackagePublisher;
class Repositories;
class RetentionRules;
}  // namespace longshore

namespace longshore::api {

inline constexpr std::string_view kMount = "/api/v1";

/// Entries of a list: without `n`, and at most.
inline constexpr std::size_t kPage = 100;
inline constexpr std::size_t kMaxPage = 1000;

/// Who may. `none` is what nobody declared; the daemon does not start with it.
/// `reader`: everybody, and is shown what it may pull from; `repository`: who
/// may do Route::action on the repository that the route names.
enum class Right : std::uint8_t {
    none,
    everybody,
    self,
    administrator,
    reader,
    repository
};

/// A request once it is known to be well formed.
struct Call {
    std::vector<std::pair<std::string_view, std::string>> path;   // {name} …
    std::vector<std::pair<std::string_view, std::string>> query;  // declared
    Json body;                 // null, or as the route's schema says
    std::string base;          // "/prefix/api/v1"
    std::string target;        // path of the request below it
    std::string_view version;  // of the program
    std::string request_id;

    const std::string& in_path(std::string_view name) const;
    /// "" if it was not given.
    std::string in_query(std::string_view name) const;
    /// Text of a member that the schema requires, or "".
    std::string text(std::string_view member) const;
};

/// What `n` says. @errors invalid_argument
Result<std::size_t> page_size(const Call& call);
/// Value of Link: the same list after `last`, with the same other parameters.
std::string next_page(const Call& call, std::size_t n, const std::string& last);
/// The same for a list that is ranked, by the number of entries before.
std::string next_result(const Call& call, std::size_t n, std::size_t skip);

/// Query parameters of every list.
inline constexpr Field kPageSizeParameter{
    .name = "n",
    .kind = FieldKind::number,
    .description = "entries wanted, 1 to 1000; without it 100",
    .example = "100",
    .required = false};
inline constexpr Field kLastParameter{
    .name = "last",
    .kind = FieldKind::text,
    .description = "the entry that the list goes on after, as Link says",
    .example = R"("alice")",
    .required = false,
    .max = 512};

inline constexpr std::array kPageParameters = {kPageSizeParameter,
                                               kLastParameter};

template <typename T, typename F>
/// Leaves of a list what the request asks for, by the key that each entry
/// has, and says how to go on. @errors invalid_argument
Result<std::string> cut_page(const Call& call, std::vector<T>& list,
                             const F& key) {
    LS_TRY(n, page_size(call));
    std::sort(list.begin(), list.end(),
              [&](const T& a, const T& b) { return key(a) < key(b); });
    auto last = call.in_query("last");
    std::erase_if(
        list, [&](const T& one) { return !last.empty() && key(one) <= last; });
    if (list.size() <= n) {
        return std::string();
    }
    list.resize(n);
    return next_page(call, n, key(list.back()));
}

/// What a handler answers; no body: none.
struct Answer {
    Json body = {};             // null: none
    std::string location = {};  // below kMount, of what was made
    std::string next = {};      // value of Link
    /// What nginx must forget before the answer leaves: kPolicy, or one
    /// principal's.
    std::vector<std::string> drops = {};
};

using PublicHandler = Result<Answer> (*)(Accounts& accounts, const Call& call);
using SelfHandler = Result<Answer> (*)(OwnAccount& account, const Call& call);
using AdministratorHandler = Result<Answer> (*)(const Administration& right,
                                                Accounts& accounts,
                                                const Caller& caller,
                                                const Call& call);
using IssuerHandler = Result<Answer> (*)(const Administration& right,
                                         Issuers& issuers, const Call& call);
using RetentionHandler = Result<Answer> (*)(const Administration& right,
                                            RetentionRules& rules,
                                            const Call& call);

/// Repositories of packages, and all that they hold.
struct Packages {
    Repositories& repositories;
    PackageCatalog& catalog;
    PackagePublisher& publisher;
    std::span<const Format* const> formats;
};

/// What of the repositories the caller may see.
class Reader {
public:
    Reader(const Authorizer& authorizer, const Caller& caller)
        : authorizer_(authorizer), caller_(caller) {}

    bool may_list(std::string_view name) const {
        return authorizer_.may_list(caller_, name);
    }
    /// As Authorizer::list_from().
    std::optional<std::string> list_from(std::string_view last) const {
        return authorizer_.list_from(caller_, last);
    }
    /// @errors unauthenticated, denied
    Result<Access> pull_from(std::string_view name) const {
        return authorizer_.authorize(caller_, RepositoryName(name),
                                     Action::pull);
    }

private:
    const Authorizer& authorizer_;
    const Caller& caller_;
};

using ReaderHandler = Result<Answer> (*)(const Reader& reader,
                                         Packages& packages, const Call& call);
using RepositoryHandler = Result<Answer> (*)(const Access& access,
                                             Packages& packages,
                                             const Call& call);
using Handler =
    std::variant<std::monostate, PublicHandler, SelfHandler,
                 AdministratorHandler, ReaderHandler, RepositoryHandler,
                 IssuerHandler, RetentionHandler>;

struct Route {
    Method method = Method::other;
    std::string_view pattern;  // below kMount, "/users/{name}"
    Right right = Right::none;
    Handler handle = {};
    int status = 200;                  // of success
    const Schema* request = nullptr;   // null: without body
    const Schema* response = nullptr;  // null: without body
    std::string_view summary = {};
    std::span<const Field> query = {};  // parameters
    bool conditional = false;           // takes If-Match
    /// Answered also with `auth = off`.
    bool without_auth = false;
    /// Right::repository alone: what is done to the repository, which the path
    /// names as {repository}, or else this member of the body.
    Action action = Action::none;
    std::string_view named_by = {};
};

std::span<const Route> routes();
// Parts of it, each in a file of its own.
std::span<const Route> fact_routes();
std::span<const Route> own_routes();
std::span<const Route> principal_routes();
std::span<const Route> right_routes();
std::span<const Route> issuer_routes();
std::span<const Route> retention_routes();
std::span<const Route> repository_routes();
std::span<const Route> package_routes();

/// That each route declares the right that its handler has, has a handler, a
/// pattern of its own and a success that fits what it answers. At start.
/// @errors internal (names the route)
Result<void> check_routes(std::span<const Route> table);

/// The OpenAPI document; `base` is where the API is.
Json openapi(std::span<const Route> table, std::string_view base,
             std::string_view version);

/// Names of the parameters of a pattern, in order.
std::vector<std::string_view> path_parameters(std::string_view pattern);

}  // namespace longshore::api
