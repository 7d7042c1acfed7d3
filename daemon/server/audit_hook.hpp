// What dispatch tells the audit log: requests that were refused.
#pragma once

#include <string_view>

#include "auth/guards.hpp"
#include "common/protocol.hpp"
#include "model/actor.hpp"

namespace longshore {

/// Of one answer, for tell_refusal().
struct RefusedAnswer {
    int status = 0;
    std::string_view action;
    std::string_view name;
    std::string_view reference;
    std::string_view message;
    const Actor* actor = nullptr;  // null: nobody was found out
};

/// Adds a row if the status is 401, 403 or 429. The token service tells its
/// own.
void tell_refusal(Guards* guards, const Question& question,
                  const RefusedAnswer& answer);

}  // namespace longshore
