#include "api/token_wish.hpp"

#include <algorithm>
#include <utility>

#include "common/clock.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::int64_t kDefaultLifeMs = std::int64_t{90} * 86'400'000;

constexpr std::array kListFields = {
    Field{.name = "tokens", .kind = K::objects, .of = &kToken},
};

constexpr Field kWhatFor{.name = "name",
                         .kind = K::text,
                         .description = "what it is for",
                         .example = "\"ci of team/app\"",
                         .required = false,
                         .max = 128};
constexpr Field kRepositories{
    .name = "repositories",
    .kind = K::texts,
    .description =
        "patterns: * is any text without /, ** any text; none: "
        "every repository",
    .example = "[\"team/app\"]",
    .required = false,
    .max = 32};
constexpr Field kExpires{
    .name = "expires",
    .kind = K::time,
    .description = "when it ends; null: never; without it in 90 days",
    .example = "\"2099-12-31T00:00:00Z\"",
    .required = false,
    .nullable = true,
    .max = 40};

constexpr std::array kOwnWishFields = {kWhatFor, kActionsField, kRepositories,
                                       kExpires};
constexpr std::array kWishFields = {
    renamed(kNameField, "principal", "who will log in by it", true), kWhatFor,
    kActionsField, kRepositories, kExpires};

constexpr std::array kNewFields = {
    Field{"id", K::text, "its public part", "\"Ab12Cd34\""},
    Field{"token", K::secret, "the secret; it is never shown again",
          "\"lsr_Ab12Cd34_…\""},
    Field{"principal", K::text, "whose it is", "\"alice\""},
    Field{"name", K::text, "what it is for", "\"ci of team/app\""},
    kActionsField,
    Field{"repositories", K::texts, "patterns; none: every repository",
          "[\"team/app\"]"},
    Field{"expires", K::time, "null: never", "\"2099-12-31T00:00:00Z\"", true,
          true},
};

constexpr std::array kCanFields = {
    Field{"principal", K::text, "who", "\"alice\""},
    kActionParameter,
    kRepositoryParameter,
    Field{"allowed", K::flag, "the answer", "true"},
    Field{"why", K::text, "the rule that allows it, or that there is none",
          "\"pull on team/app is granted to devs by \\\"team/** pull\\\"\""},
};

}  // namespace

const Schema kTokens{"Tokens", "Tokens, by id.", kListFields};
const Schema kOwnTokenWish{"OwnTokenWish", "A token for oneself.",
                           kOwnWishFields};
const Schema kTokenWish{"TokenWish", "A token for anybody.", kWishFields};
const Schema kNewToken{"NewToken", "A token and, this once, its secret.",
                       kNewFields};
const Schema kCan{"Can", "Whether somebody may, and why.", kCanFields};

Result<NewApiToken> read_token_wish(const Call& call, std::int64_t until_ms) {
    NewApiToken wanted;
    wanted.principal = call.text("principal");
    wanted.name = call.text("name");
    LS_TRY(actions, read_actions(call.body.at("actions")));
    wanted.actions = actions;
    if (call.body.contains("repositories")) {
        for (const auto& pattern : call.body.at("repositories")) {
            wanted.patterns.push_back(pattern.get<std::string>());
        }
    }
    if (!call.body.contains("expires")) {
        wanted.expires_at_ms = unix_ms() + kDefaultLifeMs;
        if (until_ms != 0) {
            wanted.expires_at_ms = std::min(wanted.expires_at_ms, until_ms);
        }
    } else if (!call.body.at("expires").is_null()) {
        LS_TRY(end, parse_time(call.text("expires")));
        wanted.expires_at_ms = end;
    }
    return wanted;
}

Answer new_token(const NewApiToken& wanted, const MadeApiToken& made,
                 std::string location) {
    return Answer{.body = {{"id", made.id},
                           {"token", made.text},
                           {"principal", wanted.principal},
                           {"name", wanted.name},
                           {"actions", actions_json(wanted.actions)},
                           {"repositories", wanted.patterns},
                           {"expires", time_json(wanted.expires_at_ms)}},
                  .location = std::move(location)};
}

Result<Answer> token_list(const Call& call, std::vector<ApiTokenInfo> tokens) {
    LS_TRY(next, cut_page(call, tokens,
                          [](const ApiTokenInfo& one) { return one.id; }));
    Json list = Json::array();
    for (const auto& token : tokens) {
        list.push_back(token_json(token, unix_ms()));
    }
    return Answer{.body = {{"tokens", list}}, .next = next};
}

Result<Action> read_action(const Call& call) {
    auto word = call.in_query("action");
    for (auto action :
         {Action::pull, Action::push, Action::remove, Action::admin}) {
        if (action_name(action) == word) {
            return action;
        }
    }
    return Error{Code::invalid_argument,
                 "\"action\" is one of: pull, push, delete, admin",
                 {},
                 "/action"};
}

Json can_json(const std::string& principal, Action action,
              const std::string& repository, const CanAnswer& answer) {
    return {{"principal", principal},
            {"action", action_name(action)},
            {"repository", repository},
            {"allowed", answer.allowed},
            {"why", answer.why}};
}

}  // namespace longshore::api
