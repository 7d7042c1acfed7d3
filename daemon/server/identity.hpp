// CallerIdentity: who asks, for the formats whose clients log in through the
// format's own requests (npm login). A token made so is for the repository
// that was logged in to, and for pull, push and delete.
// Used by one thread, for one question.
#pragma once

#include <string>
#include <string_view>

#include "auth/authorizer.hpp"
#include "registry/format.hpp"

namespace longshore {

class Database;

class CallerIdentity final : public Identity {
public:
    /// All of them outlive it.
    CallerIdentity(Database& database, const Authorizer& authorizer,
                   const Question& question, const Caller& caller,
                   std::string_view repository)
        : database_(database),
          authorizer_(authorizer),
          question_(question),
          caller_(caller),
          repository_(repository) {}

    std::string_view name() const override;
    bool may(Action action) const override;
    bool everybody_may(Action action) const override;
    Result<std::string> log_in(std::string_view user, std::string_view password,
                               std::string_view description) override;
    Result<void> log_out() override;

private:
    Database& database_;
    const Authorizer& authorizer_;
    const Question& question_;
    const Caller& caller_;
    std::string_view repository_;
};

}  // namespace longshore
