#include "common/protocol.hpp"

#include <string>

#include <gtest/gtest.h>

#include "common/bytes.hpp"

namespace longshore {
namespace {

Question full_question(QuestionType type) {
    Question question;
    question.type = type;
    question.id = 0x0102030405060708;
    question.method = "PUT";
    question.target = "/v2/a/manifests/v1?tag=x";
    question.prefix = "/artifacts";
    question.scheme = "https";
    question.host = "registry.example:5000";
    question.peer = "192.0.2.1";
    question.request_id = "0123456789abcdef";
    question.client_cert = "aa11";
    question.headers = {{"accept", "*/*"}, {"if-match", ""}};
    question.body_bytes = -1;
    question.guarded = true;
    if (type == QuestionType::received) {
        question.ticket = std::string_view("t\0k", 3);
        question.body_kind = BodyKind::spool;
        question.size_bytes = UINT64_MAX;
        question.digest = "sha256:00";
        question.digests = {"md5:01", "sha512:02"};
        question.upload_id = "id";
        question.body = "{}";
    }
    return question;
}

Decision full_decision() {
    Decision decision;
    decision.type = DecisionType::receive;
    decision.id = 7;
    decision.repository = "a/b";
    decision.format = "oci";
    decision.action = "push";
    decision.reference = "v1";
    decision.error = "DENIED";
    decision.status = 403;
    decision.headers = {{"location", "/v2/"}};
    decision.body = "body";
    decision.location = "/there";
    decision.digest = "sha256:00";
    decision.media_type = "application/json";
    decision.size_bytes = 1;
    decision.area = Area::documents;
    decision.counted = true;
    decision.into = ReceiveInto::spool;
    decision.max_bytes = 4 << 20;
    decision.algorithms = kMd5 | kBlake2b256;
    decision.upload_id = "id";
    decision.ticket = "ticket";
    decision.ttl_ms = 60000;
    decision.keys = {"m,a,v1", "b,a"};
    decision.grant_ms = 300000;
    decision.grant_keys = {"p", "p,7"};
    decision.drops = {"m,a,v2"};
    return decision;
}

template <typename Decode>
void expect_only_whole(const std::string& message, Decode decode) {
    ASSERT_TRUE(decode(message));
    for (std::size_t size = 0; size < message.size(); ++size) {
        // A copy of exactly this size, so that a sanitizer sees a read
        // behind its end.
        const std::string cut(message, 0, size);
        EXPECT_FALSE(decode(cut)) << size;
    }
    EXPECT_FALSE(decode(message + '\0'));
    for (int version : {0, 2, 4, 255}) {
        auto other = message;
        other[0] = static_cast<char>(version);
        EXPECT_FALSE(decode(other)) << version;
    }
}

TEST(Protocol, QuestionRoundTrip) {
    for (auto type : {QuestionType::ask, QuestionType::received}) {
        auto sent = full_question(type);
        auto message = encode(sent);
        EXPECT_EQ(question_type(message), type);
        auto got = decode_question(message);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->type, sent.type);
        EXPECT_EQ(got->id, sent.id);
        EXPECT_EQ(got->method, sent.method);
        EXPECT_EQ(got->target, sent.target);
        EXPECT_EQ(got->prefix, sent.prefix);
        EXPECT_EQ(got->scheme, sent.scheme);
        EXPECT_EQ(got->host, sent.host);
        EXPECT_EQ(got->peer, sent.peer);
        EXPECT_EQ(got->request_id, sent.request_id);
        EXPECT_EQ(got->client_cert, sent.client_cert);
        ASSERT_EQ(got->headers.size(), 2u);
        EXPECT_EQ(got->headers[0].name, "accept");
        EXPECT_EQ(got->headers[0].value, "*/*");
        EXPECT_EQ(got->headers[1].value, "");
        EXPECT_EQ(got->body_bytes, -1);
        EXPECT_TRUE(got->guarded);
        EXPECT_EQ(got->ticket, sent.ticket);
        EXPECT_EQ(got->body_kind, sent.body_kind);
        EXPECT_EQ(got->size_bytes, sent.size_bytes);
        EXPECT_EQ(got->digest, sent.digest);
        EXPECT_EQ(got->digests, sent.digests);
        EXPECT_EQ(got->upload_id, sent.upload_id);
        EXPECT_EQ(got->body, sent.body);
        EXPECT_EQ(encode(*got), message);
    }
}

TEST(Protocol, DecisionRoundTrip) {
    auto sent = full_decision();
    auto message = encode(sent);
    auto got = decode_decision(message);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->type, sent.type);
    EXPECT_EQ(got->id, sent.id);
    EXPECT_EQ(got->repository, sent.repository);
    EXPECT_EQ(got->format, sent.format);
    EXPECT_EQ(got->action, sent.action);
    EXPECT_EQ(got->reference, sent.reference);
    EXPECT_EQ(got->error, sent.error);
    EXPECT_EQ(got->status, sent.status);
    ASSERT_EQ(got->headers.size(), 1u);
    EXPECT_EQ(got->headers[0].value, "/v2/");
    EXPECT_EQ(got->body, sent.body);
    EXPECT_EQ(got->location, sent.location);
    EXPECT_EQ(got->digest, sent.digest);
    EXPECT_EQ(got->media_type, sent.media_type);
    EXPECT_EQ(got->size_bytes, sent.size_bytes);
    EXPECT_EQ(got->area, sent.area);
    EXPECT_TRUE(got->counted);
    EXPECT_EQ(got->into, sent.into);
    EXPECT_EQ(got->max_bytes, sent.max_bytes);
    EXPECT_EQ(got->algorithms, sent.algorithms);
    EXPECT_EQ(got->upload_id, sent.upload_id);
    EXPECT_EQ(got->ticket, sent.ticket);
    EXPECT_EQ(got->ttl_ms, sent.ttl_ms);
    EXPECT_EQ(got->keys, sent.keys);
    EXPECT_EQ(got->grant_ms, sent.grant_ms);
    EXPECT_EQ(got->grant_keys, sent.grant_keys);
    EXPECT_EQ(got->drops, sent.drops);
    EXPECT_EQ(encode(*got), message);
}

TEST(Protocol, TallyAndInvalidationRoundTrip) {
    Tally tally{{{"a", "v1", 3}, {"b/c", "sha256:00", UINT64_MAX}}};
    auto message = encode(tally);
    auto counted = decode_tally(message);
    ASSERT_TRUE(counted);
    ASSERT_EQ(counted->lines.size(), 2u);
    EXPECT_EQ(counted->lines[1].repository, "b/c");
    EXPECT_EQ(counted->lines[1].count, UINT64_MAX);
    EXPECT_EQ(encode(*counted), message);

    Invalidation invalidation{1, 2, {"m,a,v1", ""}};
    message = encode(invalidation);
    auto dropped = decode_invalidation(message);
    ASSERT_TRUE(dropped);
    EXPECT_EQ(dropped->epoch, 1u);
    EXPECT_EQ(dropped->sequence, 2u);
    EXPECT_EQ(dropped->keys, invalidation.keys);
    EXPECT_EQ(encode(*dropped), message);
}

TEST(Protocol, CutOrLengthenedIsLost) {
    for (auto type : {QuestionType::ask, QuestionType::received}) {
        expect_only_whole(encode(full_question(type)), decode_question);
    }
    expect_only_whole(encode(full_decision()), decode_decision);
    expect_only_whole(encode(Tally{{{"a", "b", 1}}}), decode_tally);
    expect_only_whole(encode(Invalidation{1, 2, {"k"}}), decode_invalidation);
}

TEST(Protocol, TypesDoNotMix) {
    auto ask = encode(full_question(QuestionType::ask));
    EXPECT_FALSE(decode_tally(ask));
    EXPECT_FALSE(decode_question(encode(Tally{})));
    EXPECT_FALSE(question_type(""));
    EXPECT_FALSE(question_type("\x01"));
    for (int type : {0, 4, 255}) {
        auto other = ask;
        other[1] = static_cast<char>(type);
        EXPECT_FALSE(question_type(other)) << type;
        EXPECT_FALSE(decode_question(other)) << type;
    }
    auto decision = encode(full_decision());
    for (int type : {0, 6, 8, 255}) {
        auto other = decision;
        other[1] = static_cast<char>(type);
        EXPECT_FALSE(decode_decision(other)) << type;
    }
}

TEST(Protocol, EveryDecisionTypeIsRead) {
    for (auto type :
         {DecisionType::serve, DecisionType::reply, DecisionType::receive,
          DecisionType::redirect, DecisionType::deny, DecisionType::proceed}) {
        Decision decision;
        decision.type = type;
        auto message = encode(decision);
        auto got = decode_decision(message);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->type, type);
        EXPECT_EQ(got->grant_ms, 0u);
    }
}

TEST(Protocol, KeysOfPackages) {
    EXPECT_EQ(key::package("r", "@s/p"), "n,r,@s/p");
    EXPECT_EQ(key::repository("r"), "r,r");
}

TEST(Protocol, KeysOfGrants) {
    EXPECT_EQ(key::kPolicy, "p");
    EXPECT_EQ(key::principal(42), "p,42");
}

// Each byte of each message at each value: decodes to something that encodes
// to the same bytes, or does not decode.
TEST(Protocol, AnyByteChangedIsReadAsItStandsOrLost) {
    auto check = [](const std::string& message, auto decode) {
        for (std::size_t i = 0; i < message.size(); ++i) {
            for (int value = 0; value < 256; ++value) {
                auto other = message;
                other[i] = static_cast<char>(value);
                if (auto got = decode(other)) {
                    ASSERT_EQ(encode(*got), other) << i << " " << value;
                }
            }
        }
    };
    check(encode(full_question(QuestionType::received)), decode_question);
    check(encode(full_decision()), decode_decision);
    check(encode(Tally{{{"a", "b", 1}}}), decode_tally);
    check(encode(Invalidation{1, 2, {"k", "l"}}), decode_invalidation);
}

// Counts and lengths far beyond the bytes that follow must cost nothing.
TEST(Protocol, HostileCounts) {
    for (unsigned items : {1u, 4096u, 4097u, 65535u}) {
        auto count = static_cast<std::uint16_t>(items);
        ByteWriter tally;
        tally.u8(kProtocolVersion);
        tally.u8(static_cast<std::uint8_t>(QuestionType::tally));
        tally.u16(count);
        EXPECT_FALSE(decode_tally(tally.str())) << count;

        ByteWriter invalidation;
        invalidation.u8(kProtocolVersion);
        invalidation.u64(1);
        invalidation.u64(1);
        invalidation.u16(count);
        for (std::uint32_t length : {1u, 0x7fffffffu, 0xffffffffu}) {
            auto with_length = invalidation;
            with_length.u32(length);
            EXPECT_FALSE(decode_invalidation(with_length.str()));
        }
    }
}

TEST(Protocol, AsManyItemsAsAMessageMayHold) {
    Invalidation invalidation;
    invalidation.keys.assign(kMaxItems, "k");
    auto got = decode_invalidation(encode(invalidation));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->keys.size(), kMaxItems);
    invalidation.keys.emplace_back("k");
    EXPECT_FALSE(decode_invalidation(encode(invalidation)));
    // 65536 + 1 items would wrap to one if the count were just cut.
    invalidation.keys.assign(65537, "");
    EXPECT_FALSE(decode_invalidation(encode(invalidation)));
}

TEST(Bytes, ReaderStopsAtTheFirstShortRead) {
    ByteReader in(std::string_view("\x01\x02\x03", 3));
    EXPECT_EQ(in.u8(), 1);
    EXPECT_EQ(in.u32(), 0u);
    EXPECT_TRUE(in.failed());
    EXPECT_EQ(in.u8(), 0);
    EXPECT_EQ(in.text(), "");
    EXPECT_EQ(in.left(), 0u);
}

TEST(Bytes, LittleEndian) {
    ByteWriter out;
    out.u16(0x0201);
    out.u32(0x06050403);
    out.u64(0x0e0d0c0b0a090807);
    EXPECT_EQ(out.str(),
              "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d"
              "\x0e");
    ByteReader in(out.str());
    EXPECT_EQ(in.u16(), 0x0201);
    EXPECT_EQ(in.u32(), 0x06050403u);
    EXPECT_EQ(in.u64(), 0x0e0d0c0b0a090807u);
    EXPECT_FALSE(in.failed());
}

}  // namespace
}  // namespace longshore
