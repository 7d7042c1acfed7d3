// The life of an upload session on disk, through its public face: what
// docs/uploads.md promises, after faults too. A new Session on the same
// folder stands for another worker, a reloaded nginx or a rebooted host.
#include "ngx_module/session.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "common/layout.hpp"
#include "system_calls.hpp"

namespace longshore {
namespace {

constexpr const char* kName = "a/b";
constexpr const char* kId = "00000000-0000-4000-8000-000000000001";
constexpr std::uint64_t kCheckpoint = std::uint64_t{64} << 20;

std::string slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

void spit(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

bool exists(const std::string& path) {
    return std::filesystem::exists(path);
}

Digest sha256_of(std::string_view bytes) {
    return digest_of(Algorithm::sha256, bytes);
}

class SessionTest : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_NE(::mkdtemp(root_.data()), nullptr);
        folder_ = layout::upload_folder(root_, kName, kId).str();
        std::filesystem::create_directories(folder_);
        spit(path("startedat"), "2026-01-01T00:00:00Z");
    }

    void TearDown() override {
        system_calls::reset();
        std::filesystem::remove_all(root_);
    }

    std::string path(const char* leaf) const { return folder_ + "/" + leaf; }

    std::string blob(const Digest& digest) const {
        return layout::blob_data(root_, digest).str();
    }

    std::string folder_of(std::string_view id) const {
        return layout::upload_folder(root_, kName, id).str();
    }

    Session session(std::string_view id = kId) const {
        return Session(
            {root_, layout::repositories(root_).view(), folder_of(id)});
    }

    // Opened and ready for bytes, at the offset.
    void begin(Session& session, std::uint64_t offset) {
        ASSERT_EQ(session.open(), SessionResult::ok);
        ASSERT_EQ(session.offset(), offset);
        ASSERT_EQ(session.prepare(), SessionResult::ok);
    }

    // One PATCH.
    void patch(std::uint64_t offset, std::string_view bytes) {
        auto session = this->session();
        begin(session, offset);
        ASSERT_EQ(session.append(bytes.data(), bytes.size()),
                  SessionResult::ok);
        ASSERT_EQ(session.keep(), SessionResult::ok);
        EXPECT_EQ(session.saved_offset(), offset + bytes.size());
    }

    // Bytes whose request died with its worker.
    void lose(std::uint64_t offset, std::string_view bytes) {
        auto session = this->session();
        begin(session, offset);
        ASSERT_EQ(session.append(bytes.data(), bytes.size()),
                  SessionResult::ok);
    }

    // One PUT that ends the upload; the blob is then what it should be.
    void put(std::uint64_t offset, std::string_view last,
             std::string_view whole) {
        auto session = this->session();
        begin(session, offset);
        ASSERT_EQ(session.append(last.data(), last.size()), SessionResult::ok);
        ASSERT_EQ(session.commit(sha256_of(whole)), SessionResult::ok);
        expect_blob(whole);
        EXPECT_EQ(session.committed_digest(), sha256_of(whole).text());
        EXPECT_EQ(session.committed_size(), whole.size());
    }

    void expect_blob(std::string_view whole) {
        EXPECT_EQ(slurp(blob(sha256_of(whole))), whole);
        EXPECT_FALSE(exists(path("data")));
    }

    std::uint64_t peeked() const {
        std::uint64_t offset = UINT64_MAX;
        EXPECT_EQ(Session::peek(folder_, offset), SessionResult::ok);
        return offset;
    }

    void expect_durable_first_state();

    void expect_unknown() const {
        std::uint64_t offset = 0;
        EXPECT_EQ(session().open(), SessionResult::unknown);
        EXPECT_EQ(Session::peek(folder_, offset), SessionResult::unknown);
    }

    std::string root_ = "/tmp/session_XXXXXX";
    std::string folder_;
};

TEST_F(SessionTest, OneThatNobodyBeganIsUnknown) {
    std::uint64_t offset = 0;
    const char* other = "00000000-0000-4000-8000-000000000002";
    EXPECT_EQ(session(other).open(), SessionResult::unknown);
    EXPECT_EQ(Session::peek(folder_of(other), offset), SessionResult::unknown);
    EXPECT_EQ(Session::forget(folder_of(other)), SessionResult::unknown);
    EXPECT_EQ(
        Session::peek(layout::upload_folder(root_, "a", kId).view(), offset),
        SessionResult::unknown);
    // A file where a folder should be is no session either.
    spit(layout::upload_folder(root_, kName, other).str(), "");
    EXPECT_EQ(session(other).open(), SessionResult::unknown);
}

TEST_F(SessionTest, BytesGoOnWithTheNextRequest) {
    EXPECT_EQ(peeked(), 0U);
    patch(0, "hello");
    EXPECT_EQ(peeked(), 5U);
    patch(5, "");
    patch(5, " ");
    put(6, "world", "hello world");
}

TEST_F(SessionTest, EmptyBlob) {
    put(0, "", "");
}

TEST_F(SessionTest, WholeBlobInPieces) {
    auto session = this->session();
    begin(session, 0);
    std::string whole(300'000, '\0');
    for (std::size_t i = 0; i < whole.size(); ++i) {
        whole[i] = static_cast<char>(i * 7 + i / 251);
    }
    for (std::size_t at = 0, size = 1; at < whole.size(); size = size * 3 + 1) {
        size = std::min(size, whole.size() - at);
        ASSERT_EQ(session.append(whole.data() + at, size), SessionResult::ok);
        at += size;
    }
    EXPECT_EQ(session.offset(), whole.size());
    ASSERT_EQ(session.commit(sha256_of(whole)), SessionResult::ok);
    expect_blob(whole);
}

TEST_F(SessionTest, TheOtherAlgorithmReadsTheFile) {
    patch(0, "hello");
    auto session = this->session();
    begin(session, 5);
    auto digest = digest_of(Algorithm::sha512, "hello");
    ASSERT_EQ(session.commit(digest), SessionResult::ok);
    EXPECT_EQ(slurp(blob(digest)), "hello");
    EXPECT_EQ(session.committed_digest(), digest.text());
}

TEST_F(SessionTest, BytesWithoutAStateAreCut) {
    patch(0, "hello");
    lose(5, "lost, and longer than what comes");
    EXPECT_EQ(peeked(), 5U);
    put(5, " world", "hello world");
}

TEST_F(SessionTest, CheckpointsOutliveTheirRequest) {
    std::string block(kCheckpoint / 2, 'x');
    {
        auto session = this->session();
        begin(session, 0);
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(session.saved_offset(), 0U);
            ASSERT_EQ(session.append(block.data(), block.size()),
                      SessionResult::ok);
        }
        EXPECT_EQ(session.saved_offset(), kCheckpoint);
        ASSERT_EQ(session.append("lost", 4), SessionResult::ok);
    }
    EXPECT_EQ(peeked(), kCheckpoint);
    auto session = this->session();
    begin(session, kCheckpoint);
    Hash hash(Algorithm::sha256);
    hash.update(block);
    hash.update(block);
    EXPECT_EQ(session.commit(hash.digest()), SessionResult::ok);
}

TEST_F(SessionTest, RevertLeavesTheSessionAsItWas) {
    patch(0, "hello");
    {
        auto session = this->session();
        begin(session, 5);
        ASSERT_EQ(session.append("wrong", 5), SessionResult::ok);
        ASSERT_EQ(session.revert(), SessionResult::ok);
        EXPECT_EQ(session.offset(), 5U);
    }
    EXPECT_EQ(slurp(path("data")), "hello");
    {
        // A request that was refused before its first byte.
        auto session = this->session();
        ASSERT_EQ(session.open(), SessionResult::ok);
        ASSERT_EQ(session.revert(), SessionResult::ok);
    }
    put(5, " world", "hello world");
}

TEST_F(SessionTest, RevertGoesBehindACheckpoint) {
    patch(0, "hello");
    std::string block(kCheckpoint, 'x');
    {
        auto session = this->session();
        begin(session, 5);
        ASSERT_EQ(session.append(block.data(), block.size()),
                  SessionResult::ok);
        ASSERT_EQ(session.saved_offset(), 5 + kCheckpoint);
        ASSERT_EQ(session.revert(), SessionResult::ok);
    }
    EXPECT_EQ(peeked(), 5U);
    put(5, "", "hello");
}

TEST_F(SessionTest, WrongDigestRemovesAll) {
    patch(0, "hello");
    auto session = this->session();
    begin(session, 5);
    EXPECT_EQ(session.commit(sha256_of("other")), SessionResult::mismatch);
    EXPECT_FALSE(exists(folder_));
    EXPECT_FALSE(exists(blob(sha256_of("other"))));
    EXPECT_FALSE(exists(blob(sha256_of("hello"))));
    expect_unknown();
}

TEST_F(SessionTest, WhatIsCommittedIsToldToARepeatedPut) {
    put(0, "hello", "hello");
    auto session = this->session();
    ASSERT_EQ(session.open(), SessionResult::committed);
    EXPECT_EQ(session.committed_digest(), sha256_of("hello").text());
    EXPECT_EQ(session.committed_size(), 5U);
    // To everybody else it is over.
    std::uint64_t offset = 0;
    EXPECT_EQ(Session::peek(folder_, offset), SessionResult::unknown);
    EXPECT_EQ(Session::forget(folder_), SessionResult::unknown);
}

TEST_F(SessionTest, OnlyOneWrites) {
    patch(0, "hello");
    auto writer = session();
    begin(writer, 5);
    ASSERT_EQ(writer.append(" world", 6), SessionResult::ok);
    {
        auto other = session();
        EXPECT_EQ(other.open(), SessionResult::busy);
        EXPECT_EQ(other.offset(), 5U);  // for the answer's Range
        EXPECT_EQ(peeked(), 5U);
    }
    // The refused one changed nothing and took no lock with it.
    ASSERT_EQ(writer.keep(), SessionResult::ok);
    EXPECT_EQ(session().open(), SessionResult::busy);
    writer.close();
    put(11, "!", "hello world!");
}

TEST_F(SessionTest, ForgottenIsUnknownAtOnce) {
    patch(0, "hello");
    auto writer = session();
    begin(writer, 5);
    ASSERT_EQ(writer.append("x", 1), SessionResult::ok);
    EXPECT_EQ(Session::forget(folder_), SessionResult::ok);
    expect_unknown();
    EXPECT_EQ(Session::forget(folder_), SessionResult::unknown);
    // A request under way learns it, and does not bring the session back.
    EXPECT_EQ(writer.keep(), SessionResult::unknown);
    expect_unknown();
    Session::remove_folder(folder_);
    EXPECT_FALSE(exists(folder_));
    Session::remove_folder(folder_);
}

TEST_F(SessionTest, DiscardRemovesTheFolder) {
    patch(0, "hello");
    auto session = this->session();
    begin(session, 5);
    session.discard();
    EXPECT_FALSE(exists(folder_));
    EXPECT_TRUE(exists(std::filesystem::path(folder_).parent_path()));
}

// A record that is not one, from docker-registry, a torn write or a bad disk.
class DamagedState : public SessionTest,
                     public ::testing::WithParamInterface<const char*> {
protected:
    void damage() {
        std::string_view kind = GetParam();
        auto file = path("state");
        if (kind == "missing") {
            ASSERT_TRUE(std::filesystem::remove(file));
        } else if (kind == "empty") {
            std::filesystem::resize_file(file, 0);
        } else if (kind == "torn") {
            std::filesystem::resize_file(file, 20);
        } else if (kind == "zeros") {
            spit(file, std::string(std::filesystem::file_size(file), '\0'));
        } else if (kind == "ones") {
            spit(file, std::string(std::filesystem::file_size(file), '\xff'));
        } else {
            spit(file, std::string(1 << 20, 'L'));
        }
    }
};

TEST_P(DamagedState, TheDataAreHashedAnew) {
    patch(0, "hello");
    damage();
    EXPECT_EQ(peeked(), 5U);
    auto session = this->session();
    begin(session, 5);
    ASSERT_EQ(session.append(" world", 6), SessionResult::ok);
    ASSERT_EQ(session.commit(sha256_of("hello world")), SessionResult::ok);
    expect_blob("hello world");
}

INSTANTIATE_TEST_SUITE_P(Kinds, DamagedState,
                         ::testing::Values("missing", "empty", "torn", "zeros",
                                           "ones", "huge"),
                         [](const auto& kind) {
                             return std::string(kind.param);
                         });

TEST_F(SessionTest, AStateBeyondTheDataIsNotBelieved) {
    patch(0, "hello world");
    std::filesystem::resize_file(path("data"), 4);
    EXPECT_EQ(peeked(), 4U);
    // Nor later, when other bytes have taken the place of the lost ones.
    lose(4, "xxxxxxxxxxxx");
    auto session = this->session();
    ASSERT_EQ(session.open(), SessionResult::ok);
    ASSERT_EQ(session.prepare(), SessionResult::ok);
    auto whole = slurp(path("data"));
    ASSERT_EQ(whole.size(), session.offset());
    EXPECT_EQ(session.commit(sha256_of(whole)), SessionResult::ok);
}

TEST_F(SessionTest, ALeftOverNameOfABlobIsNotWrittenTo) {
    // linkat() published, then the power failed before the unlink.
    put(0, "hello", "hello");
    auto published = blob(sha256_of("hello"));
    std::filesystem::create_hard_link(published, path("data"));
    EXPECT_EQ(session().open(), SessionResult::committed);
    EXPECT_FALSE(exists(path("data")));
    EXPECT_EQ(slurp(published), "hello");
}

TEST_F(SessionTest, ALeftOverNameWithoutItsNoteStartsOver) {
    put(0, "hello", "hello");
    auto published = blob(sha256_of("hello"));
    std::filesystem::create_hard_link(published, path("data"));
    spit(path("committed"), "");  // a power cut may have emptied it
    EXPECT_EQ(session().open(), SessionResult::unknown);
    EXPECT_FALSE(exists(path("data")));
    EXPECT_EQ(slurp(published), "hello");
}

TEST_F(SessionTest, AnotherRequestPublishesWhileWeOpen) {
    patch(0, "hello");
    auto target = blob(sha256_of("hello"));
    std::filesystem::create_directories(
        std::filesystem::path(target).parent_path());
    system_calls::before(system_calls::Call::flock, [&] {
        spit(path("committed"), sha256_of("hello").str() + " 5");
        std::filesystem::rename(path("data"), target);
    });
    EXPECT_EQ(session().open(), SessionResult::committed);
    EXPECT_EQ(slurp(target), "hello");
}

// It may have rotted since it was verified.
TEST_F(SessionTest, ABlobOfOtherBytesIsReplaced) {
    auto target = blob(sha256_of("hello"));
    std::filesystem::create_directories(
        std::filesystem::path(target).parent_path());
    spit(target, "hellp");
    put(0, "hello", "hello");
}

TEST_F(SessionTest, ABlobOfAnotherSizeIsReplaced) {
    auto target = blob(sha256_of("hello"));
    std::filesystem::create_directories(
        std::filesystem::path(target).parent_path());
    spit(target, "hel");
    put(0, "hello", "hello");
}

TEST_F(SessionTest, ASweepMayRemoveTheEmptyFolder) {
    system_calls::before(system_calls::Call::renameat_data, [&] {
        auto folder = std::filesystem::path(blob(sha256_of("hello")));
        std::filesystem::remove(folder.parent_path());
        std::filesystem::remove(folder.parent_path().parent_path());
    });
    put(0, "hello", "hello");
}

// What each failing call makes of a request, and the session after it.
struct Broken {
    const char* name;
    system_calls::Call call;
    int error;
    SessionResult result;
};

class BrokenDisk : public SessionTest,
                   public ::testing::WithParamInterface<Broken> {};

TEST_P(BrokenDisk, NothingIsPromised) {
    patch(0, "hello");
    {
        auto session = this->session();
        begin(session, 5);
        system_calls::fail(GetParam().call, GetParam().error);
        auto result = session.append(" world", 6);
        if (result == SessionResult::ok) {
            result = session.keep();
        }
        EXPECT_EQ(result, GetParam().result);
        EXPECT_EQ(session.error_number(), GetParam().error);
        system_calls::reset();
        EXPECT_EQ(session.revert(), SessionResult::ok);
    }
    EXPECT_EQ(peeked(), 5U);
    put(5, " world", "hello world");
}

TEST_P(BrokenDisk, NothingIsPublished) {
    patch(0, "hello");
    {
        auto session = this->session();
        begin(session, 5);
        system_calls::fail(GetParam().call, GetParam().error);
        EXPECT_EQ(session.commit(sha256_of("hello")), GetParam().result);
    }
    system_calls::reset();
    EXPECT_EQ(slurp(path("data")), "hello");
    EXPECT_FALSE(exists(blob(sha256_of("hello"))));
    put(5, "", "hello");
}

using system_calls::Call;
INSTANTIATE_TEST_SUITE_P(
    Calls, BrokenDisk,
    ::testing::Values(
        Broken{"full", Call::pwrite, ENOSPC, SessionResult::no_storage},
        Broken{"quota", Call::pwrite, EDQUOT, SessionResult::no_storage},
        Broken{"broken", Call::pwrite, EIO, SessionResult::no_storage},
        Broken{"sync", Call::fdatasync, EIO, SessionResult::no_storage},
        Broken{"sync_full", Call::fdatasync, ENOSPC,
               SessionResult::no_storage}),
    [](const auto& broken) { return std::string(broken.param.name); });

TEST_F(SessionTest, ABlobWhoseFolderCannotBeSyncedIsNotPromised) {
    patch(0, "hello");
    auto session = this->session();
    begin(session, 5);
    system_calls::fail(Call::fsync, EIO);
    EXPECT_EQ(session.commit(sha256_of("hello")), SessionResult::no_storage);
    EXPECT_EQ(session.error_number(), EIO);
}

// Place of a call in the journal; SIZE_MAX if there was none.
std::size_t place(const std::string& call) {
    const auto& made = system_calls::journal();
    auto found = std::find_if(
        made.begin(), made.end(),
        [&](const std::string& entry) { return entry.starts_with(call); });
    return found == made.end() ? SIZE_MAX
                               : static_cast<std::size_t>(found - made.begin());
}

// A folder was synced, this one and not one below it.
bool is_synced(const std::filesystem::path& folder) {
    const auto& made = system_calls::journal();
    return std::find(made.begin(), made.end(), "fsync " + folder.string()) !=
           made.end();
}

// Data, folders and the state, in any order but for what the state covers.
void SessionTest::expect_durable_first_state() {
    auto state = place("fdatasync " + path("state.new"));
    EXPECT_LT(place("fdatasync " + path("data")), state);
    const auto& made = system_calls::journal();
    EXPECT_LT(state, made.size());
    EXPECT_NE(std::find(made.begin() + static_cast<long>(state), made.end(),
                        "fsync " + folder_),
              made.end());
    auto folder = std::filesystem::path(folder_);
    for (; folder.filename() != "v2"; folder = folder.parent_path()) {
        EXPECT_TRUE(is_synced(folder)) << folder;
    }
}

TEST_F(SessionTest, AStateComesAfterTheDataItCovers) {
    patch(0, "hello");
    system_calls::reset();
    patch(5, " world");
    auto data = place("fdatasync " + path("data"));
    EXPECT_LT(place("pwrite " + path("data")), data);
    EXPECT_LT(data, place("pwritev2 synced " + path("state")));
    EXPECT_LT(data, SIZE_MAX);
}

TEST_F(SessionTest, TheFirstStateIsDurableWithAllFolders) {
    patch(0, "hello");
    expect_durable_first_state();
    // Once is enough.
    system_calls::reset();
    patch(5, " world");
    EXPECT_EQ(place("fsync "), SIZE_MAX);
}

TEST_F(SessionTest, TheFirstStateMayBeACheckpoint) {
    std::string block(kCheckpoint, 'x');
    patch(0, block);
    expect_durable_first_state();
}

TEST_F(SessionTest, AStateThatCannotBeReadIsNotOverwritten) {
    patch(0, "hello");
    patch(5, " world");
    {
        // A moment without descriptors; nothing is appended.
        auto session = this->session();
        system_calls::fail_read("state", EMFILE);
        ASSERT_EQ(session.open(), SessionResult::ok);
        ASSERT_EQ(session.prepare(), SessionResult::ok);
        system_calls::reset();
        EXPECT_EQ(session.keep(), SessionResult::ok);
    }
    EXPECT_EQ(peeked(), 11U);
    put(11, "!", "hello world!");
}

TEST_F(SessionTest, CancelledWhileItIsCommitted) {
    patch(0, "hello");
    auto session = this->session();
    begin(session, 5);
    system_calls::before(system_calls::Call::fdatasync, [&] {
        EXPECT_EQ(Session::forget(folder_), SessionResult::ok);
    });
    EXPECT_EQ(session.commit(sha256_of("hello")), SessionResult::unknown);
    EXPECT_FALSE(exists(blob(sha256_of("hello"))));
    session.close();
    expect_unknown();
}

TEST_F(SessionTest, WhatNoStateCoversIsNotPromised) {
    patch(0, "hello");
    {
        auto session = this->session();
        begin(session, 5);
        system_calls::fail(system_calls::Call::pwritev2, ENOSPC);
        ASSERT_EQ(session.append(" world", 6), SessionResult::ok);
        EXPECT_EQ(session.keep(), SessionResult::no_storage);
        system_calls::reset();
        EXPECT_EQ(session.revert(), SessionResult::ok);
    }
    EXPECT_EQ(peeked(), 5U);
    put(5, "", "hello");
}

// After a power cut a file may be as long as it was and have holes.
TEST_F(SessionTest, WhatNoStateCoversDoesNotOutliveTheMachine) {
    spit(path("data"), "some bytes");
    std::uint64_t offset = 0;
    ASSERT_EQ(Session::peek(folder_, offset), SessionResult::ok);
    EXPECT_EQ(offset, 10U);
    timespec booted{};
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &booted);
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::array<timespec, 2> before{};
    before.fill({now.tv_sec - booted.tv_sec - 10, 0});
    ASSERT_EQ(::utimensat(AT_FDCWD, path("data").c_str(), before.data(), 0), 0);
    ASSERT_EQ(Session::peek(folder_, offset), SessionResult::ok);
    EXPECT_EQ(offset, 0U);
    auto next = session();
    begin(next, 0);
    EXPECT_EQ(slurp(path("data")), "");
}

TEST_F(SessionTest, ATornStateLeavesTheOneBefore) {
    patch(0, "hello");
    patch(5, " world");
    auto newest = slurp(path("state"));
    patch(11, "!");
    // The slot of the last write as a crash may leave it: half of each.
    auto last = slurp(path("state"));
    std::size_t first = 0;
    while (first < last.size() && last[first] == newest[first]) {
        ++first;
    }
    ASSERT_LT(first, last.size());
    spit(path("state"), last.substr(0, first + 1) + newest.substr(first + 1));
    EXPECT_EQ(peeked(), 11U);
    put(11, "?", "hello world?");
}

TEST_F(SessionTest, ABlobIsDurableWithAllItsFolders) {
    patch(0, "hello");
    system_calls::reset();
    put(5, " world", "hello world");
    auto target = std::filesystem::path(blob(sha256_of("hello world")));
    auto rename = place("renameat " + target.string());
    EXPECT_LT(place("fdatasync " + path("data")), rename);
    auto journal = system_calls::journal();
    ASSERT_LT(rename, journal.size());
    for (int i = 0; i < 3; ++i) {
        target = target.parent_path();
        EXPECT_EQ(std::count(journal.begin() + static_cast<long>(rename),
                             journal.end(), "fsync " + target.string()),
                  1)
            << target;
    }
    // Those that were new too.
    EXPECT_TRUE(is_synced(target.parent_path()));
    EXPECT_TRUE(is_synced(target.parent_path().parent_path()));
}

TEST_F(SessionTest, ARepeatedPutMakesTheBlobDurable) {
    patch(0, "hello");
    {
        // Published, but not for good; the session says `committed` now.
        auto session = this->session();
        begin(session, 5);
        system_calls::before(Call::renameat_data,
                             [] { system_calls::fail(Call::fsync, EIO); });
        ASSERT_EQ(session.commit(sha256_of("hello")),
                  SessionResult::no_storage);
    }
    {
        auto session = this->session();
        ASSERT_EQ(session.open(), SessionResult::committed);
        EXPECT_EQ(session.confirm(), SessionResult::no_storage);
        EXPECT_EQ(session.error_number(), EIO);
    }
    system_calls::reset();
    auto target = std::filesystem::path(blob(sha256_of("hello")));
    auto session = this->session();
    ASSERT_EQ(session.open(), SessionResult::committed);
    ASSERT_EQ(session.confirm(), SessionResult::ok);
    for (auto folder = target;
         folder.has_parent_path() && folder.filename() != "sha256";) {
        folder = folder.parent_path();
        EXPECT_TRUE(is_synced(folder)) << folder;
    }
    std::filesystem::remove(target);
    EXPECT_EQ(session.confirm(), SessionResult::unknown);
}

TEST_F(SessionTest, AReadOnlyDiskIsNoStorage) {
    patch(0, "hello");
    system_calls::fail(Call::openat_write, EROFS);
    auto session = this->session();
    EXPECT_EQ(session.open(), SessionResult::no_storage);
    EXPECT_EQ(session.error_number(), EROFS);
    // To read the offset it is enough.
    EXPECT_EQ(peeked(), 5U);
}

TEST_F(SessionTest, ShortAndInterruptedWritesAreContinued) {
    auto session = this->session();
    begin(session, 0);
    system_calls::write_bytewise_with_interrupts();
    ASSERT_EQ(session.append("hello world", 11), SessionResult::ok);
    ASSERT_EQ(session.commit(sha256_of("hello world")), SessionResult::ok);
    expect_blob("hello world");
}

}  // namespace
}  // namespace longshore
