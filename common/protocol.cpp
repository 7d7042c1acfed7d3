#include "common/protocol.hpp"

#include <algorithm>

#include "common/bytes.hpp"

namespace longshore {
namespace {

// A list that is too long is cut to one item more than a reader takes, so
// that the message is lost as a whole instead of being read as another.
std::uint16_t count_of(std::size_t size) noexcept {
    return static_cast<std::uint16_t>(std::min(size, kMaxItems + 1));
}

void put(ByteWriter& out, const std::vector<HeaderField>& headers) {
    out.u16(count_of(headers.size()));
    for (const auto& header : headers) {
        out.text(header.name);
        out.text(header.value);
    }
}

void put(ByteWriter& out, const std::vector<std::string_view>& texts) {
    out.u16(count_of(texts.size()));
    for (auto text : texts) {
        out.text(text);
    }
}

std::size_t take_count(ByteReader& in) {
    std::size_t count = in.u16();
    if (count > kMaxItems) {
        in.fail();
    }
    return count;
}

void take(ByteReader& in, std::vector<HeaderField>& headers) {
    std::size_t count = take_count(in);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        HeaderField header;
        header.name = in.text();
        header.value = in.text();
        headers.push_back(header);
    }
}

void take(ByteReader& in, std::vector<std::string_view>& texts) {
    std::size_t count = take_count(in);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        texts.push_back(in.text());
    }
}

bool is_decision_type(std::uint8_t type) noexcept {
    switch (static_cast<DecisionType>(type)) {
        case DecisionType::serve:
        case DecisionType::reply:
        case DecisionType::receive:
        case DecisionType::redirect:
        case DecisionType::deny:
        case DecisionType::proceed:
            return true;
    }
    return false;
}

// A message is good when all of it was read and nothing is left over.
template <typename T>
std::optional<T> finish(const ByteReader& in, T message) {
    if (in.failed() || in.left() != 0) {
        return std::nullopt;
    }
    return message;
}

}  // namespace

std::string encode(const Question& question) {
    ByteWriter out;
    out.u8(kProtocolVersion);
    out.u8(static_cast<std::uint8_t>(question.type));
    out.u64(question.id);
    for (auto text : {question.method, question.target, question.prefix,
                      question.scheme, question.host, question.peer,
                      question.request_id, question.client_cert}) {
        out.text(text);
    }
    put(out, question.headers);
    out.u64(static_cast<std::uint64_t>(question.body_bytes));
    out.u8(question.guarded ? 1 : 0);
    if (question.type == QuestionType::received) {
        out.text(question.ticket);
        out.u8(static_cast<std::uint8_t>(question.body_kind));
        out.u64(question.size_bytes);
        out.text(question.digest);
        put(out, question.digests);
        out.text(question.upload_id);
        out.text(question.body);
    }
    return out.take();
}

std::optional<QuestionType> question_type(std::string_view message) noexcept {
    ByteReader in(message);
    if (in.u8() != kProtocolVersion) {
        return std::nullopt;
    }
    switch (auto type = static_cast<QuestionType>(in.u8())) {
        case QuestionType::ask:
        case QuestionType::received:
        case QuestionType::tally:
            return in.failed() ? std::nullopt : std::optional(type);
    }
    return std::nullopt;
}

std::optional<Question> decode_question(std::string_view message) {
    auto type = question_type(message);
    if (!type || *type == QuestionType::tally) {
        return std::nullopt;
    }
    ByteReader in(message.substr(2));
    Question question;
    question.type = *type;
    question.id = in.u64();
    for (auto text : {&question.method, &question.target, &question.prefix,
                      &question.scheme, &question.host, &question.peer,
                      &question.request_id, &question.client_cert}) {
        *text = in.text();
    }
    take(in, question.headers);
    question.body_bytes = static_cast<std::int64_t>(in.u64());
    auto guarded = in.u8();
    if (guarded > 1) {
        return std::nullopt;
    }
    question.guarded = guarded == 1;
    if (question.type == QuestionType::received) {
        question.ticket = in.text();
        auto kind = in.u8();
        if (kind > static_cast<std::uint8_t>(BodyKind::spool)) {
            return std::nullopt;
        }
        question.body_kind = static_cast<BodyKind>(kind);
        question.size_bytes = in.u64();
        question.digest = in.text();
        take(in, question.digests);
        question.upload_id = in.text();
        question.body = in.text();
    }
    return finish(in, std::move(question));
}

std::string encode(const Tally& tally) {
    ByteWriter out;
    out.u8(kProtocolVersion);
    out.u8(static_cast<std::uint8_t>(QuestionType::tally));
    out.u16(count_of(tally.lines.size()));
    for (const auto& line : tally.lines) {
        out.text(line.repository);
        out.text(line.reference);
        out.u64(line.count);
    }
    return out.take();
}

std::optional<Tally> decode_tally(std::string_view message) {
    if (question_type(message) != QuestionType::tally) {
        return std::nullopt;
    }
    ByteReader in(message.substr(2));
    Tally tally;
    std::size_t count = take_count(in);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        TallyLine line;
        line.repository = in.text();
        line.reference = in.text();
        line.count = in.u64();
        tally.lines.push_back(line);
    }
    return finish(in, std::move(tally));
}

std::string encode(const Decision& decision) {
    ByteWriter out;
    out.u8(kProtocolVersion);
    out.u8(static_cast<std::uint8_t>(decision.type));
    out.u64(decision.id);
    for (auto text : {decision.repository, decision.format, decision.action,
                      decision.reference, decision.error}) {
        out.text(text);
    }
    out.u16(decision.status);
    put(out, decision.headers);
    out.text(decision.body);
    out.text(decision.location);
    out.text(decision.digest);
    out.text(decision.media_type);
    out.u64(decision.size_bytes);
    out.u8(static_cast<std::uint8_t>(decision.area));
    out.u8(decision.counted ? 1 : 0);
    out.u8(static_cast<std::uint8_t>(decision.into));
    out.u64(decision.max_bytes);
    out.u8(decision.algorithms);
    out.text(decision.upload_id);
    out.text(decision.ticket);
    out.u32(decision.ttl_ms);
    put(out, decision.keys);
    out.u32(decision.grant_ms);
    put(out, decision.grant_keys);
    put(out, decision.drops);
    return out.take();
}

std::optional<Decision> decode_decision(std::string_view message) {
    ByteReader in(message);
    if (in.u8() != kProtocolVersion) {
        return std::nullopt;
    }
    auto type = in.u8();
    if (!is_decision_type(type)) {
        return std::nullopt;
    }
    Decision decision;
    decision.type = static_cast<DecisionType>(type);
    decision.id = in.u64();
    for (auto text : {&decision.repository, &decision.format, &decision.action,
                      &decision.reference, &decision.error}) {
        *text = in.text();
    }
    decision.status = in.u16();
    take(in, decision.headers);
    decision.body = in.text();
    decision.location = in.text();
    decision.digest = in.text();
    decision.media_type = in.text();
    decision.size_bytes = in.u64();
    auto area = in.u8();
    auto counted = in.u8();
    auto into = in.u8();
    if (area > static_cast<std::uint8_t>(Area::documents) || counted > 1 ||
        into < static_cast<std::uint8_t>(ReceiveInto::memory) ||
        into > static_cast<std::uint8_t>(ReceiveInto::spool)) {
        return std::nullopt;
    }
    decision.area = static_cast<Area>(area);
    decision.counted = counted == 1;
    decision.into = static_cast<ReceiveInto>(into);
    decision.max_bytes = in.u64();
    decision.algorithms = in.u8();
    if (decision.algorithms > (kMd5 | kSha1 | kSha512 | kBlake2b256)) {
        return std::nullopt;
    }
    decision.upload_id = in.text();
    decision.ticket = in.text();
    decision.ttl_ms = in.u32();
    take(in, decision.keys);
    decision.grant_ms = in.u32();
    take(in, decision.grant_keys);
    take(in, decision.drops);
    return finish(in, std::move(decision));
}

std::string encode(const Invalidation& invalidation) {
    ByteWriter out;
    out.u8(kProtocolVersion);
    out.u64(invalidation.epoch);
    out.u64(invalidation.sequence);
    put(out, invalidation.keys);
    return out.take();
}

std::optional<Invalidation> decode_invalidation(std::string_view message) {
    ByteReader in(message);
    if (in.u8() != kProtocolVersion) {
        return std::nullopt;
    }
    Invalidation invalidation;
    invalidation.epoch = in.u64();
    invalidation.sequence = in.u64();
    take(in, invalidation.keys);
    return finish(in, std::move(invalidation));
}

}  // namespace longshore
