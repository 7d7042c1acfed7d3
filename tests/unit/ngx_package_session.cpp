// What is special about the upload session of a package: its bytes become a
// second name in the spool, and can do so again.
#include "ngx_module/session.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "common/layout.hpp"
#include "system_calls.hpp"

namespace longshore {
namespace {

constexpr std::string_view kBytes = "some bytes";

class PackageSessionTest : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_NE(::mkdtemp(root_.data()), nullptr);
        folder_ = layout::package_upload_folder(root_, "r", "id").str();
        std::filesystem::create_directories(folder_);
        std::filesystem::create_directories(root_ + "/spool");
        std::ofstream(folder_ + "/startedat") << "2026-01-01T00:00:00Z";
    }
    void TearDown() override {
        system_calls::reset();
        std::filesystem::remove_all(root_);
    }

    std::string spool(const char* name) const {
        return layout::spool_file(root_, name).str();
    }

    // The closing PUT; the file of the spool gets this name.
    SessionResult put(const char* name, std::string_view bytes,
                      const Digest& digest = {}) {
        auto path = spool(name);
        Session session(
            {root_, layout::package_uploads(root_).view(), folder_, path});
        auto result = session.open();
        if (result == SessionResult::committed) {
            return session.finish(Finish::confirm, {}, SessionResult::ok);
        }
        if (result == SessionResult::ok && !bytes.empty()) {
            EXPECT_EQ(session.prepare(), SessionResult::ok);
            EXPECT_EQ(session.append(bytes.data(), bytes.size()),
                      SessionResult::ok);
        }
        if (result == SessionResult::ok) {
            result = session.finish(Finish::commit, digest, result);
        }
        if (result == SessionResult::ok) {
            EXPECT_EQ(session.committed_digest(),
                      digest_of(Algorithm::sha256, kBytes).text());
            EXPECT_EQ(session.committed_size(), kBytes.size());
        }
        return result;
    }

    static std::string slurp(const std::string& path) {
        std::ifstream in(path);
        std::ostringstream out;
        out << in.rdbuf();
        return out.str();
    }

    std::string root_ = "/tmp/longshore-unit-XXXXXX";
    std::string folder_;
};

TEST_F(PackageSessionTest, BytesGoToTheSpool) {
    ASSERT_EQ(put("n1", kBytes), SessionResult::ok);
    EXPECT_EQ(slurp(spool("n1")), kBytes);
    EXPECT_FALSE(std::filesystem::exists(root_ + "/docker"));
}

TEST_F(PackageSessionTest, AsOftenAsItIsAskedFor) {
    ASSERT_EQ(put("n1", kBytes), SessionResult::ok);
    // registryd took the first one and then died; the second one was in vain.
    std::filesystem::rename(spool("n1"), root_ + "/taken");
    ASSERT_EQ(put("n2", ""), SessionResult::ok);
    std::filesystem::remove(spool("n2"));
    ASSERT_EQ(put("n3", ""), SessionResult::ok);
    EXPECT_EQ(slurp(spool("n3")), kBytes);
    EXPECT_EQ(slurp(root_ + "/taken"), kBytes);
    Session::remove_folder(folder_);
    EXPECT_EQ(put("n4", ""), SessionResult::unknown);
    EXPECT_EQ(slurp(spool("n3")), kBytes);
}

TEST_F(PackageSessionTest, ADigestOfTheOtherAlgorithmIsVerified) {
    auto wrong = digest_of(Algorithm::sha512, "other bytes");
    auto right = digest_of(Algorithm::sha512, kBytes);
    ASSERT_EQ(put("n1", kBytes, right), SessionResult::ok);
    std::filesystem::remove(folder_ + "/committed");
    std::filesystem::remove(folder_ + "/data");
    std::ofstream(folder_ + "/startedat") << "now";
    EXPECT_EQ(put("n2", kBytes, wrong), SessionResult::mismatch);
    EXPECT_FALSE(std::filesystem::exists(spool("n2")));
    EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(PackageSessionTest, DataIsDurableBeforeItsName) {
    ASSERT_EQ(put("n1", kBytes), SessionResult::ok);
    const auto& calls = system_calls::journal();
    EXPECT_NE(
        std::find(calls.begin(), calls.end(), "fdatasync " + folder_ + "/data"),
        calls.end());
}

TEST_F(PackageSessionTest, AWorkerThatDiedBeforeTheLinkLosesNothing) {
    std::filesystem::remove(root_ + "/spool");
    EXPECT_EQ(put("n1", kBytes), SessionResult::failed);
    std::filesystem::create_directory(root_ + "/spool");
    ASSERT_EQ(put("n2", ""), SessionResult::ok);
    EXPECT_EQ(slurp(spool("n2")), kBytes);
}

TEST_F(PackageSessionTest, ANoteThatIsTornIsNoSession) {
    ASSERT_EQ(put("n1", kBytes), SessionResult::ok);
    std::filesystem::resize_file(folder_ + "/committed", 20);
    EXPECT_EQ(put("n2", ""), SessionResult::unknown);
    // And data of another size is not what the note says.
    std::ofstream(folder_ + "/committed")
        << digest_of(Algorithm::sha256, kBytes).text() << " 11";
    EXPECT_EQ(put("n3", ""), SessionResult::unknown);
    EXPECT_FALSE(std::filesystem::exists(spool("n3")));
}

}  // namespace
}  // namespace longshore
