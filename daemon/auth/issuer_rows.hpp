// Rules of issuers as they are stored and as they are asked; what the sources
// of external_tokens and issuers share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/claim_rule.hpp"
#include "auth/policy.hpp"
#include "common/result.hpp"
#include "db/issuers.hpp"

namespace longshore {

struct IssuerRule {
    std::int64_t id = 0;
    std::vector<Condition> conditions;
    ActionSet actions;
    std::vector<ClaimPattern> patterns;
    PrincipalId service = 0;

    /// The first condition that does not hold; null if all do.
    const Condition* unmet(const nlohmann::json& claims) const;
};

/// @errors corrupt
Result<IssuerRule> read_rule(const db::IssuerRuleRow& row);

/// Texts with `between` between.
std::vector<std::string> split(std::string_view text, char between);

}  // namespace longshore
