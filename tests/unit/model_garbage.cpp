// The collector, retention, the scrub, undeletes, pushes, mounts, HEADs and
// deletes in a million orders: what was promised holds in each.
// docs/durability.md, "Interleavings".
//
//     unit_model                                   the tests
//     unit_model --interleavings 1000000 --seed 1  as many histories
//     unit_model --replay SCENARIO TRACE           one of them, step by step
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include <malloc.h>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "model_choosers.hpp"
#include "model_fibers.hpp"
#include "model_scenarios.hpp"
#include "model_world.hpp"

namespace longshore::model {
namespace {

struct Wish {
    std::uint64_t histories = 10'000;
    std::uint64_t seed = 1;
    std::size_t preemptions = 1;
    bool omit_touch = false;
    bool loud = false;
    std::string only;
};

struct Seen {
    std::uint64_t histories = 0;
    std::uint64_t each = 0;  // of these by Each
    std::uint64_t crashes = 0;
    std::uint64_t steps = 0;
    std::uint64_t pushes = 0;
    std::uint64_t collected = 0;
    std::uint64_t retired = 0;
    std::uint64_t revived = 0;
    std::uint64_t quarantined = 0;
    std::unordered_set<std::uint64_t> different;
    std::string wrong;
};

std::uint64_t hash_of(std::string_view scenario,
                      const std::vector<int>& trace) {
    std::uint64_t hash = std::hash<std::string_view>()(scenario);
    for (int one : trace) {
        hash =
            (hash ^ static_cast<std::uint64_t>(one + 3)) * 0x9ddfea08eb382d69;
        hash ^= hash >> 29;
    }
    return hash;
}

class Histories {
public:
    explicit Histories(const Wish& wish) : wish_(wish) {
        for (const auto& scenario : scenarios()) {
            if (wish.only.empty() || wish.only == scenario.name) {
                stages_.push_back(std::make_unique<Stage>(scenario));
                stages_.back()->world().omitted.touch_at_head = wish.omit_touch;
                lots_of_stage_.insert(lots_of_stage_.end(), scenario.weight,
                                      stages_.size() - 1);
            }
        }
        if (stages_.empty()) {
            (void)scenario_of(wish.only);
        }
    }

    // Up to the first that is wrong.
    Seen play() {
        for (auto& stage : stages_) {
            each_of(*stage);
        }
        while (goes_on()) {
            by_lot();
        }
        for (auto& stage : stages_) {
            seen_.pushes += stage->world().pushes;
            seen_.collected += stage->world().collected;
            seen_.retired += stage->world().retired;
            seen_.revived += stage->world().revived;
            seen_.quarantined += stage->world().quarantined;
        }
        return std::move(seen_);
    }

private:
    bool goes_on() const {
        return seen_.wrong.empty() && seen_.histories < wish_.histories;
    }

    void one(Stage& stage, Chooser& chooser) {
        auto wrong = stage.play(chooser);
        const auto& steps = trace();
        ++seen_.histories;
        seen_.steps += steps.size();
        // As long as most are, so that lots fall into them.
        auto& length = lengths_[stage.name()];
        length = std::max(length, steps.size());
        seen_.crashes += !steps.empty() && steps.back() == kEnd ? 1 : 0;
        seen_.different.insert(hash_of(stage.name(), steps));
        if (!wrong.empty()) {
            seen_.wrong = "history " + std::to_string(seen_.histories) + ": " +
                          wrong + "\n  unit_model --replay " +
                          std::string(stage.name()) + " " + write_trace(steps) +
                          (wish_.omit_touch ? " --omit-touch" : "");
        }
        if (wish_.loud && seen_.histories % 100'000 == 0) {
            std::printf("%llu histories\n",
                        static_cast<unsigned long long>(seen_.histories));
            std::fflush(stdout);
        }
    }

    void each_of(Stage& stage) {
        Each each(wish_.preemptions);
        // Most are by lot, and none may leave nothing to the others.
        auto limit = wish_.histories / 4 / stages_.size();
        std::uint64_t count = 0;
        do {
            one(stage, each);
        } while (++count < limit && goes_on() && each.next());
        seen_.each += count;
    }

    void by_lot() {
        Lots lots(wish_.seed * 0x100000001b3 + seen_.histories);
        auto& stage =
            *stages_[lots_of_stage_[lots.below(lots_of_stage_.size())]];
        auto length = lengths_[stage.name()];
        std::optional<std::size_t> end_at;
        if (lots.below(4) == 0) {
            end_at = lots.below(length);
        }
        if (lots.below(2) == 0) {
            ByLot chooser(lots, lots.below(16), end_at);
            one(stage, chooser);
        } else {
            ByPriority chooser(lots, 1 + lots.below(3), length, end_at);
            one(stage, chooser);
        }
    }

    Wish wish_;
    std::vector<std::unique_ptr<Stage>> stages_;
    std::vector<std::size_t> lots_of_stage_;
    std::map<std::string_view, std::size_t> lengths_;  // of the longest
    Seen seen_;
};

Seen play(const Wish& wish) {
    return Histories(wish).play();
}

TEST(InterleavingTest, NothingPromisedIsLost) {
    auto seen = play({});
    EXPECT_EQ(seen.wrong, "");
    EXPECT_GE(seen.histories, 10'000U);
    // They are about something.
    EXPECT_GT(seen.different.size(), seen.histories * 8 / 10);
    EXPECT_GT(seen.crashes, seen.histories / 50);
    EXPECT_GT(seen.pushes, seen.histories / 2);
    EXPECT_GT(seen.collected, seen.histories / 10);
    EXPECT_GT(seen.retired, seen.histories / 20);
    EXPECT_GT(seen.revived, seen.histories / 100);
    EXPECT_GT(seen.quarantined, seen.histories / 500);
}

// Leases are what keeps it: without the one of HEAD a push that was told
// that a layer is there finds it gone.
TEST(InterleavingTest, WithoutTheLeaseOfHeadALayerIsLost) {
    Wish wish;
    wish.omit_touch = true;
    auto seen = play(wish);
    EXPECT_NE(seen.wrong.find("a push of what was told"), std::string::npos)
        << seen.wrong;
    EXPECT_LT(seen.histories, 1000U);
}

// Histories that other registries had, step by step.
void play_script(std::string_view scenario, std::vector<Script::Line> lines) {
    Stage stage(scenario_of(scenario));
    Script script(std::move(lines));
    EXPECT_EQ(stage.play(script), "");
    EXPECT_EQ(script.missed(), "");
}

// github.com/distribution/distribution/issues/3004: the untagged children of
// an index were garbage, and so were their layers.
TEST(InterleavingTest, Distribution3004ChildrenOfAnIndexStay) {
    play_script("index-with-children",
                {{"delete", ""}, {"collector", ""}, {"pull", ""}});
    play_script("index-with-children", {{"pull", "read from the database"},
                                        {"delete", ""},
                                        {"collector", ""},
                                        {"pull", ""}});
}

// …/issues/3743: after a delete and a collection the same image was pushed,
// "layer already exists" was answered, and the layer was gone. Here HEAD is
// asked while the layer is being taken away, at each step of that.
TEST(InterleavingTest, Distribution3743APushAfterACollectionIsWhole) {
    play_script("pushed-again",
                {{"delete", ""}, {"collector", ""}, {"push", ""}});
    for (const auto* step :
         {"set aside", "/trash/", "write to the database", "unlink", "lock"}) {
        play_script("pushed-again", {{"delete", ""},
                                     {"collector", step},
                                     {"push", ""},
                                     {"collector", ""}});
    }
    // HEAD has looked at the link, and the collector takes it.
    play_script(
        "pushed-again",
        {{"delete", ""}, {"push", "touch"}, {"collector", ""}, {"push", ""}});
    // It has made it new.
    play_script(
        "pushed-again",
        {{"delete", ""}, {"push", "open"}, {"collector", ""}, {"push", ""}});
}

// …/issues/4939: layers of images with a tag went. What one image and its
// collection leave to another: in its repository, in another one, by a mount.
TEST(InterleavingTest, Distribution4939LayersOfTaggedImagesStay) {
    play_script("shared-layer",
                {{"delete", ""}, {"collector", ""}, {"pull", ""}});
    play_script("shared-layer", {{"collector", "read from the database"},
                                 {"delete", ""},
                                 {"collector", "set aside"},
                                 {"pull", ""},
                                 {"collector", ""}});
    play_script("deleted-and-pushed", {{"delete", ""},
                                       {"collector", "set aside"},
                                       {"push", ""},
                                       {"collector", ""}});
    play_script(
        "mounted",
        {{"mount", "write to the database"}, {"collector", ""}, {"mount", ""}});
}

// Quay, March 2026, the first: a row that stood for a blob which was still on
// its way, made by a pull through a proxy, was garbage when the blob came.
// There is no proxy here; a mention by an index or an image makes such rows.
TEST(InterleavingTest, QuaysPlaceholdersAreLookedAtAgain) {
    play_script("mentioned-first", {{"delete", ""},
                                    {"collector", "lock"},
                                    {"push", ""},
                                    {"collector", ""}});
    play_script("mentioned-first", {{"push", "write to the database"},
                                    {"delete", ""},
                                    {"collector", ""},
                                    {"push", ""}});
    play_script("mentioned-layer", {{"collector", "lock"},
                                    {"push", "stat"},
                                    {"collector", "write to the database"},
                                    {"push", ""},
                                    {"collector", ""}});
}

// The second: a blob was looked at, found unused, and deleted, while a push
// came to use it in between.
TEST(InterleavingTest, QuaysLookThenDeleteIsOneStep) {
    for (const auto* step : {"read from the database", "set aside",
                             "write to the database", "unlink"}) {
        for (const auto* scenario : {"old-layer", "stored-bytes"}) {
            play_script(scenario,
                        {{"collector", step}, {"push", ""}, {"collector", ""}});
        }
    }
    play_script("stored-bytes", {{"push", "rename to"},
                                 {"collector", "set aside"},
                                 {"push", ""},
                                 {"collector", ""}});
}

// What holds everything above: the same trace is the same history.
TEST(InterleavingTest, ATraceIsPlayedAgain) {
    Lots lots(7);
    ByLot by_lot(lots, 8, std::nullopt);
    Stage stage(scenario_of("many"));
    ASSERT_EQ(stage.play(by_lot), "");
    auto first = write_trace(trace());
    ::testing::internal::CaptureStdout();
    Replay replay(first);
    auto wrong = stage.play(replay);
    auto steps = ::testing::internal::GetCapturedStdout();
    EXPECT_EQ(wrong, "");
    EXPECT_EQ(write_trace(trace()), first);
    EXPECT_NE(steps.find("set aside"), std::string::npos);
}

int tell(const Seen& seen, double seconds) {
    std::printf(
        "%llu histories (%llu of all orders with few preemptions), %zu "
        "different, %llu ended half way\n%llu steps, %llu pushes, %llu links "
        "and blobs collected,\n%llu tags and manifests gone by retention, %llu "
        "undeleted, %llu blobs quarantined\n%.0f s, %.0f histories a second\n",
        static_cast<unsigned long long>(seen.histories),
        static_cast<unsigned long long>(seen.each), seen.different.size(),
        static_cast<unsigned long long>(seen.crashes),
        static_cast<unsigned long long>(seen.steps),
        static_cast<unsigned long long>(seen.pushes),
        static_cast<unsigned long long>(seen.collected),
        static_cast<unsigned long long>(seen.retired),
        static_cast<unsigned long long>(seen.revived),
        static_cast<unsigned long long>(seen.quarantined), seconds,
        static_cast<double>(seen.histories) / seconds);
    if (!seen.wrong.empty()) {
        std::printf("WRONG %s\n", seen.wrong.c_str());
        return 1;
    }
    return 0;
}

int play_again(const std::string& scenario, const std::string& trace,
               bool omit_touch) {
    Stage stage(scenario_of(scenario));
    stage.world().omitted.touch_at_head = omit_touch;
    Replay replay(trace);
    auto wrong = stage.play(replay);
    std::printf("%s\n", wrong.empty() ? "nothing is wrong" : wrong.c_str());
    return wrong.empty() ? 0 : 1;
}

// Nothing if the words are gtest's.
std::optional<int> command(int count, char** words) {
    Wish wish;
    wish.loud = true;
    bool given = false;
    std::string scenario;
    std::string trace;
    for (int i = 1; i < count; ++i) {
        std::string word = words[i];
        auto number = [&] {
            return i + 1 < count ? std::strtoull(words[++i], nullptr, 10) : 0;
        };
        if (word == "--interleavings") {
            wish.histories = number();
            given = true;
        } else if (word == "--seed") {
            wish.seed = number();
        } else if (word == "--preemptions") {
            wish.preemptions = number();
        } else if (word == "--only" && i + 1 < count) {
            wish.only = words[++i];
        } else if (word == "--omit-touch") {
            wish.omit_touch = true;
        } else if (word == "--replay" && i + 2 < count) {
            scenario = words[++i];
            trace = words[++i];
            given = true;
        } else if (given) {
            std::fprintf(stderr, "unit_model does not know %s\n", words[i]);
            return 2;
        }
    }
    if (!given) {
        return std::nullopt;
    }
    if (!scenario.empty()) {
        return play_again(scenario, trace, wish.omit_touch);
    }
    auto begun = std::chrono::system_clock::now();
    auto seen = play(wish);
    return tell(seen, std::chrono::duration<double>(
                          std::chrono::system_clock::now() - begun)
                          .count());
}

}  // namespace
}  // namespace longshore::model

int main(int argc, char** argv) {
    // Writes that fail after an end are told of in thousands of lines.
    spdlog::set_level(spdlog::level::off);
    // Memory comes and goes with each history.
    ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
    ::mallopt(M_TOP_PAD, 16 << 20);
    if (auto code = longshore::model::command(argc, argv)) {
        return *code;
    }
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
