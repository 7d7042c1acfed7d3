// ClockWatch: what has an age only by the wall clock is left alone after that
// was set, through restarts, for as long as was asked.
#include "daemon_fixture.hpp"
#include "jobs/clock_watch.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kQuietS = 100;

class ClockWatchTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_database();
    }

    // As a daemon that starts now.
    ClockWatch start() {
        return ClockWatch(
            *database_, "test_clock", kQuietS, [this] { return mark_; },
            [this] { return boot_ms_; });
    }

    static bool is_quiet(ClockWatch& watch) {
        auto quiet = watch.is_quiet();
        EXPECT_TRUE(static_cast<bool>(quiet));
        return quiet && *quiet;
    }

    ClockMark mark_{"first", 1'000'000'000'000};
    std::int64_t boot_ms_ = 5'000;
};

TEST_F(ClockWatchTest, AClockThatNobodySetIsTrusted) {
    auto watch = start();
    EXPECT_FALSE(is_quiet(watch));
    boot_ms_ += 1'000'000;
    mark_.began_ms += kClockNoiseMs;  // slewed
    EXPECT_FALSE(is_quiet(watch));
    auto next = start();
    EXPECT_FALSE(is_quiet(next));
}

TEST_F(ClockWatchTest, AfterItWasSetItIsQuietForItsTime) {
    for (std::int64_t step : {86'400'000, -86'400'000}) {
        auto watch = start();
        EXPECT_FALSE(is_quiet(watch));
        mark_.began_ms += step;
        EXPECT_TRUE(is_quiet(watch));
        boot_ms_ += kQuietS * 1000 - 1;
        EXPECT_TRUE(is_quiet(watch));
        boot_ms_ += 1;
        EXPECT_FALSE(is_quiet(watch));
    }
}

TEST_F(ClockWatchTest, SetOnceMoreItBeginsOnceMore) {
    auto watch = start();
    EXPECT_FALSE(is_quiet(watch));
    mark_.began_ms += 86'400'000;
    EXPECT_TRUE(is_quiet(watch));
    boot_ms_ += kQuietS * 1000 - 1;
    mark_.began_ms -= 86'400'000;
    EXPECT_TRUE(is_quiet(watch));
    boot_ms_ += kQuietS * 1000 - 1;
    EXPECT_TRUE(is_quiet(watch));
    boot_ms_ += 1;
    EXPECT_FALSE(is_quiet(watch));
}

TEST_F(ClockWatchTest, ARestartForgetsNothing) {
    {
        auto watch = start();
        EXPECT_FALSE(is_quiet(watch));
    }
    mark_.began_ms += 86'400'000;  // while there was no daemon
    {
        auto watch = start();
        EXPECT_TRUE(is_quiet(watch));
    }
    boot_ms_ += kQuietS * 1000 - 1;
    {
        auto watch = start();
        EXPECT_TRUE(is_quiet(watch));
    }
    boot_ms_ += 1;
    auto watch = start();
    EXPECT_FALSE(is_quiet(watch));
}

TEST_F(ClockWatchTest, AnotherStartOfTheMachineBeginsTheTimeAnew) {
    {
        auto watch = start();
        EXPECT_FALSE(is_quiet(watch));
        mark_.began_ms += 86'400'000;
        EXPECT_TRUE(is_quiet(watch));
    }
    mark_ = {"second", 2'000'000'000'000};
    boot_ms_ = 1'000;
    {
        auto watch = start();
        EXPECT_TRUE(is_quiet(watch));
        boot_ms_ += kQuietS * 1000;
        EXPECT_FALSE(is_quiet(watch));
    }
    // One that was not quiet is trusted on the next start.
    mark_ = {"third", 3'000'000'000'000};
    boot_ms_ = 1'000;
    auto watch = start();
    EXPECT_FALSE(is_quiet(watch));
}

}  // namespace
}  // namespace longshore
