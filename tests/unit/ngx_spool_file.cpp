// A body of a package in the spool: there once it is committed, and only then.
#include "ngx_module/spool_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "common/protocol.hpp"
#include "system_calls.hpp"

namespace longshore {
namespace {

using system_calls::Call;

class SpoolFileTest : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_NE(::mkdtemp(root_.data()), nullptr);
        std::filesystem::create_directories(root_ + "/spool");
    }
    void TearDown() override {
        system_calls::reset();
        std::filesystem::remove_all(root_);
    }

    bool is_empty() const {
        return std::filesystem::is_empty(root_ + "/spool");
    }

    static SessionResult add(SpoolFile& file, std::string_view bytes) {
        auto result = file.prepare();
        return result == SessionResult::ok
                   ? file.append(bytes.data(), bytes.size())
                   : result;
    }

    static SessionResult commit(SpoolFile& file, const Digest& digest = {}) {
        return file.finish(Finish::commit, digest, SessionResult::ok);
    }

    std::string root_ = "/tmp/longshore-unit-XXXXXX";
};

TEST_F(SpoolFileTest, CommittedItStaysWithItsDigests) {
    std::string path;
    {
        SpoolFile file(root_, kMd5 | kSha512);
        ASSERT_TRUE(file.is_valid());
        ASSERT_EQ(add(file, "a"), SessionResult::ok);
        ASSERT_EQ(add(file, "bc"), SessionResult::ok);
        ASSERT_EQ(commit(file), SessionResult::ok);
        EXPECT_EQ(file.size_bytes(), 3U);
        EXPECT_EQ(file.digest(), digest_of(Algorithm::sha256, "abc"));
        ASSERT_EQ(file.texts().size(), 2U);
        EXPECT_EQ(file.texts()[0], "md5:900150983cd24fb0d6963f7d28e17f72");
        path = file.path();
        EXPECT_EQ(path, root_ + "/spool/" + file.name());
    }
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    EXPECT_EQ(text.str(), "abc");
}

TEST_F(SpoolFileTest, ItIsDurableBeforeTheCommitReturns) {
    SpoolFile file(root_, 0);
    ASSERT_EQ(add(file, "abc"), SessionResult::ok);
    ASSERT_EQ(commit(file), SessionResult::ok);
    const auto& calls = system_calls::journal();
    ASSERT_FALSE(calls.empty());
    EXPECT_EQ(calls.back(), "fsync " + file.path());
}

TEST_F(SpoolFileTest, AnEmptyBodyIsAFile) {
    SpoolFile file(root_, kSha1);
    ASSERT_EQ(commit(file), SessionResult::ok);
    EXPECT_EQ(file.digest(), digest_of(Algorithm::sha256, ""));
    EXPECT_EQ(std::filesystem::file_size(file.path()), 0U);
}

TEST_F(SpoolFileTest, NothingElseLeavesAnything) {
    for (auto finish :
         {Finish::keep, Finish::revert, Finish::discard, Finish::confirm}) {
        SpoolFile file(root_, 0);
        ASSERT_EQ(add(file, "abc"), SessionResult::ok);
        EXPECT_FALSE(is_empty());
        file.finish(finish, {}, SessionResult::ok);
        EXPECT_TRUE(is_empty());
    }
    SpoolFile failed(root_, 0);
    ASSERT_EQ(add(failed, "abc"), SessionResult::ok);
    EXPECT_EQ(failed.finish(Finish::commit, {}, SessionResult::no_storage),
              SessionResult::no_storage);
    EXPECT_TRUE(is_empty());
    {
        SpoolFile dropped(root_, 0);
        ASSERT_EQ(add(dropped, "abc"), SessionResult::ok);
    }
    EXPECT_TRUE(is_empty());
    SpoolFile unused(root_, 0);
    unused.finish(Finish::discard, {}, SessionResult::ok);
    EXPECT_TRUE(is_empty());
}

TEST_F(SpoolFileTest, TheDigestNamedHasToBeRight) {
    SpoolFile right(root_, 0);
    ASSERT_EQ(add(right, "abc"), SessionResult::ok);
    EXPECT_EQ(commit(right, digest_of(Algorithm::sha256, "abc")),
              SessionResult::ok);
    std::filesystem::remove(right.path());
    SpoolFile wrong(root_, 0);
    ASSERT_EQ(add(wrong, "abc"), SessionResult::ok);
    EXPECT_EQ(commit(wrong, digest_of(Algorithm::sha256, "abd")),
              SessionResult::mismatch);
    EXPECT_TRUE(is_empty());
}

TEST_F(SpoolFileTest, FaultsOfTheDisk) {
    struct Case {
        Call call;
        int error_number;
        SessionResult result;
    };
    for (const auto& c : {Case{Call::pwrite, ENOSPC, SessionResult::no_storage},
                          Case{Call::pwrite, EDQUOT, SessionResult::no_storage},
                          Case{Call::pwrite, EIO, SessionResult::no_storage},
                          Case{Call::fsync, ENOSPC, SessionResult::no_storage},
                          Case{Call::fsync, EIO, SessionResult::no_storage}}) {
        system_calls::fail(c.call, c.error_number);
        SpoolFile file(root_, 0);
        auto result = add(file, "abc");
        result = file.finish(Finish::commit, {}, result);
        EXPECT_EQ(result, c.result);
        EXPECT_EQ(file.error_number(), c.error_number);
        EXPECT_TRUE(is_empty());
        system_calls::reset();
    }
    std::filesystem::remove(root_ + "/spool");
    SpoolFile file(root_, 0);
    EXPECT_EQ(add(file, "abc"), SessionResult::failed);
}

TEST_F(SpoolFileTest, ItNeverWritesToAFileThatIsThere) {
    SpoolFile file(root_, 0);
    std::ofstream(root_ + "/elsewhere") << "mine";
    std::filesystem::create_symlink(root_ + "/elsewhere", file.path());
    EXPECT_EQ(add(file, "abc"), SessionResult::failed);
    EXPECT_EQ(std::filesystem::file_size(root_ + "/elsewhere"), 4U);
    // Not ours, so it stays.
    EXPECT_TRUE(std::filesystem::is_symlink(file.path()));
}

TEST_F(SpoolFileTest, NamesDiffer) {
    auto name = new_spool_name();
    EXPECT_EQ(name.size(), 33U);
    EXPECT_EQ(name.find_first_not_of("0123456789abcdef", 1), std::string::npos);
    EXPECT_EQ(name.front(), 'n');
    EXPECT_NE(name, new_spool_name());
}

}  // namespace
}  // namespace longshore
