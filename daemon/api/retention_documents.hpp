// Documents of retention as JSON, the same for the API and for registryctl.
// Pure.
#pragma once

#include <string_view>

#include "api/body.hpp"
#include "model/retention.hpp"

namespace longshore::api {

Json policy_json(const RetentionPolicy& policy);
Json immutable_json(const ImmutableTags& rule);
Json removal_json(std::string_view name, const Removal& removal);
Json run_json(const RetentionRun& run);

}  // namespace longshore::api
