#include "server/dispatch.hpp"

#include <algorithm>
#include <chrono>
#include <exception>

#include "api/api.hpp"
#include "auth/scope.hpp"
#include "common/oci_error.hpp"
#include "common/package_path.hpp"
#include "common/protocol.hpp"
#include "registry/repositories.hpp"
#include "registry/uses.hpp"
#include "server/audit_hook.hpp"
#include "server/identity.hpp"
#include "server/log.hpp"

namespace longshore {
namespace {

// A tag list of any length may hang on one manifest; a message is bounded.
std::vector<std::string> bounded_drops(const std::vector<std::string>& drops) {
    if (drops.size() > kMaxItems) {
        return {std::string(key::kEverything)};
    }
    return drops;
}

using Clock = std::chrono::steady_clock;

constexpr std::string_view kMetricsTarget = "/-/metrics";

std::uint64_t microseconds_since(Clock::time_point start) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() -
                                                              start)
            .count());
}

struct Authority {
    const Authorizer& authorizer;
    const Caller& caller;
};

Result<Access> pull_from(void* authority, const RepositoryName& name) {
    const auto& known = *static_cast<Authority*>(authority);
    return known.authorizer.authorize(known.caller, name, Action::pull);
}

bool may_list(void* authority, std::string_view name) {
    const auto& known = *static_cast<Authority*>(authority);
    return known.authorizer.may_list(known.caller, name);
}

std::optional<std::string> list_from(void* authority, std::string_view last) {
    const auto& known = *static_cast<Authority*>(authority);
    return known.authorizer.list_from(known.caller, last);
}

Request make_request(const Question& question, Method method) {
    Request request;
    request.method = method;
    request.target = question.target;
    request.prefix = question.prefix;
    request.peer = question.peer;
    request.request_id = question.request_id;
    request.headers = question.headers;
    request.body_bytes = question.body_bytes;
    request.received = question.type == QuestionType::received;
    request.body_kind = question.body_kind;
    request.body = question.body;
    request.body_digest = question.digest;
    request.body_digests = question.digests;
    request.body_size = question.size_bytes;
    request.upload_id = question.upload_id;
    return request;
}

bool is_under(std::string_view target, std::string_view mount) {
    if (mount.empty() || !target.starts_with(mount)) {
        return false;
    }
    auto rest = target.substr(mount.size());
    return rest.empty() || rest[0] == '/' || rest[0] == '?';
}

// The format whose mount the target lies under; null for none.
const Format* mounted_at(std::string_view target) {
    auto path = parse_package_path(target);
    for (const auto* format : all_formats()) {
        const auto& info = format->info();
        if (is_under(target, info.mount) ||
            (path && std::find(info.mounts.begin(), info.mounts.end(),
                               path->mount) != info.mounts.end())) {
            return format;
        }
    }
    return nullptr;
}

const Format& oci_format() {
    return *find_format(all_formats(), "oci");
}

bool is_packages(const Format& format) {
    return !format.info().mounts.empty();
}

bool is_loopback(std::string_view peer) {
    return peer.starts_with("127.") || peer == "::1" ||
           peer.starts_with("unix:");
}

Reply plain_error(int status, std::string_view code) {
    Reply reply;
    reply.status = status;
    reply.media_type = "application/json";
    reply.error = code;
    reply.body =
        InlineBody{oci_error_body(code, oci_message_for_status(status))};
    return reply;
}

// Reply to Decision. Every view points into `reply`.
void set_body(Decision& decision, const Reply& reply) {
    if (const auto* body = std::get_if<InlineBody>(&reply.body)) {
        decision.body = body->bytes;
        decision.media_type = reply.media_type;
    } else if (const auto* blob = std::get_if<BlobBody>(&reply.body)) {
        decision.type = DecisionType::serve;
        decision.digest = blob->digest.text();
        decision.size_bytes = blob->size_bytes;
        decision.area = blob->area;
        decision.media_type = reply.media_type;
    } else if (const auto* memory = std::get_if<ReceiveMemory>(&reply.body)) {
        decision.type = DecisionType::receive;
        decision.into = ReceiveInto::memory;
        decision.max_bytes = memory->max_bytes;
    } else if (const auto* up = std::get_if<ReceiveUpload>(&reply.body)) {
        decision.type = DecisionType::receive;
        decision.into = ReceiveInto::upload;
        decision.upload_id = up->upload_id;
        decision.max_bytes = up->max_bytes;
        decision.digest = up->expected.text();
    } else if (const auto* spool = std::get_if<ReceiveSpool>(&reply.body)) {
        decision.type = DecisionType::receive;
        decision.into = ReceiveInto::spool;
        decision.max_bytes = spool->max_bytes;
        decision.algorithms = spool->algorithms;
    }
}

// Whether nginx is asked for the body, which is no answer yet.
bool is_receive(const Reply& reply) {
    return std::holds_alternative<ReceiveMemory>(reply.body) ||
           std::holds_alternative<ReceiveUpload>(reply.body) ||
           std::holds_alternative<ReceiveSpool>(reply.body);
}

std::string base_of(const Authorizer& authorizer, const Question& question,
                    std::string_view name) {
    auto path = parse_package_path(question.target);
    auto base = authorizer.base(question);
    if (path) {
        base += "/" + std::string(path->mount) + "/" + std::string(name);
    }
    return base;
}

}  // namespace

Result<void> check_routes(std::span<const Format* const> formats) {
    for (const auto* format : formats) {
        for (const auto& route : format->routes()) {
            bool readable = !is_packages(*format) || is_pattern(route.pattern);
            if (route.action == Action::none || route.handle == nullptr ||
                !readable) {
                return Error{Code::internal,
                             "route " + std::string(method_name(route.method)) +
                                 " " + std::string(route.pattern) + " of " +
                                 std::string(format->info().key) +
                                 " has no action, no handler or no pattern"};
            }
        }
    }
    return {};
}

// What became of a question, and the words for log and metrics. `name` and
// `reference` are copies: what the router decoded dies with the router.
struct Dispatch::Outcome {
    Reply reply;
    bool proceed = false;  // nginx goes on with it; there is no reply
    Grant grant;
    std::string principal;
    std::shared_ptr<const Actor> actor;  // null: nobody was found out
    const FormatInfo* format = nullptr;
    std::string_view action;
    std::string name;
    std::string reference;
    std::string message;  // of an Error, for the log
};

std::string Dispatch::answer(std::string_view message) noexcept {
    auto start = Clock::now();
    try {
        if (question_type(message) == QuestionType::tally) {
            count(message);
            return {};
        }
        auto question = decode_question(message);
        if (!question) {
            parts_.metrics.bad_message();
            return {};
        }
        Outcome outcome;
        try {
            outcome = decide(*question);
        } catch (const std::exception& error) {
            outcome.reply = plain_error(500, "UNKNOWN");
            outcome.message = error.what();
        }
        record(*question, outcome, microseconds_since(start));
        return finish(*question, outcome);
    } catch (...) {
        // Only memory can be out here; nginx's deadline answers the client.
        parts_.metrics.lost_answer();
        return {};
    }
}

void Dispatch::count(std::string_view message) {
    auto tally = decode_tally(message);
    if (!tally) {
        parts_.metrics.bad_message();
        return;
    }
    for (const auto& line : tally->lines) {
        parts_.metrics.cached(line.count);
        if (parts_.uses != nullptr && !line.reference.empty()) {
            parts_.uses->note(line.repository, line.reference);
        }
    }
    if (auto counted = parts_.packages.publisher.count(tally->lines);
        !counted) {
        LogLine("downloads not counted")
            .text("message", counted.error().message)
            .warning();
    }
}

// Metrics, and one line: writes and failures always, the rest for debugging.
void Dispatch::record(const Question& question, const Outcome& outcome,
                      std::uint64_t duration_us) {
    const auto& reply = outcome.reply;
    // A Receive is no answer yet, nor a Proceed: 100 (Continue).
    bool receive = outcome.proceed || is_receive(reply);
    int status = receive ? 100 : reply.status;
    parts_.metrics.answered(outcome.action, status, duration_us);
    tell_refusal(parts_.guards, question,
                 {status, outcome.action, outcome.name, outcome.reference,
                  outcome.message, outcome.actor.get()});
    bool write =
        !receive && (outcome.action == "push" || outcome.action == "delete" ||
                     outcome.action == "admin");
    bool failed = status >= 500;
    if (!write && !failed && !log_debug_enabled()) {
        return;
    }
    LogLine line("request");
    line.text("request_id", question.request_id)
        .text("peer", question.peer)
        .text("principal", outcome.principal)
        .text("method", question.method)
        .text("repository", outcome.name)
        .text("format", outcome.format ? outcome.format->key : "")
        .text("action", outcome.action)
        .text("reference", outcome.reference)
        .number("status", status)
        .text("error", reply.error)
        .text("message", outcome.message)
        .number("us", static_cast<std::int64_t>(duration_us));
    failed ? line.error() : write ? line.info() : line.debug();
}

std::string Dispatch::refuse(std::string_view message) noexcept {
    try {
        auto question = decode_question(message);
        if (!question) {
            if (question_type(message) != QuestionType::tally) {
                parts_.metrics.bad_message();
            }
            return {};
        }
        parts_.metrics.overloaded();
        Outcome outcome;
        const auto* format = mounted_at(question->target);
        if (format) {
            outcome.format = &format->info();
            outcome.reply = format->render(
                Error{Code::unavailable, "the registry is busy, retry later",
                      "UNAVAILABLE"});
        } else {
            outcome.reply = plain_error(503, "UNAVAILABLE");
        }
        return finish(*question, outcome);
    } catch (...) {
        parts_.metrics.lost_answer();
        return {};
    }
}

// Steps 1 and 2: decode (done), mount to format.
Dispatch::Outcome Dispatch::decide(const Question& question) {
    auto path = question.target.substr(0, question.target.find('?'));
    if (path == kMetricsTarget) {
        return operator_page(question);
    }
    const auto* format = mounted_at(question.target);
    if (!format) {
        // A target under no mount, also one that hides its mount behind
        // escapes: OCI refuses it in its own words.
        format = &oci_format();
    }
    if (parts_.authorizer.enabled() && !question.guarded) {
        return unguarded(*format);
    }
    if (path == kTokenTarget && parts_.tokens != nullptr) {
        Outcome outcome;
        outcome.reply = parts_.tokens->answer(question);
        return outcome;
    }
    if (path == kSetupTarget && parts_.setup != nullptr) {
        return setup_page(question);
    }
    if (parts_.api != nullptr && is_api_target(path)) {
        return api_answer(question);
    }
    return run(question, *format);
}

Dispatch::Outcome Dispatch::setup_page(const Question& question) {
    auto answer = parts_.setup->answer(question);
    if (!answer.made.empty() || answer.wrong_key) {
        LogLine line("setup");
        line.text("request_id", question.request_id)
            .text("peer", question.peer)
            .text("principal", answer.made)
            .text("message", answer.wrong_key ? "the key is not good"
                                              : "the first administrator");
        answer.wrong_key ? line.warning() : line.info();
    }
    Outcome outcome;
    outcome.reply = std::move(answer.reply);
    return outcome;
}

Dispatch::Outcome Dispatch::api_answer(const Question& question) const {
    auto answer = parts_.api->answer(question);
    Outcome outcome;
    outcome.reply = std::move(answer.reply);
    outcome.action = answer.action;
    outcome.name = std::move(answer.repository);
    outcome.principal = std::move(answer.principal);
    outcome.reference = std::move(answer.reference);
    outcome.message = std::move(answer.message);
    return outcome;
}

// An nginx that looks at nobody would serve from its memory and the disk what
// only some may see: the two settings contradict each other.
Dispatch::Outcome Dispatch::unguarded(const Format& format) const {
    Outcome outcome;
    outcome.format = &format.info();
    outcome.message =
        "auth is on here and registry_auth is off in nginx: nothing is "
        "served until both say the same";
    outcome.reply = format.render(
        Error{Code::unavailable,
              "the registry is not set up: registry_auth and auth differ",
              "UNAVAILABLE"});
    return outcome;
}

// 401 with its challenge, 403, 429, 503.
void Dispatch::refuse_caller(const Question& question, const Match& match,
                             const Format& format, const Error& error,
                             std::string_view challenge_error,
                             Outcome& outcome) const {
    outcome.message = error.message;
    outcome.reply = format.render(error);
    auto& headers = outcome.reply.headers;
    if (error.code == Code::unauthenticated) {
        std::string scope;
        if (match.route != nullptr) {
            scope = match.route->named
                        ? scope_text(match.name, match.route->action)
                        : std::string(match.route->scope);
        }
        outcome.reply.header("WWW-Authenticate",
                             is_packages(format)
                                 ? parts_.authorizer.login_challenge()
                                 : parts_.authorizer.challenge(
                                       question, scope, challenge_error));
    } else if (error.code == Code::denied && is_packages(format)) {
        outcome.reply.status = format.info().denied_status;
    } else if (error.code == Code::rate_limited && !error.detail.empty()) {
        std::erase_if(headers, [](const auto& header) {
            return header.first == "Retry-After";
        });
        outcome.reply.header("Retry-After", error.detail);
    }
}

// Steps 3 to 6: authenticate, route, authorize, run the handler. The route is
// looked up first only so that a challenge can name its scope.
Dispatch::Outcome Dispatch::run(const Question& question,
                                const Format& format) {
    Outcome outcome;
    outcome.format = &format.info();
    std::string scratch(question.target.size(), '\0');
    auto match =
        format.match(parse_method(question.method), question.target, scratch);
    auto caller = parts_.authorizer.authenticate(question);
    if (!caller) {
        refuse_caller(question, match, format, caller.error(),
                      Authorizer::credential_error(question), outcome);
        return outcome;
    }
    if (parts_.authorizer.enabled()) {
        outcome.principal = caller->name;
    }
    outcome.actor = caller->actor;
    outcome.reference = match.reference;
    if (!match.route) {
        auto error = match.error.value_or(Error{Code::not_found, ""});
        outcome.reply = format.render(error);
        outcome.message = std::move(error.message);
        if (!match.allow.empty()) {
            outcome.reply.header("Allow", match.allow);
        }
        return outcome;
    }
    outcome.name = match.name;
    outcome.action = action_name(match.route->action);
    auto reply = handle(question, format, match, *caller, outcome);
    if (reply) {
        outcome.reply = std::move(*reply);
        if (!outcome.reply.reference.empty()) {
            outcome.reference = outcome.reply.reference;
        }
        // nginx gives what it keeps to everybody who may pull.
        if (match.route->named && match.route->action != Action::pull) {
            outcome.reply.ttl_ms = 0;
        }
        // Also what a format need not think of: its repository's end.
        if (outcome.reply.ttl_ms != 0 && is_packages(format)) {
            outcome.reply.keys.push_back(key::repository(match.name));
        }
        grant(question, *caller, match.route->named, outcome);
        return outcome;
    }
    bool narrow = caller->kind == CredentialKind::access_token;
    refuse_caller(question, match, format, reply.error(),
                  narrow ? "insufficient_scope" : "", outcome);
    return outcome;
}

Result<Reply> Dispatch::handle(const Question& question, const Format& format,
                               Match& match, const Caller& caller,
                               Outcome& outcome) {
    const auto& route = *match.route;
    const auto& packages = parts_.packages;
    Authority authority{parts_.authorizer, caller};
    CallerIdentity identity(packages.database, parts_.authorizer, question,
                            caller, match.name);
    TransparencyLog transparency(packages.database);
    Context ctx{nullptr,
                parts_.catalog,
                parts_.publisher,
                parts_.uploads,
                pull_from,
                may_list,
                list_from,
                &authority,
                parts_.settings,
                nullptr,
                packages.catalog,
                packages.publisher,
                packages.blobs,
                packages.indexes,
                identity,
                packages.signing,
                transparency,
                is_packages(format)
                    ? base_of(parts_.authorizer, question, match.name)
                    : std::string()};
    auto request = make_request(question, parse_method(question.method));
    request.query = match.query;
    request.reference = match.reference;
    request.parameters = std::move(match.parameters);
    request.ends_in_slash = match.ends_in_slash;
    if (route.open) {
        return call(route, ctx, request);
    }
    if (!route.named) {
        LS_CHECK(parts_.authorizer.authorize_registry(caller, route.action,
                                                      route.scope));
        return call(route, ctx, request);
    }
    LS_TRY(access, parts_.authorizer.authorize(
                       caller, RepositoryName(match.name), route.action));
    if (route.in_nginx && question.guarded && !request.received) {
        outcome.proceed = true;
        return Reply{};
    }
    ctx.access = &access;
    if (!is_packages(format)) {
        return call(route, ctx, request);
    }
    LS_TRY(repository, packages.repositories.find(access));
    if (repository.format != format.info().key) {
        return Error{Code::not_found, "repository " + repository.key +
                                          " is of format " + repository.format};
    }
    ctx.repository = &repository;
    return call(route, ctx, request);
}

// The body first, if the route wants one.
Result<Reply> Dispatch::call(const Route& route, Context& ctx,
                             const Request& request) const {
    if (route.body == BodyMode::handler || request.received) {
        return route.handle(ctx, request);
    }
    if (route.before != nullptr) {
        LS_CHECK(route.before(ctx, request));
    }
    auto max_bytes = route.max_body_bytes;
    Reply reply;
    if (route.body == BodyMode::memory) {
        reply.body = ReceiveMemory{max_bytes};
    } else {
        max_bytes = max_bytes == 0 ? parts_.settings.max_file_bytes : max_bytes;
        reply.body = ReceiveSpool{max_bytes, route.algorithms};
    }
    bool too_long = max_bytes != 0 && request.body_bytes > 0 &&
                    static_cast<std::uint64_t>(request.body_bytes) > max_bytes;
    if (too_long) {
        return Error{Code::too_large, "at most " + std::to_string(max_bytes) +
                                          " bytes are taken here"};
    }
    return reply;
}

// What nginx may take for granted from now on. An answer that belongs to no
// repository is kept for this caller alone, and no longer than a grant.
void Dispatch::grant(const Question& question, const Caller& caller, bool named,
                     Outcome& outcome) const {
    if (!question.guarded) {
        return;
    }
    auto grant = parts_.authorizer.grant(caller);
    if (named) {
        outcome.grant = std::move(grant);
    } else if (outcome.reply.ttl_ms != 0) {
        outcome.reply.ttl_ms = std::min(outcome.reply.ttl_ms, grant.ms);
        for (auto& key : grant.keys) {
            outcome.reply.keys.push_back(std::move(key));
        }
    }
}

// For the operator, not for the world: only from this machine.
Dispatch::Outcome Dispatch::operator_page(const Question& question) const {
    Outcome outcome;
    if (!is_loopback(question.peer)) {
        outcome.reply = plain_error(404, "NAME_UNKNOWN");
        return outcome;
    }
    outcome.reply.media_type =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";
    auto logins = parts_.guards != nullptr
                      ? parts_.guards->counts().open_metrics()
                      : std::string();
    outcome.reply.body = InlineBody{parts_.metrics.open_metrics(logins)};
    return outcome;
}

// Step 7: publish what became stale, then make the Decision.
std::string Dispatch::finish(const Question& question, const Outcome& outcome) {
    const auto& reply = outcome.reply;
    auto drops = bounded_drops(reply.drops);
    parts_.invalidations.publish(drops);
    Decision decision;
    decision.type =
        reply.error.empty() ? DecisionType::reply : DecisionType::deny;
    decision.id = question.id;
    decision.repository = outcome.name;
    if (outcome.format) {
        decision.format = outcome.format->key;
        decision.headers.assign(outcome.format->headers.begin(),
                                outcome.format->headers.end());
    }
    decision.action = outcome.action;
    decision.reference = outcome.reference;
    decision.error = reply.error;
    decision.status = static_cast<std::uint16_t>(reply.status);
    set_body(decision, reply);
    if (outcome.proceed) {
        decision.type = DecisionType::proceed;
    }
    if (decision.type != DecisionType::deny) {
        decision.grant_ms = outcome.grant.ms;
        decision.grant_keys.assign(outcome.grant.keys.begin(),
                                   outcome.grant.keys.end());
    }
    for (const auto& [name, value] : reply.headers) {
        decision.headers.push_back({name, value});
    }
    decision.counted = reply.counted;
    decision.ttl_ms = reply.ttl_ms;
    decision.keys.assign(reply.keys.begin(), reply.keys.end());
    decision.drops.assign(drops.begin(), drops.end());
    return encode(decision);
}

}  // namespace longshore
