// Files of keys, which the daemon writes, by the calls that they make: the
// stand-ins for system calls are in this program.
#include "common/file.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "system_calls.hpp"

namespace longshore {
namespace {

class KeyFileTest : public ::testing::Test {
protected:
    void SetUp() override { ASSERT_NE(::mkdtemp(folder_.data()), nullptr); }

    void TearDown() override {
        system_calls::reset();
        std::filesystem::remove_all(folder_);
    }

    // The bytes first, under another name, and last the folder.
    void expect_durable() const {
        const auto& made = system_calls::journal();
        ASSERT_GE(made.size(), 2U);
        EXPECT_TRUE(made.front().starts_with("fsync " + folder_ + "/key."))
            << made.front();
        EXPECT_EQ(made.back(), "fsync " + folder_);
    }

    std::string folder_ = "/tmp/longshore-key-XXXXXX";
};

TEST_F(KeyFileTest, IsDurableWithItsName) {
    system_calls::reset();
    ASSERT_TRUE(write_new_file(folder_, folder_ + "/key", "secret", 0600));
    expect_durable();
    system_calls::reset();
    ASSERT_TRUE(write_file(folder_, folder_ + "/key", "another", 0600));
    expect_durable();
}

}  // namespace
}  // namespace longshore
