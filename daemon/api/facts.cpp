// What is known of the registry itself.
#include <array>

#include "api/documents.hpp"
#include "api/route.hpp"
#include "common/protocol.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::array<std::string_view, 1> kOk = {"ok"};
constexpr std::array kHealthFields = {
    Field{.name = "status",
          .kind = K::word,
          .description = "else 503 and a problem",
          .example = "\"ok\"",
          .words = kOk},
};
constexpr std::array kVersionFields = {
    Field{"name", K::text, "the program", "\"longshore\""},
    Field{"version", K::text, "of the program", "\"0.1.0\""},
    Field{"api", K::number, "of this API", "1"},
    Field{"protocol", K::number, "between nginx and registryd", "2"},
};
const Schema kHealth{"Health", "That it works.", kHealthFields};
const Schema kVersion{"Version", "What is running.", kVersionFields};

Result<Answer> health(Accounts& accounts, const Call&) {
    LS_TRY(version, accounts.version());
    static_cast<void>(version);
    return Answer{.body = {{"status", "ok"}}};
}

Json version_json(const Call& call) {
    return {{"name", "longshore"},
            {"version", call.version},
            {"api", 1},
            {"protocol", kProtocolVersion}};
}

Result<Answer> version(OwnAccount&, const Call& call) {
    return Answer{.body = version_json(call)};
}

Result<Answer> describe(Accounts&, const Call& call) {
    return Answer{.body = openapi(routes(), call.base, call.version)};
}

const std::array kRoutes = {
    Route{.method = Method::get,
          .pattern = "/health",
          .right = Right::everybody,
          .handle = &health,
          .response = &kHealth,
          .summary = "whether the registry can answer",
          .without_auth = true},
    Route{.method = Method::get,
          .pattern = "/openapi.json",
          .right = Right::everybody,
          .handle = &describe,
          .response = nullptr,
          .summary = "this document",
          .without_auth = true},
    Route{.method = Method::get,
          .pattern = "/version",
          .right = Right::self,
          .handle = &version,
          .response = &kVersion,
          .summary = "which program this is"},
};

}  // namespace

std::span<const Route> fact_routes() {
    return kRoutes;
}

}  // namespace longshore::api
