// Documents that begin as another one did, and copies of those made ahead.
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>

#include "common/layout.hpp"
#include "daemon_fixture.hpp"
#include "store/package_store.hpp"

namespace longshore {
namespace {

namespace fs = std::filesystem;

class PackageStoreTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        auto opened =
            open_package_store(root_, std::make_shared<DigestLocks>());
        ASSERT_OK(opened);
        store_ = std::move(*opened);
        for (std::size_t i = 0; text_.size() < 300'000; ++i) {
            text_ += std::to_string(i) + "\n";
        }
        first_ = put(nullptr, 0, text_);
    }
    void TearDown() override {
        store_.reset();
        RootTest::TearDown();
    }

    std::string path_of(const Digest& digest) const {
        return layout::document_data(root_, digest).str();
    }

    // A document of the first bytes of another one and of what follows.
    Digest put(const Digest* from, std::uint64_t size,
               const std::string& more) {
        auto writer = store_->create();
        EXPECT_TRUE(writer);
        std::string whole = more;
        if (from != nullptr) {
            auto source = store_->open_document(*from);
            EXPECT_TRUE(source);
            EXPECT_TRUE((*writer)->copy(**source, 0, size));
            whole = text_.substr(0, size) + more;
        }
        EXPECT_TRUE((*writer)->write(more));
        auto name = (*writer)->finish(false);
        EXPECT_TRUE(name);
        auto digest = sha256_of(whole);
        EXPECT_TRUE(store_->adopt_document(*name, digest));
        EXPECT_TRUE(slurp(path_of(digest)) == whole);
        EXPECT_TRUE(fs::is_empty(root_ + "/spool"));
        return digest;
    }

    // Inodes of our files of this root that have no name, and are as long.
    std::vector<ino_t> nameless(std::uintmax_t size) const {
        std::vector<ino_t> found;
        for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
            std::error_code error;
            auto target = fs::read_symlink(entry.path(), error).string();
            struct stat info {};
            if (!error && target.starts_with(root_ + "/spool/") &&
                ::stat(entry.path().c_str(), &info) == 0 &&
                info.st_nlink == 0 &&
                static_cast<std::uintmax_t>(info.st_size) == size) {
                found.push_back(info.st_ino);
            }
        }
        return found;
    }

    // The only such file, when it is there and nobody writes to it.
    std::optional<ino_t> only(std::uintmax_t size) const {
        for (int left = 1000; left > 0; --left) {
            auto found = nameless(size);
            if (found.size() == 1) {
                return found.front();
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return std::nullopt;
    }

    static ino_t inode(const std::string& path) {
        struct stat info {};
        EXPECT_EQ(::stat(path.c_str(), &info), 0);
        return info.st_ino;
    }

    static bool has_nameless_files(const std::string& folder) {
        int fd = ::open(folder.c_str(), O_WRONLY | O_TMPFILE, 0600);
        if (fd >= 0) {
            ::close(fd);
        }
        return fd >= 0;
    }

    std::unique_ptr<PackageStore> store_;
    std::string text_;
    Digest first_;
};

TEST_F(PackageStoreTest, ADocumentBeginsAsAnotherOne) {
    auto second = put(&first_, 200'000, "and on\n");
    EXPECT_NE(inode(path_of(first_)), inode(path_of(second)));
    EXPECT_TRUE(slurp(path_of(first_)) == text_);
}

TEST_F(PackageStoreTest, ACopyMadeAheadIsTheNextDocument) {
    ASSERT_TRUE(has_nameless_files(root_))
        << "TMPDIR has to lie on a file system with O_TMPFILE";
    store_->copy_ahead("index", first_);
    auto spare = only(text_.size());
    ASSERT_TRUE(spare.has_value());
    auto second = put(&first_, 200'000, "and on\n");
    EXPECT_EQ(inode(path_of(second)), *spare);
    EXPECT_TRUE(slurp(path_of(first_)) == text_);
    struct stat info {};
    ASSERT_EQ(::stat(path_of(second).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0640U);
    // It is there once.
    auto third = put(&first_, 200'000, "and further\n");
    EXPECT_NE(inode(path_of(third)), *spare);
    EXPECT_TRUE(slurp(path_of(second)) ==
                text_.substr(0, 200'000) + "and on\n");
}

TEST_F(PackageStoreTest, ACopyThatIsNotThereYetIsNoMatter) {
    for (int i = 0; i < 20; ++i) {
        store_->copy_ahead("index", first_);
        put(&first_, 250'000, std::to_string(i));
    }
}

TEST_F(PackageStoreTest, AnOwnerHasOneCopy) {
    ASSERT_TRUE(has_nameless_files(root_))
        << "TMPDIR has to lie on a file system with O_TMPFILE";
    store_->copy_ahead("index", first_);
    ASSERT_TRUE(only(text_.size()).has_value());
    auto second = put(nullptr, 0, text_ + "2");
    store_->copy_ahead("index", second);
    ASSERT_TRUE(only(text_.size() + 1).has_value());
    EXPECT_TRUE(nameless(text_.size()).empty());
    store_->copy_ahead("other", first_);
    ASSERT_TRUE(only(text_.size()).has_value());
    EXPECT_EQ(nameless(text_.size() + 1).size(), 1U);
    // A document that goes takes its copies with it.
    ASSERT_OK(store_->remove_document(second));
    EXPECT_TRUE(nameless(text_.size() + 1).empty());
    EXPECT_EQ(nameless(text_.size()).size(), 1U);
}

TEST_F(PackageStoreTest, WhatIsNotThereIsNotCopied) {
    store_->copy_ahead("index", sha256_of("nothing"));
    put(&first_, 250'000, "x");
    ASSERT_OK(store_->remove_document(first_));
    store_->copy_ahead("index", first_);
}

}  // namespace
}  // namespace longshore
