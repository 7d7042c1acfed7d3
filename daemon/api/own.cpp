// What anybody may do about itself: /me.
#include <array>

#include "api/documents.hpp"
#include "api/token_wish.hpp"
#include "common/clock.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::array<std::string_view, 2> kKinds = {"user", "service"};
constexpr std::array<std::string_view, 3> kCredentials = {
    "password", "api_token", "certificate"};

constexpr std::array kMeFields = {
    Field{"name", K::text, "who you are", "\"alice\""},
    Field{.name = "kind",
          .kind = K::word,
          .description = "what you are",
          .example = "\"user\"",
          .words = kKinds},
    Field{"groups", K::texts, "that you are a member of", "[\"devs\"]"},
    Field{.name = "credential",
          .kind = K::word,
          .description = "how you have logged in",
          .example = "\"api_token\"",
          .words = kCredentials},
    Field{"administrator", K::flag,
          "whether you administer the registry with this credential", "false"},
    Field{.name = "token",
          .kind = K::object,
          .description = "the token that you have logged in with",
          .nullable = true,
          .of = &kToken},
};
const Schema kMe{"Me", "Who is asking.", kMeFields};

constexpr std::array kPasswordFields = {
    Field{.name = "old",
          .kind = K::secret,
          .description = "the password of now",
          .example = "\"correct horse battery 1\"",
          .max = 512},
    Field{.name = "new",
          .kind = K::secret,
          .description = "at least 12 bytes",
          .example = "\"staple horse correct 2\"",
          .max = 512},
};
const Schema kOwnPassword{"OwnPassword", "A new password for oneself.",
                          kPasswordFields};

std::string_view credential_word(CredentialKind kind) {
    switch (kind) {
        case CredentialKind::api_token:
            return "api_token";
        case CredentialKind::certificate:
            return "certificate";
        default:
            return "password";
    }
}

Result<Answer> show_me(OwnAccount& account, const Call&) {
    const auto& caller = account.caller();
    LS_TRY(info, account.info());
    Json token = nullptr;
    if (!caller.api_token.empty()) {
        LS_TRY(tokens, account.tokens());
        for (const auto& one : tokens) {
            if (one.id == caller.api_token) {
                token = token_json(one, unix_ms());
            }
        }
    }
    return Answer{.body = {{"name", info.name},
                           {"kind", kind_name(info.kind)},
                           {"groups", info.groups},
                           {"credential", credential_word(caller.kind)},
                           {"administrator", account.administers()},
                           {"token", token}}};
}

Result<Answer> set_password(OwnAccount& account, const Call& call) {
    LS_CHECK(account.set_password(call.text("old"), call.text("new")));
    return Answer{.drops = {key::principal(account.caller().id)}};
}

Result<Answer> list_tokens(OwnAccount& account, const Call& call) {
    LS_TRY(tokens, account.tokens());
    return token_list(call, std::move(tokens));
}

Result<Answer> create_token(OwnAccount& account, const Call& call) {
    LS_TRY(wanted, read_token_wish(call, account.caller().ends_at_ms));
    LS_TRY(made, account.create_token(wanted));
    wanted.principal = account.caller().name;
    return new_token(wanted, made, "/me/tokens/" + made.id);
}

Result<Answer> revoke_token(OwnAccount& account, const Call& call) {
    LS_CHECK(account.revoke_token(call.in_path("id")));
    return Answer{.drops = {key::principal(account.caller().id)}};
}

Result<Answer> can(OwnAccount& account, const Call& call) {
    LS_TRY(action, read_action(call));
    auto repository = call.in_query("repository");
    LS_TRY(answer, account.can(action, repository));
    return Answer{
        .body = can_json(account.caller().name, action, repository, answer)};
}

const std::array kRoutes = {
    Route{.method = Method::get,
          .pattern = "/me",
          .right = Right::self,
          .handle = &show_me,
          .response = &kMe,
          .summary = "who you are"},
    Route{.method = Method::put,
          .pattern = "/me/password",
          .right = Right::self,
          .handle = &set_password,
          .status = 204,
          .request = &kOwnPassword,
          .summary = "set a new password, with the old one"},
    Route{.method = Method::get,
          .pattern = "/me/tokens",
          .right = Right::self,
          .handle = &list_tokens,
          .response = &kTokens,
          .summary = "list your tokens; with a limited one only that",
          .query = kPageParameters},
    Route{.method = Method::post,
          .pattern = "/me/tokens",
          .right = Right::self,
          .handle = &create_token,
          .status = 201,
          .request = &kOwnTokenWish,
          .response = &kNewToken,
          .summary = "make a token for yourself; its secret is shown once"},
    Route{.method = Method::remove,
          .pattern = "/me/tokens/{id}",
          .right = Right::self,
          .handle = &revoke_token,
          .status = 204,
          .summary = "end a token of yours at once"},
    Route{.method = Method::get,
          .pattern = "/me/can",
          .right = Right::self,
          .handle = &can,
          .response = &kCan,
          .summary = "whether you may, with this credential",
          .query = kOwnCanParameters},
};

}  // namespace

std::span<const Route> own_routes() {
    return kRoutes;
}

}  // namespace longshore::api
