#include "common/result.hpp"

#include <cerrno>
#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace longshore {
namespace {

Result<int> half(int value) {
    if (value % 2 != 0) {
        return Error{Code::invalid_argument, "odd", "ODD"};
    }
    return value / 2;
}

Result<std::string> quarter(int value) {
    LS_TRY(first, half(value));
    LS_TRY(second, half(first));
    return std::to_string(second);
}

Result<void> check_quarter(int value) {
    LS_CHECK(quarter(value));
    return {};
}

TEST(Result, PassesValuesAndErrorsOn) {
    EXPECT_EQ(*quarter(12), "3");
    for (int value : {3, 6}) {
        auto result = quarter(value);
        ASSERT_FALSE(result) << value;
        EXPECT_EQ(result.error().code, Code::invalid_argument);
        EXPECT_EQ(result.error().reason, "ODD");
    }
    EXPECT_TRUE(check_quarter(8));
    EXPECT_FALSE(check_quarter(9));
}

TEST(Result, MovesWhatCannotBeCopied) {
    auto make = []() -> Result<std::unique_ptr<int>> {
        return std::make_unique<int>(7);
    };
    auto use = [&]() -> Result<int> {
        LS_TRY(pointer, make());
        return *pointer;
    };
    EXPECT_EQ(*use(), 7);
}

TEST(Result, ErrnoKeepsWhatACallerDecidesBy) {
    EXPECT_EQ(errno_error("open x", ENOENT).code, Code::not_found);
    EXPECT_EQ(errno_error("open x", ENOTDIR).code, Code::not_found);
    EXPECT_EQ(errno_error("link x", EEXIST).code, Code::already_exists);
    for (int number : {ENOSPC, EDQUOT, EMFILE, ENFILE, EROFS}) {
        EXPECT_EQ(errno_error("write x", number).code, Code::unavailable);
    }
    EXPECT_EQ(errno_error("read x", EIO).code, Code::unavailable);
    EXPECT_EQ(errno_error("open x", ENOENT).message,
              "open x: No such file or directory");
}

}  // namespace
}  // namespace longshore
