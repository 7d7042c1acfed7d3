// Dispatch: from the bytes of a Question to those of its Decision, in seven
// steps that no format can forget. Thread-safe: called by every worker thread
// at once; blocks on database and disk.
#pragma once

#include <string>
#include <string_view>

#include "auth/authorizer.hpp"
#include "registry/format.hpp"
#include "server/invalidations.hpp"
#include "server/metrics.hpp"

namespace longshore {

class Dispatch {
public:
    struct Parts {
        Catalog& catalog;
        Publisher& publisher;
        Uploads& uploads;
        const Authorizer& authorizer;
        Invalidations& invalidations;
        Metrics& metrics;
        FormatSettings settings;
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
    Outcome run(const Question& question, const Principal& principal,
                const Format& format);
    Result<Reply> handle(const Request& request, const Principal& principal,
                         const Route& route, std::string_view name);
    Outcome operator_page(const Question& question) const;
    void count(std::string_view message);
    void record(const Question& question, const Outcome& outcome,
                std::uint64_t duration_us);
    std::string finish(const Question& question, const Outcome& outcome);

    Parts parts_;
};

}  // namespace longshore
