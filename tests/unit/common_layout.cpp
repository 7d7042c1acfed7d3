#include "common/layout.hpp"

#include <cstring>
#include <string>

#include <gtest/gtest.h>

namespace longshore {
namespace {

const std::string kHex = "ab" + std::string(62, '0');
const Digest kDigest = *Digest::parse("sha256:" + kHex);
const std::string kBase = "/r/docker/registry/v2";
const std::string kRepo = kBase + "/repositories/a/b";
constexpr std::string_view kId = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

// As docker-registry 2.8.2 writes them.
TEST(Layout, IsThatOfDistribution) {
    using namespace layout;
    EXPECT_EQ(blob_data("/r", kDigest).view(),
              kBase + "/blobs/sha256/ab/" + kHex + "/data");
    EXPECT_EQ(blob_folder("/r", kDigest).view(),
              kBase + "/blobs/sha256/ab/" + kHex);
    EXPECT_EQ(repositories("/r").view(), kBase + "/repositories");
    EXPECT_EQ(repository("/r", "a/b").view(), kRepo);
    EXPECT_EQ(layer_link("/r", "a/b", kDigest).view(),
              kRepo + "/_layers/sha256/" + kHex + "/link");
    EXPECT_EQ(revision_link("/r", "a/b", kDigest).view(),
              kRepo + "/_manifests/revisions/sha256/" + kHex + "/link");
    EXPECT_EQ(tag_folder("/r", "a/b", "v1").view(),
              kRepo + "/_manifests/tags/v1");
    EXPECT_EQ(tag_current("/r", "a/b", "v1").view(),
              kRepo + "/_manifests/tags/v1/current/link");
    EXPECT_EQ(tag_index("/r", "a/b", "v1", kDigest).view(),
              kRepo + "/_manifests/tags/v1/index/sha256/" + kHex + "/link");
    auto upload = kRepo + "/_uploads/" + std::string(kId);
    EXPECT_EQ(upload_folder("/r", "a/b", kId).view(), upload);
    EXPECT_EQ(upload_data("/r", "a/b", kId).view(), upload + "/data");
    EXPECT_EQ(layout::upload_state("/r", "a/b", kId).view(), upload + "/state");
    EXPECT_EQ(token_keys("/r").view(), "/r/keys/token.pub");
    EXPECT_EQ(upload_startedat("/r", "a/b", kId).view(), upload + "/startedat");
}

TEST(Layout, WhatIsOurs) {
    using namespace layout;
    EXPECT_EQ(spool_file("/r", "n0a").view(), "/r/spool/n0a");
    EXPECT_EQ(document_data("/r", kDigest).view(),
              "/r/documents/sha256/ab/" + kHex);
    EXPECT_EQ(package_uploads("/r").view(), "/r/uploads");
    EXPECT_EQ(package_upload_folder("/r", "a", kId).view(),
              "/r/uploads/a/" + std::string(kId));
}

TEST(Layout, TheLongestNamesFitUnderTheLongestRoot) {
    const std::string root = "/" + std::string(kMaxRoot - 1, 'r');
    const std::string name(255, 'n');
    const std::string tag(128, 't');
    auto digest = *Digest::parse("sha512:" + std::string(128, 'f'));
    for (const auto& path : {layout::tag_index(root, name, tag, digest),
                             layout::revision_link(root, name, digest),
                             layout::layer_link(root, name, digest),
                             layout::upload_startedat(root, name, kId),
                             layout::blob_data(root, digest)}) {
        EXPECT_FALSE(path.empty());
        EXPECT_EQ(std::strlen(path.c_str()), path.view().size());
    }
}

TEST(Path, TooLongIsEmptyAndNeverCut) {
    const std::string most(Path::kCapacity - 1, 'x');
    Path fits{most};
    EXPECT_EQ(fits.view(), most);
    EXPECT_EQ(fits.c_str()[most.size()], '\0');
    for (const auto& path : {Path{most, "y"}, Path{most, "y", "", "z"},
                             Path{std::string(5000, 'x')}}) {
        EXPECT_TRUE(path.empty());
        EXPECT_STREQ(path.c_str(), "");
    }
}

TEST(Path, EmptyPartsAndCopies) {
    Path path{std::string_view{}, "/a", "", "/b", std::string_view{}};
    EXPECT_EQ(path.view(), "/a/b");
    Path copy = path;
    EXPECT_EQ(copy.str(), "/a/b");
    EXPECT_TRUE(Path().empty());
    EXPECT_STREQ(Path().c_str(), "");
}

}  // namespace
}  // namespace longshore
