// Micro-benchmarks of what every request and every upload is made of: names,
// ranges, the seam's messages, tokens and the running hash. bench/micro/run
// calls it; each input is first shown to be understood, so that no refusal is
// timed.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "common/digest.hpp"
#include "common/hash.hpp"
#include "common/oci_path.hpp"
#include "common/protocol.hpp"
#include "common/range.hpp"
#include "common/token.hpp"
#include "common/upload_state.hpp"

namespace longshore {
namespace {

constexpr std::string_view kDigest =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// Timing something that failed would be a lie: the benchmark then says so.
bool holds(benchmark::State& state, bool right) {
    if (!right) {
        state.SkipWithError("the input was not understood");
    }
    return right;
}

void parse_path(benchmark::State& state, const std::string& target,
                OciRoute route) {
    std::array<char, 1024> scratch{};
    const OciPath path = parse_oci_path(target, scratch);
    if (!holds(state,
               path.route == route && path.problem == OciProblem::none)) {
        return;
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(parse_oci_path(target, scratch));
    }
}
BENCHMARK_CAPTURE(parse_path, blob,
                  "/v2/library/alpine/blobs/" + std::string(kDigest),
                  OciRoute::blob);
BENCHMARK_CAPTURE(parse_path, tag, "/v2/library/alpine/manifests/latest",
                  OciRoute::manifest);
BENCHMARK_CAPTURE(parse_path, escaped,
                  "/v2/library/alp%69ne/manifests/la%74est",
                  OciRoute::manifest);
BENCHMARK_CAPTURE(
    parse_path, upload,
    "/v2/a/b/blobs/uploads/0b0cf6ae-5a3f-4f0c-9f5d-3e6a3cbf2f10?_state=x",
    OciRoute::upload);

void parse_digest(benchmark::State& state) {
    Digest digest;
    if (!holds(state, Digest::parse(kDigest, digest))) {
        return;
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(Digest::parse(kDigest, digest));
        benchmark::DoNotOptimize(digest);
    }
}
BENCHMARK(parse_digest);

std::string range_value(std::int64_t count) {
    std::string value = "bytes=";
    for (std::int64_t i = 0; i < count; ++i) {
        value += (i == 0 ? "" : ",") + std::to_string(i * 100000) + "-" +
                 std::to_string(i * 100000 + 65535);
    }
    return value;
}

void parse_ranges(benchmark::State& state) {
    const std::string value = range_value(state.range(0));
    std::vector<ByteRange> out(count_ranges(value));
    const RangeResult found = parse_range(value, 1U << 30U, out);
    if (!holds(state,
               found.verdict == RangeVerdict::partial &&
                   found.count == static_cast<std::size_t>(state.range(0)))) {
        return;
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(parse_range(value, 1U << 30U, out));
    }
}
BENCHMARK(parse_ranges)->Arg(1)->Arg(64)->Arg(1024);

Question usual_question() {
    Question question;
    question.id = 42;
    question.method = "GET";
    question.target = "/v2/library/alpine/manifests/latest";
    question.scheme = "https";
    question.host = "registry.example.com";
    question.peer = "192.0.2.17";
    question.request_id = "9f86d081884c7d659a2feaa0c55ad015";
    question.headers = {
        {"Accept",
         "application/vnd.oci.image.index.v1+json, "
         "application/vnd.oci.image.manifest.v1+json"},
        {"User-Agent", "containers/5.24.1 (github.com/containers/image)"}};
    return question;
}

void encode_question(benchmark::State& state) {
    const Question question = usual_question();
    for (auto _ : state) {
        benchmark::DoNotOptimize(encode(question));
    }
}
BENCHMARK(encode_question);

void decode_question_message(benchmark::State& state) {
    const std::string message = encode(usual_question());
    if (!holds(state, decode_question(message).has_value())) {
        return;
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(decode_question(message));
    }
}
BENCHMARK(decode_question_message);

// A manifest of `range(0)` bytes that nginx may keep.
Decision usual_decision(const std::string& body, const std::string& key) {
    Decision decision;
    decision.type = DecisionType::reply;
    decision.id = 42;
    decision.repository = "library/alpine";
    decision.format = "oci";
    decision.action = "pull";
    decision.reference = "latest";
    decision.headers = {
        {"Content-Type", "application/vnd.oci.image.manifest.v1+json"},
        {"Docker-Content-Digest", kDigest},
        {"ETag", kDigest}};
    decision.body = body;
    decision.ttl_ms = 60000;
    decision.keys = {key};
    return decision;
}

void encode_decision(benchmark::State& state) {
    const std::string body(static_cast<std::size_t>(state.range(0)), 'x');
    const std::string key = key::manifest("library/alpine", "latest");
    const Decision decision = usual_decision(body, key);
    for (auto _ : state) {
        benchmark::DoNotOptimize(encode(decision));
    }
}
BENCHMARK(encode_decision)->Arg(2000)->Arg(100000);

void decode_decision_message(benchmark::State& state) {
    const std::string body(static_cast<std::size_t>(state.range(0)), 'x');
    const std::string key = key::manifest("library/alpine", "latest");
    const std::string message = encode(usual_decision(body, key));
    if (!holds(state, decode_decision(message).has_value())) {
        return;
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(decode_decision(message));
    }
}
BENCHMARK(decode_decision_message)->Arg(2000)->Arg(100000);

// A token with `range(0)` accesses, as docker gets one for each pull.
void verify_token(benchmark::State& state) {
    constexpr std::int64_t kNow = 1'800'000'000;
    auto key = SigningKey::generate();
    TokenClaims claims = {"registry.example.com",
                          "alice",
                          "longshore",
                          kNow + 300,
                          kNow,
                          kNow,
                          "0b0cf6ae-5a3f-4f0c-9f5d-3e6a3cbf2f10",
                          {}};
    for (std::int64_t i = 0; i < state.range(0); ++i) {
        claims.access.push_back({"repository",
                                 "library/alpine" + std::to_string(i),
                                 {"pull", "push"}});
    }
    TokenKeys keys;
    if (!holds(state, key && keys.add("2026-11", key->public_key()))) {
        return;
    }
    const auto token = sign_token(*key, "2026-11", claims);
    if (!holds(state, static_cast<bool>(token))) {
        return;
    }
    const TokenExpected expected = {"registry.example.com", "longshore",
                                    kNow + 1, 0};
    std::array<char, kMaxTokenPayload> scratch;
    TokenView view;
    for (auto _ : state) {
        if (keys.verify(*token, expected, scratch, view) !=
            TokenVerdict::good) {
            state.SkipWithError("the token was refused");
            break;
        }
        benchmark::DoNotOptimize(view);
    }
}
BENCHMARK(verify_token)->Arg(1)->Arg(16);

// The same without its signature: what is ours of it.
void read_token_claims(benchmark::State& state) {
    const auto payload =
        write_claims({"registry.example.com",
                      "alice",
                      "longshore",
                      2,
                      1,
                      1,
                      "id-1",
                      {{"repository", "library/alpine", {"pull", "push"}}}});
    TokenView view;
    if (!holds(state, payload && read_claims(*payload, view))) {
        return;
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(read_claims(*payload, view));
        benchmark::DoNotOptimize(
            view.access.allows("repository", "library/alpine", "push"));
    }
}
BENCHMARK(read_token_claims);

// What an upload does for each buffer: hash it.
void hash_update(benchmark::State& state, Algorithm algorithm) {
    const std::string buffer(static_cast<std::size_t>(state.range(0)), 'x');
    Hash hash(algorithm);
    for (auto _ : state) {
        hash.update(buffer);
    }
    benchmark::DoNotOptimize(hash.digest());
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(hash_update, sha256, Algorithm::sha256)
    ->Arg(1 << 10)
    ->Arg(64 << 10)
    ->Arg(256 << 10);
BENCHMARK_CAPTURE(hash_update, sha512, Algorithm::sha512)->Arg(256 << 10);

// What a chunk does beside hashing: take up the midstate and save it again.
void hash_with_saved_state(benchmark::State& state) {
    const std::string buffer(static_cast<std::size_t>(state.range(0)), 'x');
    std::string record =
        encode_upload_state(new_upload_state(Algorithm::sha256));
    if (!holds(state, decode_upload_state(record).has_value())) {
        return;
    }
    for (auto _ : state) {
        auto saved = decode_upload_state(record);
        Hash hash(saved->hash);
        hash.update(buffer);
        saved->offset += buffer.size();
        saved->hash = hash.state();
        record = encode_upload_state(*saved);
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(hash_with_saved_state)->Arg(1 << 10)->Arg(256 << 10)->Arg(5 << 20);

}  // namespace
}  // namespace longshore

BENCHMARK_MAIN();
