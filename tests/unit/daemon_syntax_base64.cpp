#include "syntax/base64_stream.hpp"

#include <gtest/gtest.h>

namespace longshore {
namespace {

TEST(Base64Stream, TheVectorsOfTheRfc) {
    const std::pair<const char*, const char*> vectors[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [bytes, text] : vectors) {
        EXPECT_EQ(base64_encode(bytes), text);
        auto back = base64_decode(text);
        ASSERT_TRUE(back) << text;
        EXPECT_EQ(*back, bytes);
    }
}

TEST(Base64Stream, EveryByteInEveryCut) {
    std::string all;
    for (int c = 0; c < 256; ++c) {
        all += static_cast<char>(c);
    }
    const auto text = base64_encode(all);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        Base64Stream stream;
        std::string out;
        ASSERT_TRUE(stream.add(text.substr(0, cut), out));
        ASSERT_TRUE(stream.add(text.substr(cut), out));
        ASSERT_TRUE(stream.finish());
        ASSERT_EQ(out, all);
    }
}

TEST(Base64Stream, OneSpellingOnly) {
    for (auto text : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "=",
                      "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9v", "Zm-_",
                      "Zg=v", "Zm9v="}) {
        EXPECT_FALSE(base64_decode(text)) << text;
    }
}

}  // namespace
}  // namespace longshore
