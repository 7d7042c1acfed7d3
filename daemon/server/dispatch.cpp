#include "server/dispatch.hpp"

#include <chrono>
#include <exception>

#include "common/oci_error.hpp"
#include "common/protocol.hpp"
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
    const Principal& principal;
};

Result<Access> pull_from(void* authority, const RepositoryName& name) {
    const auto& known = *static_cast<Authority*>(authority);
    return known.authorizer.authorize(known.principal, name, Action::pull);
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
    request.body_size = question.size_bytes;
    request.upload_id = question.upload_id;
    return request;
}

// The format whose mount the target lies under; null for none.
const Format* find_format(std::string_view target) {
    for (const auto* format : all_formats()) {
        auto mount = format->info().mount;
        if (!target.starts_with(mount)) {
            continue;
        }
        auto rest = target.substr(mount.size());
        if (rest.empty() || rest[0] == '/' || rest[0] == '?') {
            return format;
        }
    }
    return nullptr;
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
    }
}

}  // namespace

// What became of a question, and the words for log and metrics. `name` and
// `reference` are copies: what the router decoded dies with the router.
struct Dispatch::Outcome {
    Reply reply;
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
    }
}

// Metrics, and one line: writes and failures always, the rest for debugging.
void Dispatch::record(const Question& question, const Outcome& outcome,
                      std::uint64_t duration_us) {
    const auto& reply = outcome.reply;
    // A Receive is no answer yet: it counts as 100 (Continue).
    bool receive = std::holds_alternative<ReceiveMemory>(reply.body) ||
                   std::holds_alternative<ReceiveUpload>(reply.body);
    int status = receive ? 100 : reply.status;
    parts_.metrics.answered(outcome.action, status, duration_us);
    bool write =
        !receive && (outcome.action == "push" || outcome.action == "delete");
    bool failed = status >= 500;
    if (!write && !failed && !log_debug_enabled()) {
        return;
    }
    LogLine line("request");
    line.text("request_id", question.request_id)
        .text("peer", question.peer)
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
        const auto* format = find_format(question->target);
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

// Steps 1 to 3: decode (done), authenticate, mount to format.
Dispatch::Outcome Dispatch::decide(const Question& question) {
    if (question.target.substr(0, question.target.find('?')) ==
        kMetricsTarget) {
        return operator_page(question);
    }
    const auto* format = find_format(question.target);
    if (!format) {
        // A target under no mount, also one that hides its mount behind
        // escapes: the first format refuses it in its own words.
        format = all_formats().front();
    }
    auto principal = parts_.authorizer.authenticate(question);
    if (!principal) {
        Outcome outcome;
        outcome.format = &format->info();
        outcome.message = principal.error().message;
        outcome.reply = format->render(principal.error());
        return outcome;
    }
    return run(question, *principal, *format);
}

// Steps 4 to 6: route, authorize, run the handler.
Dispatch::Outcome Dispatch::run(const Question& question,
                                const Principal& principal,
                                const Format& format) {
    Outcome outcome;
    outcome.format = &format.info();
    auto method = parse_method(question.method);
    std::string scratch(question.target.size(), '\0');
    auto match = format.match(method, question.target, scratch);
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
    auto request = make_request(question, method);
    request.query = match.query;
    request.reference = match.reference;
    auto reply = handle(request, principal, *match.route, match.name);
    if (reply) {
        outcome.reply = std::move(*reply);
        return outcome;
    }
    outcome.reply = format.render(reply.error());
    outcome.message = std::move(reply.error().message);
    return outcome;
}

Result<Reply> Dispatch::handle(const Request& request,
                               const Principal& principal, const Route& route,
                               std::string_view name) {
    Authority authority{parts_.authorizer, principal};
    Context ctx{nullptr,   parts_.catalog, parts_.publisher, parts_.uploads,
                pull_from, &authority,     parts_.settings};
    if (!route.named) {
        LS_CHECK(parts_.authorizer.authorize_registry(principal, route.action));
        return route.handle(ctx, request);
    }
    LS_TRY(access, parts_.authorizer.authorize(principal, RepositoryName(name),
                                               route.action));
    ctx.access = &access;
    return route.handle(ctx, request);
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
    outcome.reply.body = InlineBody{parts_.metrics.open_metrics()};
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
    for (const auto& [name, value] : reply.headers) {
        decision.headers.push_back({name, value});
    }
    decision.ttl_ms = reply.ttl_ms;
    decision.keys.assign(reply.keys.begin(), reply.keys.end());
    decision.drops.assign(drops.begin(), drops.end());
    return encode(decision);
}

}  // namespace longshore
