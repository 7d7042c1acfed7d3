// Dispatch: from the bytes of a Question to those of its Decision, in seven
// steps that no format can forget. Thread-safe: called by every worker thread
// at once; blocks on database and disk.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "auth/authorizer.hpp"
#include "auth/setup_page.hpp"
#include "auth/token_service.hpp"
#include "registry/format.hpp"
#include "server/invalidations.hpp"
#include "server/metrics.hpp"

namespace longshore {

/// Every route needs an action, else nobody knows who may use it. At start.
/// @errors internal (names the route)
Result<void> check_routes(std::span<const Format* const> formats);

class Api;
class Database;
class Repositories;
class Uses;

/// What repositories of packages live on.
struct PackageParts {
    Database& database;
    Repositories& repositories;
    PackageCatalog& catalog;
    PackagePublisher& publisher;
    Blobs& blobs;
    Indexes& indexes;
    Signer* signing = nullptr;
};

class Dispatch {
public:
    struct Parts {
        Catalog& catalog;
        Publisher& publisher;
        Uploads& uploads;
        const Authorizer& authorizer;
        Invalidations& invalidations;
        Metrics& metrics;
        PackageParts packages;
        FormatSettings settings;
        TokenService* tokens = nullptr;  // null: `auth = off`
        SetupPage* setup = nullptr;      // null: `auth = off`
        Api* api = nullptr;              // null: none
        Guards* guards = nullptr;
        Uses* uses = nullptr;  // null: nobody wants to know
    };

    explicit Dispatch(const Parts& parts) : parts_(parts) {}

    /// The encoded Decision, or empty for what has no answer (Tally, garbage,
    /// which is counted). Every Question gets one, whatever happens inside.
    std::string answer(std::string_view message) noexcept;

    /// 503 for a Question there is no room for; empty as above.
    std::string refuse(std::string_view message) noexcept;

private:
    struct Outcome;

    Outcome decide(const Question& question);
    Outcome run(const Question& question, const Format& format);
    Result<Reply> handle(const Question& question, const Format& format,
                         Match& match, const Caller& caller, Outcome& outcome);
    Result<Reply> call(const Route& route, Context& ctx,
                       const Request& request) const;
    Outcome unguarded(const Format& format) const;
    void refuse_caller(const Question& question, const Match& match,
                       const Format& format, const Error& error,
                       std::string_view challenge_error,
                       Outcome& outcome) const;
    void grant(const Question& question, const Caller& caller, bool named,
               Outcome& outcome) const;
    Outcome setup_page(const Question& question);
    Outcome api_answer(const Question& question) const;
    Outcome operator_page(const Question& question) const;
    void count(std::string_view message);
    void record(const Question& question, const Outcome& outcome,
                std::uint64_t duration_us);
    std::string finish(const Question& question, const Outcome& outcome);

    Parts parts_;
};

}  // namespace longshore
