// Authorizer: the one place where an Access is made. Everything that reads or
// writes metadata demands an Access, so this is the choke point of all
// permissions. Thread-safe, never blocks.
//
// The policy of this version: whoever reaches the registry may do everything.
#pragma once

#include <string>
#include <string_view>

#include "common/protocol.hpp"
#include "common/result.hpp"
#include "model/access.hpp"

namespace longshore {

/// Who asks. Anonymous is a principal too: its name is empty.
struct Principal {
    std::string name;
};

class Authorizer {
public:
    /// From the credentials of a question to a principal.
    /// @errors unauthenticated (UNAUTHORIZED)
    Result<Principal> authenticate(const Question& question) const;

    /// @errors unauthenticated (UNAUTHORIZED), denied (DENIED)
    Result<Access> authorize(const Principal& principal,
                             const RepositoryName& name, Action action) const;

    /// For what belongs to no repository: ping, catalog.
    /// @errors unauthenticated (UNAUTHORIZED), denied (DENIED)
    Result<void> authorize_registry(const Principal& principal,
                                    Action action) const;
};

}  // namespace longshore
