// Who goes on: by lot, by priorities that change a few times, in every way
// with few preemptions, as a script says, or as a trace says.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "model_fibers.hpp"

namespace longshore::model {

/// The same numbers for the same seed everywhere, unlike those of <random>.
class Lots {
public:
    explicit Lots(std::uint64_t seed) noexcept : state_(seed) {}
    std::uint64_t next() noexcept;
    std::size_t below(std::size_t n) noexcept { return next() % n; }

private:
    std::uint64_t state_;
};

/// Any that can go on, at each point; with `end_at` the process ends at that
/// choice.
class ByLot final : public Chooser {
public:
    /// `stay` of 16: how often the same one goes on.
    ByLot(Lots& lots, std::size_t stay, std::optional<std::size_t> end_at)
        : lots_(lots), stay_(stay), end_at_(end_at) {}
    int choose(const std::vector<int>& able, int current) override;

private:
    Lots& lots_;
    std::size_t stay_;
    std::optional<std::size_t> end_at_;
    std::size_t choices_ = 0;
};

/// The one of the highest priority; at `changes` choices among the first
/// `length` the one that would go on gets the lowest (PCT: Burckhardt and
/// others, "A randomized scheduler with probabilistic guarantees of finding
/// bugs").
class ByPriority final : public Chooser {
public:
    ByPriority(Lots& lots, std::size_t changes, std::size_t length,
               std::optional<std::size_t> end_at);
    int choose(const std::vector<int>& able, int current) override;

private:
    std::int64_t& priority_of(int fiber);

    Lots& lots_;
    std::optional<std::size_t> end_at_;
    std::vector<std::size_t> changes_;
    std::vector<std::int64_t> priorities_;
    std::int64_t lowest_ = 0;
    std::size_t choices_ = 0;
};

/// Every order in which at most `preemptions` times somebody goes on although
/// another could. The first order has none; next() is false after the last.
class Each final : public Chooser {
public:
    explicit Each(std::size_t preemptions) : preemptions_(preemptions) {}
    int choose(const std::vector<int>& able, int current) override;
    bool next();

private:
    struct Choice {
        std::vector<int> options;
        std::size_t taken = 0;
        int current = kNobody;
    };
    std::size_t preemptions_;
    std::vector<Choice> path_;
    std::size_t depth_ = 0;
    std::size_t used_ = 0;
};

/// One after the other, each until it is about to do something.
class Script final : public Chooser {
public:
    struct Line {
        std::string fiber;
        std::string until;  // part of a step's text; "": its end
    };
    explicit Script(std::vector<Line> lines) : lines_(std::move(lines)) {}
    int choose(const std::vector<int>& able, int current) override;
    bool wants_text() const override { return true; }
    /// The line that did not come true; "" if all did.
    std::string missed() const;

private:
    bool is_over(const Line& line);

    std::vector<Line> lines_;
    std::size_t at_ = 0;
    std::string missed_;
};

/// What write_trace() wrote; tells each step.
class Replay final : public Chooser {
public:
    explicit Replay(const std::string& text);
    int choose(const std::vector<int>& able, int current) override;
    bool wants_text() const override { return true; }

private:
    std::vector<int> choices_;
    std::size_t at_ = 0;
};

/// "0x12.1x3": fiber 0 twelve times, then 1; "e": the process ends.
std::string write_trace(const std::vector<int>& trace);

}  // namespace longshore::model
