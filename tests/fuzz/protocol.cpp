// Input: a message of the seam, of either direction.
#include "common/protocol.hpp"

#include <string>

#include "fuzz.hpp"

using namespace longshore;
using fuzz::inside;
using fuzz::require;

namespace {

void check_views(const Question& question, std::string_view message) {
    for (auto view :
         {question.method, question.target, question.prefix, question.scheme,
          question.host, question.peer, question.request_id,
          question.client_cert, question.ticket, question.digest,
          question.upload_id, question.body}) {
        require(inside(view, message), "views stay inside");
    }
    for (auto view : question.digests) {
        require(inside(view, message), "digests stay inside");
    }
    for (const auto& header : question.headers) {
        require(inside(header.name, message) && inside(header.value, message),
                "headers stay inside");
    }
}

void check_views(const Decision& decision, std::string_view message) {
    for (auto view : {decision.repository, decision.format, decision.action,
                      decision.reference, decision.error, decision.body,
                      decision.location, decision.digest, decision.media_type,
                      decision.upload_id, decision.ticket}) {
        require(inside(view, message), "views stay inside");
    }
    for (const auto& header : decision.headers) {
        require(inside(header.name, message) && inside(header.value, message),
                "headers stay inside");
    }
    for (const auto& list :
         {decision.keys, decision.grant_keys, decision.drops}) {
        for (auto view : list) {
            require(inside(view, message), "keys stay inside");
        }
    }
}

void check_views(const Tally& tally, std::string_view message) {
    for (const auto& line : tally.lines) {
        require(
            inside(line.repository, message) && inside(line.reference, message),
            "lines stay inside");
    }
}

void check_views(const Invalidation& invalidation, std::string_view message) {
    for (auto view : invalidation.keys) {
        require(inside(view, message), "keys stay inside");
    }
}

template <typename T>
bool check(const std::optional<T>& decoded, const std::string& message) {
    if (decoded) {
        check_views(*decoded, message);
        require(encode(*decoded) == message, "encodes to the same bytes");
    }
    return decoded.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    const std::string message(fuzz::text(data, size));
    bool question = check(decode_question(message), message);
    bool tally = check(decode_tally(message), message);
    check(decode_decision(message), message);
    check(decode_invalidation(message), message);
    require(!(question && tally), "a message to the daemon has one type");
    require(!(question || tally) || question_type(message).has_value(),
            "what decodes has a type");
    return 0;
}
