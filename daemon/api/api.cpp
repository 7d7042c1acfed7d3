#include "api/api.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "api/body.hpp"
#include "api/route.hpp"
#include "api/target.hpp"
#include "auth/issuers.hpp"
#include "common/oci_path.hpp"
#include "common/problem.hpp"
#include "http/page.hpp"
#include "http/request.hpp"
#include "registry/retention_rules.hpp"

namespace longshore {
namespace {

using api::Json;

constexpr std::string_view kMediaTypeReason = "unsupported_media_type";

// What was understood and cannot be done is 422; 400 is no document at all.
int status_of(const Error& error) noexcept {
    switch (error.code) {
        case Code::invalid_argument:
            return error.reason == kMediaTypeReason  ? 415
                   : error.reason == api::kMalformed ? 400
                                                     : 422;
        case Code::already_exists:
        case Code::conflict:
            return 409;
        case Code::timeout:
            return 503;
        default:
            return http_status(error.code);
    }
}

std::string_view code_of(const Error& error) noexcept {
    return error.reason == kMediaTypeReason || error.reason == api::kMalformed
               ? error.reason
               : code_name(error.code);
}

bool is_json(std::string_view type) {
    auto lower = std::string(type);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    std::erase(lower, ' ');
    return lower == "application/json" ||
           lower == "application/json;charset=utf-8" ||
           lower == "application/json;charset=\"utf-8\"";
}

std::string dump(const Json& document) {
    return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string tag_of(std::int64_t version) {
    return "p" + std::to_string(version);
}

// Versions of the policy that If-Match names; none: any. A tag that is none
// of ours is a version that there never was.
std::optional<std::vector<std::int64_t>> expected(
    const std::optional<std::string_view>& if_match) {
    if (!if_match) {
        return std::nullopt;
    }
    auto tags = parse_entity_tags(*if_match);
    if (tags.any) {
        return std::nullopt;
    }
    std::vector<std::int64_t> versions;
    for (const auto& tag : tags.tags) {
        std::int64_t version = 0;
        bool ours = tag.size() > 1 && tag.size() < 19 && tag[0] == 'p' &&
                    tag.find_first_not_of("0123456789", 1) == tag.npos;
        for (std::size_t i = 1; ours && i < tag.size(); ++i) {
            version = version * 10 + (tag[i] - '0');
        }
        if (ours) {
            versions.push_back(version);
        }
    }
    return versions;
}

bool is_known(const std::optional<std::string_view>& if_none_match,
              const std::string& tag) {
    if (!if_none_match) {
        return false;
    }
    auto tags = parse_entity_tags(*if_none_match);
    return tags.any || std::find(tags.tags.begin(), tags.tags.end(), tag) !=
                           tags.tags.end();
}

// What of its repository, or of the registry, a request is about.
std::string reference_of(const api::Call& call) {
    std::string out = call.in_path("name");
    for (const auto* part : {"package", "version", "path"}) {
        const auto& text = call.in_path(part);
        out += out.empty() || text.empty() ? "" : " ";
        out += text;
    }
    return out;
}

// The body once it is there; until then the wish to have it.
Result<std::optional<Reply>> read_body(const Question& question,
                                       const Request& request,
                                       const api::Route& route,
                                       api::Call& call) {
    if (route.request == nullptr) {
        if (question.body_bytes != 0) {
            return Error{Code::invalid_argument, "no body is taken here",
                         api::kMalformed};
        }
        return std::optional<Reply>();
    }
    // A page of another site can send a body of any other type unasked.
    auto type = request.header("content-type");
    if (!type || !is_json(*type) || request.header("content-encoding")) {
        return Error{Code::invalid_argument,
                     "the body is to be application/json", kMediaTypeReason};
    }
    if (question.body_bytes > static_cast<std::int64_t>(api::kMaxBody)) {
        return Error{Code::too_large, "the document is too large"};
    }
    if (!request.received && question.body_bytes != 0) {
        Reply reply;
        reply.body = ReceiveMemory{api::kMaxBody};
        return std::optional(std::move(reply));
    }
    auto text = question.body_kind == BodyKind::memory ? question.body
                                                       : std::string_view();
    LS_TRY(body, api::parse_body(text));
    LS_CHECK(api::check(body, *route.request));
    call.body = std::move(body);
    return std::optional<Reply>();
}

}  // namespace

Result<void> check_api_routes() {
    return api::check_routes(api::routes());
}

// One request on its way.
struct Api::Attempt {
    const Question& question;
    Request request;
    api::Found found;
    std::optional<Caller> caller;
    // What the route's right is proven by.
    std::optional<Self> self;
    std::optional<Administration> administration;
    std::optional<Access> access;
    std::string repository;
};

namespace {

// What is said of success.
Reply reply_of(const Request& request, const api::Route& route,
               const api::Call& call, api::Answer answer,
               const std::string& tag) {
    Reply reply;
    reply.status = route.status;
    reply.drops = std::move(answer.drops);
    reply.header("Cache-Control", "no-store");
    if (!tag.empty()) {
        reply.header("ETag", "\"" + tag + "\"");
        if (is_known(request.header("if-none-match"), tag)) {
            reply.status = 304;
            return reply;
        }
    }
    if (!answer.location.empty()) {
        reply.header("Location", call.base + answer.location);
    }
    if (!answer.next.empty()) {
        reply.header("Link", answer.next);
    }
    if (!answer.body.is_null()) {
        reply.media_type = "application/json";
        reply.body = InlineBody{dump(answer.body)};
    }
    return reply;
}

}  // namespace

// Steps 1 to 4: who asks, for what, whether it may, whether it is well formed.
Result<Reply> Api::attempt(Attempt& attempt) {
    const auto& question = attempt.question;
    LS_TRY(caller, parts_.authorizer.authenticate(question));
    attempt.caller = std::move(caller);
    auto path = question.target.substr(0, question.target.find('?'));
    bool below = path.starts_with(std::string(api::kMount) + "/");
    if (below) {
        attempt.found = api::find_route(api::routes(), attempt.request.method,
                                        path.substr(api::kMount.size()));
    }
    const auto* route = attempt.found.route;
    if (attempt.found.allow.empty() ||
        (!parts_.authorizer.enabled() &&
         (route == nullptr || !route->without_auth))) {
        return Error{Code::not_found,
                     parts_.authorizer.enabled()
                         ? "there is no such resource"
                         : "accounts and rights are not in use here: auth is "
                           "off"};
    }
    if (route == nullptr) {
        return Error{Code::unsupported, "the method is not allowed here"};
    }
    return run(attempt);
}

// Authorizes by the type of the handler, so that no right can be passed by.
Result<void> Api::prove(Attempt& attempt) const {
    const auto& route = *attempt.found.route;
    const auto& caller = *attempt.caller;
    switch (route.right) {
        case api::Right::administrator: {
            LS_TRY(proof, parts_.authorizer.administer(caller));
            attempt.administration = proof;
            return {};
        }
        case api::Right::self: {
            LS_TRY(proof, parts_.authorizer.as_self(caller));
            attempt.self = proof;
            return {};
        }
        case api::Right::repository: {
            const auto& name = attempt.found.call.in_path("repository");
            // One that only the body names is looked at when it is here.
            return name.empty() ? Result<void>() : access(attempt, name);
        }
        default:
            return {};
    }
}

Result<void> Api::access(Attempt& attempt, std::string_view name) const {
    if (!is_repository_name(name)) {
        // Nobody has what has no name.
        return Error{Code::not_found, "there is no such repository"};
    }
    attempt.repository = name;
    LS_TRY(access,
           parts_.authorizer.authorize(*attempt.caller, RepositoryName(name),
                                       attempt.found.route->action));
    attempt.access = std::move(access);
    return {};
}

Result<api::Answer> Api::handle(Attempt& attempt, Accounts& accounts) {
    const auto& caller = *attempt.caller;
    const auto& call = attempt.found.call;
    const auto& handle = attempt.found.route->handle;
    if (const auto* of = std::get_if<api::AdministratorHandler>(&handle)) {
        return (*of)(*attempt.administration, accounts, caller, call);
    }
    if (const auto* of = std::get_if<api::IssuerHandler>(&handle)) {
        Issuers issuers(parts_.database, *caller.actor);
        return (*of)(*attempt.administration, issuers, call);
    }
    if (const auto* of = std::get_if<api::RetentionHandler>(&handle)) {
        RetentionRules rules(parts_.database, *caller.actor);
        return (*of)(*attempt.administration, rules, call);
    }
    if (const auto* of = std::get_if<api::SelfHandler>(&handle)) {
        api::OwnAccount account(*attempt.self, accounts, parts_.authorizer,
                                caller);
        return (*of)(account, call);
    }
    if (const auto* of = std::get_if<api::RepositoryHandler>(&handle)) {
        return (*of)(*attempt.access, parts_.packages, call);
    }
    if (const auto* of = std::get_if<api::ReaderHandler>(&handle)) {
        api::Reader reader(parts_.authorizer, caller);
        return (*of)(reader, parts_.packages, call);
    }
    return std::get<api::PublicHandler>(handle)(accounts, call);
}

Result<Reply> Api::run(Attempt& attempt) {
    const auto& question = attempt.question;
    const auto& route = *attempt.found.route;
    auto& call = attempt.found.call;
    LS_CHECK(prove(attempt));
    call.base = std::string(question.prefix) + std::string(api::kMount);
    call.version = parts_.version;
    call.request_id = question.request_id;
    LS_CHECK(api::read_query(route, attempt.request.query, call));
    LS_TRY(wish, read_body(question, attempt.request, route, call));
    if (wish) {
        return std::move(*wish);
    }
    if (!route.named_by.empty()) {
        auto name = call.text(route.named_by);
        if (!is_repository_name(name)) {
            return Error{Code::invalid_argument,
                         "\"" + std::string(route.named_by) +
                             "\" is no name of a repository",
                         {},
                         "/" + std::string(route.named_by)};
        }
        LS_CHECK(access(attempt, name));
    }
    bool reads = route.method == Method::get;
    auto if_match = attempt.request.header("if-match");
    Accounts accounts(
        parts_.database, *attempt.caller->actor,
        route.conditional && !reads ? expected(if_match) : std::nullopt);
    // Looked at first: a tag may be older than what it is of, never newer.
    std::string tag;
    if (route.conditional && reads) {
        LS_TRY(version, accounts.version());
        tag = tag_of(version);
    }
    LS_TRY(answer, handle(attempt, accounts));
    return reply_of(attempt.request, route, call, std::move(answer), tag);
}

Reply Api::refuse(const Attempt& attempt, const Error& error) const {
    Reply reply;
    reply.status = status_of(error);
    reply.error = code_of(error);
    reply.media_type = "application/problem+json";
    bool inside = error.code == Code::internal || error.code == Code::corrupt;
    bool points = reply.status == 422;
    reply.body = InlineBody{problem_body(
        reply.status, reply.error,
        inside ? "the registry failed; its log says why" : error.message,
        points ? std::string_view(error.detail) : std::string_view())};
    reply.header("Cache-Control", "no-store");
    if (reply.status == 401) {
        reply.header("WWW-Authenticate", parts_.authorizer.login_challenge());
    } else if (reply.status == 405) {
        reply.header("Allow", attempt.found.allow);
    } else if (reply.status == 429) {
        reply.header("Retry-After", error.detail.empty() ? "1" : error.detail);
    } else if (reply.status == 503) {
        reply.header("Retry-After", "2");
    }
    return reply;
}

Api::Outcome Api::answer(const Question& question) {
    Attempt one{question, {}, {}, {}, {}, {}, {}, {}};
    one.request.method = parse_method(question.method);
    one.request.headers = question.headers;
    one.request.received = question.type == QuestionType::received;
    auto query = question.target.find('?');
    if (query != std::string_view::npos) {
        one.request.query = question.target.substr(query + 1);
    }
    Outcome outcome;
    auto reply = attempt(one);
    if (parts_.authorizer.enabled() && one.caller) {
        outcome.principal = one.caller->name;
    }
    if (const auto* route = one.found.route) {
        outcome.message = std::string(method_name(route->method)) + " " +
                          std::string(api::kMount) +
                          std::string(route->pattern);
        outcome.repository = one.repository;
        outcome.reference = reference_of(one.found.call);
        if (route->method != Method::get) {
            outcome.action = action_name(
                route->action == Action::none ? Action::admin : route->action);
        }
    }
    if (reply) {
        outcome.reply = std::move(*reply);
    } else {
        const auto& error = reply.error();
        outcome.reply = refuse(one, error);
        outcome.message += outcome.message.empty() ? "" : ": ";
        outcome.message += error.message;
    }
    return outcome;
}

}  // namespace longshore
