// Manifests as clients push them, and as attackers do.
#include <gtest/gtest.h>

#include "common/hash.hpp"
#include "formats/oci/manifest_parse.hpp"

namespace longshore {
namespace {

constexpr std::string_view kImage =
    "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kDockerImage =
    "application/vnd.docker.distribution.manifest.v2+json";
const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string descriptor(std::string_view type, const std::string& more = "") {
    return R"({"mediaType":")" + std::string(type) + R"(","digest":")" +
           kDigest + R"(","size":7)" + more + "}";
}

std::string config() {
    return R"("config":)" +
           descriptor("application/vnd.oci.image.config.v1+json");
}

std::string image(const std::string& more) {
    return R"({"schemaVersion":2,"mediaType":")" + std::string(kImage) + "\"," +
           config() + "," + more + "}";
}

std::string layer_list(const std::string& items) {
    return R"("layers":[)" + items + "]";
}

std::string_view reason(const Result<ManifestFacts>& result) {
    return result ? "accepted" : result.error().reason;
}

std::string_view reason(const std::string& bytes,
                        std::string_view type = kImage) {
    static std::string_view found;
    found = reason(parse_manifest(bytes, type));
    return found;
}

TEST(ManifestParse, TakesAnImageApart) {
    auto bytes = image(layer_list(descriptor("a/layer")) +
                       R"(,"annotations":{"b":"2","a":"1"},"subject":)" +
                       descriptor(kImage));
    auto facts = parse_manifest(bytes, kImage);
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_EQ(facts->media_type, kImage);
    EXPECT_EQ(facts->artifact_type, "application/vnd.oci.image.config.v1+json");
    EXPECT_EQ(facts->annotations, R"({"a":"1","b":"2"})");
    ASSERT_TRUE(facts->subject);
    EXPECT_EQ(facts->subject->text(), kDigest);
    ASSERT_EQ(facts->references.size(), 2U);
    EXPECT_EQ(facts->references[0].kind, ManifestReference::Kind::config);
    EXPECT_EQ(facts->references[1].kind, ManifestReference::Kind::layer);
    EXPECT_EQ(facts->references[1].descriptor.size_bytes, 7U);
    EXPECT_TRUE(facts->references[1].must_exist);
}

TEST(ManifestParse, ArtifactTypeWinsOverConfigType) {
    auto facts = parse_manifest(
        image(layer_list("") + R"(,"artifactType":"a/b")"), kImage);
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->artifact_type, "a/b");
}

TEST(ManifestParse, IndexHasOnlyItsOwnArtifactType) {
    auto bytes = R"({"schemaVersion":2,"manifests":[)" + descriptor(kImage) +
                 "," + descriptor(kIndex) + "]}";
    auto facts = parse_manifest(bytes, kIndex);
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_EQ(facts->artifact_type, "");
    ASSERT_EQ(facts->references.size(), 2U);
    EXPECT_EQ(facts->references[0].kind, ManifestReference::Kind::child);
}

TEST(ManifestParse, EmptyAndNullListsAreLists) {
    EXPECT_EQ(reason(image(layer_list(""))), "accepted");
    EXPECT_EQ(reason(image(R"("layers":null)")), "accepted");
    EXPECT_EQ(reason(R"({"schemaVersion":2,"manifests":[]})", kIndex),
              "accepted");
}

TEST(ManifestParse, MediaTypeAndContentTypeMustAgree) {
    auto bytes = image(layer_list(""));
    EXPECT_EQ(reason(bytes, kDockerImage), "MANIFEST_INVALID");
    EXPECT_EQ(reason(bytes, kIndex), "MANIFEST_INVALID");
    EXPECT_EQ(
        reason(bytes,
               "application/vnd.oci.image.manifest.v1+json ;charset=utf-8"),
        "accepted");
    EXPECT_EQ(reason(bytes, ""), "accepted");
}

TEST(ManifestParse, TypeHasNoParameters) {
    EXPECT_EQ(reason(R"({"schemaVersion":2,"mediaType":"x/y;json"})", ""),
              "MANIFEST_INVALID");
    EXPECT_EQ(reason(R"({"schemaVersion":2,"mediaType":"x/y"})", "x/y;json"),
              "accepted");
}

TEST(ManifestParse, TypeComesFromShapeWhenNobodySays) {
    auto facts = parse_manifest(R"({"schemaVersion":2,"manifests":[]})", "");
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->media_type, kIndex);
    EXPECT_EQ(reason(R"({"schemaVersion":2})", ""), "MANIFEST_INVALID");
}

TEST(ManifestParse, TypeConfusionIsRefused) {
    auto both = layer_list("") + R"(,"manifests":[])";
    EXPECT_EQ(reason(image(both)), "MANIFEST_INVALID");
    EXPECT_EQ(reason("{" + both + "}", "x/unknown"), "MANIFEST_INVALID");
    EXPECT_EQ(reason(R"({"schemaVersion":2,"manifests":[],)" + config() + "}",
                     kIndex),
              "MANIFEST_INVALID");
    EXPECT_EQ(reason(image(layer_list("") + R"(,"Manifests":[])")),
              "MANIFEST_INVALID");
    EXPECT_EQ(reason(image(layer_list("") + "," + layer_list(""))),
              "MANIFEST_INVALID");
}

TEST(ManifestParse, SchemaOneIsRefused) {
    EXPECT_EQ(reason(R"({"schemaVersion":1,"name":"a"})", "x/y"),
              "MANIFEST_INVALID");
    EXPECT_EQ(
        reason("{}", "application/vnd.docker.distribution.manifest.v1+json"),
        "MANIFEST_INVALID");
}

TEST(ManifestParse, UnknownTypesAreAccepted) {
    auto facts = parse_manifest(
        R"({"mediaType":"x/y","blobs":[)" + descriptor("a/b") + "]}", "x/y");
    ASSERT_TRUE(facts) << facts.error().message;
    ASSERT_EQ(facts->references.size(), 1U);
    EXPECT_FALSE(facts->references[0].must_exist);
    EXPECT_EQ(reason(R"({"layers":"not a list"})", "x/y"), "accepted");
}

TEST(ManifestParse, ForeignLayersNeedNotExist) {
    auto with_urls = descriptor("a/b", R"(,"urls":["https://e.example/l"])");
    auto facts = parse_manifest(
        image(layer_list(
            with_urls + "," +
            descriptor("application/vnd.oci.image.layer.nondistributable.v1."
                       "tar+gzip"))),
        kImage);
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_FALSE(facts->references[1].must_exist);
    EXPECT_FALSE(facts->references[2].must_exist);
    EXPECT_TRUE(facts->references[0].must_exist);
}

TEST(ManifestParse, EmbeddedDataMustMatch) {
    auto digest = digest_of(Algorithm::sha256, "{}").str();
    auto with = [&](const std::string& data, int size) {
        return image(layer_list(R"({"mediaType":"a/b","digest":")" + digest +
                                R"(","size":)" + std::to_string(size) +
                                R"(,"data":")" + data + "\"}"));
    };
    EXPECT_EQ(reason(with("e30=", 2)), "accepted");
    EXPECT_EQ(reason(with("e30=", 3)), "MANIFEST_INVALID");
    EXPECT_EQ(reason(with("fX0=", 2)), "MANIFEST_INVALID");
    EXPECT_EQ(reason(with("e30", 2)), "MANIFEST_INVALID");
    EXPECT_EQ(reason(with("=e30", 2)), "MANIFEST_INVALID");
}

TEST(ManifestParse, DescriptorsAreChecked) {
    auto with = [](const std::string& item) { return image(layer_list(item)); };
    EXPECT_EQ(reason(with(R"({"mediaType":"a/b","size":1})")),
              "MANIFEST_INVALID");
    EXPECT_EQ(reason(with(R"({"mediaType":"a/b","size":1,"digest":"x"})")),
              "DIGEST_INVALID");
    for (const auto* size : {"-1", "1.5", "\"1\"", "18446744073709551615",
                             "9223372036854775808", "1e3", "null"}) {
        auto item = R"({"mediaType":"a/b","digest":")" + kDigest +
                    R"(","size":)" + size + "}";
        EXPECT_EQ(reason(with(item)), "MANIFEST_INVALID") << size;
    }
    EXPECT_EQ(reason(with(descriptor(""))), "MANIFEST_INVALID");
    EXPECT_EQ(reason(with(descriptor("a b"))), "MANIFEST_INVALID");
    EXPECT_EQ(reason(with("7")), "MANIFEST_INVALID");
    EXPECT_EQ(reason(image(R"("layers":{})")), "MANIFEST_INVALID");
}

TEST(ManifestParse, GarbageIsRefused) {
    for (const auto* bytes : {"", "null", "[]", "{", "{\"a\":1,}", "{}x",
                              "\"\xff\"", "{\"a\":NaN}"}) {
        EXPECT_EQ(reason(bytes, kImage), "MANIFEST_INVALID") << bytes;
    }
    EXPECT_EQ(reason(image(layer_list("") + R"(,"annotations":{"a":1})")),
              "MANIFEST_INVALID");
    EXPECT_EQ(reason(R"({"schemaVersion":2,"layers":[]})"),
              "MANIFEST_INVALID");  // no config
}

TEST(ManifestParse, DepthAndNumberOfValuesAreBounded) {
    auto deep = [](std::size_t depth) {
        return R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') +
               "}";
    };
    EXPECT_EQ(reason(deep(31), "x/y"), "accepted");
    EXPECT_EQ(reason(deep(32), "x/y"), "MANIFEST_INVALID");
    EXPECT_EQ(reason(deep(2'000'000), "x/y"), "MANIFEST_INVALID");
    std::string many = R"({"a":[0)";
    for (int i = 0; i < 600'000; ++i) {
        many += ",0";
    }
    EXPECT_EQ(reason(many + "]}", "x/y"), "MANIFEST_INVALID");
}

}  // namespace
}  // namespace longshore
