#include "auth/authorizer.hpp"

namespace longshore {

Result<Principal> Authorizer::authenticate(const Question&) const {
    return Principal{};
}

Result<Access> Authorizer::authorize(const Principal&,
                                     const RepositoryName& name,
                                     Action action) const {
    return Access(name, action);
}

Result<void> Authorizer::authorize_registry(const Principal&, Action) const {
    return {};
}

}  // namespace longshore
