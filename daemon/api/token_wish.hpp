// What /me and the administrator's routes have in common: tokens that are
// wished for, lists of them, and the question whether somebody may.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "api/documents.hpp"
#include "api/route.hpp"

namespace longshore::api {

extern const Schema kTokens;        // a list
extern const Schema kOwnTokenWish;  // for oneself
extern const Schema kTokenWish;     // for anybody
extern const Schema kNewToken;      // with its secret
extern const Schema kCan;

inline constexpr Field kActionParameter{.name = "action",
                                        .kind = FieldKind::word,
                                        .description = "what is to be done",
                                        .example = R"("pull")",
                                        .words = kActionWords};
inline constexpr Field kRepositoryParameter{.name = "repository",
                                            .kind = FieldKind::text,
                                            .description = "its name",
                                            .example = R"("team/app")",
                                            .max = 255};
inline constexpr std::array kOwnCanParameters = {kActionParameter,
                                                 kRepositoryParameter};

/// From a body that was checked; without an end 90 days, but not after
/// `until_ms` (0: no such). @errors invalid_argument
Result<NewApiToken> read_token_wish(const Call& call, std::int64_t until_ms);

/// The only answer that ever has the secret.
Answer new_token(const NewApiToken& wanted, const MadeApiToken& made,
                 std::string location);

/// A page of them. @errors invalid_argument
Result<Answer> token_list(const Call& call, std::vector<ApiTokenInfo> tokens);

/// Of the query. @errors invalid_argument
Result<Action> read_action(const Call& call);
Json can_json(const std::string& principal, Action action,
              const std::string& repository, const CanAnswer& answer);

}  // namespace longshore::api
