// Which questions take the workers that commit.
#include <gtest/gtest.h>

#include "common/protocol.hpp"
#include "server/endpoint.hpp"

namespace longshore {
namespace {

std::string question(QuestionType type, std::string_view method) {
    Question question;
    question.type = type;
    question.id = 7;
    question.method = method;
    question.target = "/v2/a/blobs/uploads/";
    return encode(question);
}

TEST(Endpoint, WritesAreToldFromReads) {
    for (const auto* method : {"POST", "DELETE"}) {
        EXPECT_TRUE(is_write(question(QuestionType::ask, method))) << method;
    }
    // A body that is still to come is a question about a Receive only.
    for (const auto* method : {"GET", "HEAD", "PUT", "PATCH", "POSTS", ""}) {
        EXPECT_FALSE(is_write(question(QuestionType::ask, method))) << method;
    }
    EXPECT_TRUE(is_write(question(QuestionType::received, "PUT")));
}

TEST(Endpoint, GarbageIsNoWrite) {
    auto whole = question(QuestionType::ask, "POST");
    for (std::size_t size = 0; size < 18; ++size) {
        EXPECT_FALSE(is_write(std::string_view(whole).substr(0, size)));
    }
    whole[0] = 9;
    EXPECT_FALSE(is_write(whole));
    EXPECT_FALSE(is_write(encode(Tally{})));
}

}  // namespace
}  // namespace longshore
