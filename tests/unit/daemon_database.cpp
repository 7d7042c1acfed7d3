// Group commit, savepoints, schema and lock of the database.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "daemon_fixture.hpp"
#include "db/journal.hpp"

namespace longshore {
namespace {

// A thread that says who it is before a call that blocks.
class Sleeper {
public:
    void begins() { thread_ = ::gettid(); }

    // Returns when the call blocks, however slow this machine is.
    void wait() const {
        for (int seen = 0; seen < 2;) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            seen = sleeps() ? seen + 1 : 0;
        }
    }

private:
    bool sleeps() const {
        if (thread_ == 0) {
            return false;
        }
        auto stat =
            slurp("/proc/self/task/" + std::to_string(thread_) + "/stat");
        auto name_end = stat.rfind(") ");
        return name_end != stat.npos && stat[name_end + 2] == 'S';
    }

    std::atomic<pid_t> thread_{0};
};

class DatabaseTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_database();
    }

    Result<void> set(std::string_view key, std::string_view value) {
        return database_->write(
            [&](Transaction& t) { return db::set_meta(t, key, value); });
    }

    std::string get(std::string_view key) {
        std::string value;
        EXPECT_TRUE(static_cast<bool>(
            database_->read([&](Transaction& t) -> Result<void> {
                LS_TRY(found, db::meta(t, key));
                value = found;
                return {};
            })));
        return value;
    }
};

TEST_F(DatabaseTest, IsForItsOwnerAndGroupAlone) {
    for (const auto* end : {"", "-wal", "-shm"}) {
        auto mode =
            std::filesystem::status(root_ + "/db/longshore.sqlite" + end)
                .permissions();
        EXPECT_EQ(mode & std::filesystem::perms::others_all,
                  std::filesystem::perms::none)
            << end;
    }
}

TEST_F(DatabaseTest, WriteIsSeenByTheNextRead) {
    EXPECT_EQ(get("k"), "");
    ASSERT_OK(set("k", "1"));
    EXPECT_EQ(get("k"), "1");
    ASSERT_OK(set("k", "2"));
    EXPECT_EQ(get("k"), "2");
}

// While the writer is busy others queue up; all of them go into one commit.
TEST_F(DatabaseTest, WaitingWritesShareACommit) {
    std::atomic<bool> hold{true};
    std::atomic<int> inside{0};
    std::thread first([&] {
        ASSERT_OK(database_->write([&](Transaction&) -> Result<void> {
            inside = 1;
            while (hold) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            return {};
        }));
    });
    while (inside == 0) {
        std::this_thread::yield();
    }
    // Each of the group sees what those before it wrote, although none of
    // it is committed yet: they are in one transaction.
    constexpr int kWriters = 20;
    std::vector<std::thread> writers;
    std::array<Sleeper, kWriters> sleepers;
    std::atomic<int> visible{0};
    std::atomic<int> committed{0};
    for (auto& sleeper : sleepers) {
        writers.emplace_back([&] {
            sleeper.begins();
            ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
                LS_TRY(before, db::meta(t, "count"));
                auto count = before.empty() ? 0 : std::stoi(before);
                LS_CHECK(db::set_meta(t, "count", std::to_string(count + 1)));
                std::string outside;
                std::thread reader([&] { outside = get("count"); });
                reader.join();
                visible += outside.empty() ? 0 : 1;
                return {};
            }));
            ++committed;
        });
    }
    for (const auto& sleeper : sleepers) {
        sleeper.wait();
    }
    EXPECT_EQ(committed, 0);
    hold = false;
    first.join();
    for (auto& writer : writers) {
        writer.join();
    }
    EXPECT_EQ(visible, 0);  // nobody committed in between
    EXPECT_EQ(get("count"), std::to_string(kWriters));
}

TEST_F(DatabaseTest, FailingWriteUndoesOnlyItself) {
    std::vector<std::thread> writers;
    std::atomic<int> failed{0};
    for (int i = 0; i < 16; ++i) {
        writers.emplace_back([&, i] {
            auto key = "k" + std::to_string(i);
            auto result = database_->write([&](Transaction& t) -> Result<void> {
                LS_CHECK(db::set_meta(t, key, "x"));
                if (i % 4 == 0) {
                    return Error{Code::conflict, "no"};
                }
                if (i % 4 == 1) {
                    throw std::runtime_error("thrown");
                }
                return {};
            });
            if (!result) {
                ++failed;
                EXPECT_EQ(result.error().code,
                          i % 4 == 0 ? Code::conflict : Code::internal);
            }
        });
    }
    for (auto& writer : writers) {
        writer.join();
    }
    EXPECT_EQ(failed, 8);
    for (int i = 0; i < 16; ++i) {
        EXPECT_EQ(get("k" + std::to_string(i)), i % 4 < 2 ? "" : "x") << i;
    }
}

// Who failed inside a group that could not be committed had seen its writes.
TEST_F(DatabaseTest, FailedCommitFailsTheWholeGroup) {
    static constexpr Sql kCheckAtCommit = "PRAGMA defer_foreign_keys = ON";
    static constexpr Sql kBreakKey =
        "INSERT INTO name_blobs (name_id, blob_id) VALUES (77, 77)";
    std::atomic<bool> hold{true};
    std::atomic<bool> inside{false};
    std::thread first([&] {
        ASSERT_OK(database_->write([&](Transaction&) -> Result<void> {
            inside = true;
            while (hold) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            return {};
        }));
    });
    while (!inside) {
        std::this_thread::yield();
    }
    std::array<Result<void>, 3> results;
    std::array<std::thread, 3> writers;
    std::array<Sleeper, 3> sleepers;
    const std::array<Work, 3> works = {
        [](Transaction& t) { return db::set_meta(t, "k", "1"); },
        [](Transaction& t) -> Result<void> {
            LS_TRY(set, t.execute(kCheckAtCommit, {}));
            LS_TRY(made, t.execute(kBreakKey, {}));
            (void)set;
            (void)made;
            return {};
        },
        [](Transaction& t) -> Result<void> {
            LS_TRY(value, db::meta(t, "k"));
            return Error{Code::conflict, "k is " + value};
        }};
    for (std::size_t i = 0; i < works.size(); ++i) {
        writers[i] = std::thread([&, i] {
            sleepers[i].begins();
            results[i] = database_->write(works[i]);
        });
        sleepers[i].wait();
    }
    hold = false;
    first.join();
    for (auto& writer : writers) {
        writer.join();
    }
    for (const auto& result : results) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Code::unavailable)
            << result.error().message;
    }
    EXPECT_EQ(get("k"), "");
    ASSERT_OK(set("k", "2"));
}

// A sweep looks at the oldest events only, however many there are.
TEST_F(DatabaseTest, EventsAreDeletedFromTheOldestOn) {
    std::vector<std::int64_t> gone;
    ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
        for (std::int64_t at_ms : {1, 2, 3, 90, 91, 4}) {
            Event event;
            event.type = "tag.moved";
            event.at_ms = at_ms;
            LS_CHECK(db::add_event(t, event));
        }
        for (std::int64_t upto : {0, 0, 4}) {
            LS_TRY(count, db::delete_events(t, upto, 50, 2));
            gone.push_back(count);
        }
        return {};
    }));
    // 1 and 2; 3 without 90; 90, which all have read, without 91.
    EXPECT_EQ(gone, (std::vector<std::int64_t>{2, 1, 1}));
}

TEST_F(DatabaseTest, ReaderKeepsItsSnapshot) {
    ASSERT_OK(set("k", "old"));
    ASSERT_OK(database_->read([&](Transaction& t) -> Result<void> {
        LS_TRY(before, db::meta(t, "k"));
        EXPECT_EQ(before, "old");
        std::thread([&] { EXPECT_TRUE(set("k", "new")); }).join();
        LS_TRY(after, db::meta(t, "k"));
        EXPECT_EQ(after, "old");
        return {};
    }));
    EXPECT_EQ(get("k"), "new");
}

TEST_F(DatabaseTest, ReadCannotWrite) {
    auto result = database_->read(
        [&](Transaction& t) { return db::set_meta(t, "k", "x"); });
    EXPECT_FALSE(result);
    EXPECT_EQ(get("k"), "");
}

TEST_F(DatabaseTest, SecondOwnerIsRefused) {
    auto second = open_sqlite({root_ + "/db"});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::conflict);
    EXPECT_NE(second.error().message.find("in use"), std::string::npos);
    database_.reset();
    EXPECT_TRUE(open_sqlite({root_ + "/db"}));
}

TEST_F(DatabaseTest, NewerSchemaIsRefused) {
    static constexpr Sql kRaise = "PRAGMA user_version = 99";
    ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
        LS_TRY(changed, t.execute(kRaise, {}));
        (void)changed;
        return {};
    }));
    database_.reset();
    auto opened = open_sqlite({root_ + "/db"});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::unsupported);
    EXPECT_NE(opened.error().message.find("99"), std::string::npos);
}

// A child that is killed with -9 right after an answer has lost nothing.
TEST_F(DatabaseTest, AnsweredWriteSurvivesKill) {
    database_.reset();
    std::array<int, 2> channel{};
    ASSERT_EQ(::pipe(channel.data()), 0);
    auto child = ::fork();
    if (child == 0) {
        auto opened = open_sqlite({root_ + "/db"});
        for (int i = 0; opened; ++i) {
            auto key = "k" + std::to_string(i);
            auto result = (*opened)->write(
                [&](Transaction& t) { return db::set_meta(t, key, "x"); });
            if (!result || ::write(channel[1], "+", 1) != 1) {
                break;
            }
        }
        ::_exit(1);
    }
    ::close(channel[1]);
    int answered = 0;
    char byte = 0;
    while (answered < 50 && ::read(channel[0], &byte, 1) == 1) {
        ++answered;
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(channel[0], &byte, 1) == 1) {
        ++answered;
    }
    ::close(channel[0]);
    ASSERT_GE(answered, 50);
    auto opened = open_sqlite({root_ + "/db"});
    ASSERT_OK(opened);
    database_ = std::move(*opened);
    for (int i = 0; i < answered; ++i) {
        ASSERT_EQ(get("k" + std::to_string(i)), "x") << i;
    }
}

}  // namespace
}  // namespace longshore
