#include "model_choosers.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace longshore::model {

// SplitMix64.
std::uint64_t Lots::next() noexcept {
    state_ += 0x9e3779b97f4a7c15;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

int ByLot::choose(const std::vector<int>& able, int current) {
    if (end_at_ && choices_++ >= *end_at_) {
        return kEnd;
    }
    if (current != kNobody && lots_.below(16) < stay_) {
        return current;
    }
    return able[lots_.below(able.size())];
}

ByPriority::ByPriority(Lots& lots, std::size_t changes, std::size_t length,
                       std::optional<std::size_t> end_at)
    : lots_(lots), end_at_(end_at) {
    for (std::size_t i = 0; i < changes; ++i) {
        changes_.push_back(lots.below(length));
    }
}

std::int64_t& ByPriority::priority_of(int fiber) {
    auto number = static_cast<std::size_t>(fiber);
    while (priorities_.size() <= number) {
        priorities_.push_back(static_cast<std::int64_t>(lots_.next() >> 2));
    }
    return priorities_[number];
}

int ByPriority::choose(const std::vector<int>& able, int) {
    if (end_at_ && choices_ >= *end_at_) {
        return kEnd;
    }
    auto best = [&] {
        return *std::max_element(able.begin(), able.end(), [&](int a, int b) {
            // Grows the table first: a reference would not stay.
            priority_of(std::max(a, b));
            return priority_of(a) < priority_of(b);
        });
    };
    auto chosen = best();
    if (std::find(changes_.begin(), changes_.end(), choices_) !=
        changes_.end()) {
        priority_of(chosen) = --lowest_;
        chosen = best();
    }
    ++choices_;
    return chosen;
}

int Each::choose(const std::vector<int>& able, int current) {
    if (depth_ == path_.size()) {
        Choice choice;
        choice.current = current;
        if (current != kNobody) {
            choice.options.push_back(current);
        }
        if (current == kNobody || used_ < preemptions_) {
            std::copy_if(able.begin(), able.end(),
                         std::back_inserter(choice.options),
                         [&](int one) { return one != current; });
        }
        path_.push_back(std::move(choice));
    }
    const auto& choice = path_[depth_++];
    auto taken = choice.options[choice.taken];
    used_ += current != kNobody && taken != current ? 1 : 0;
    return taken;
}

bool Each::next() {
    depth_ = used_ = 0;
    while (!path_.empty()) {
        auto& last = path_.back();
        if (++last.taken < last.options.size()) {
            return true;
        }
        path_.pop_back();
    }
    return false;
}

bool Script::is_over(const Line& line) {
    auto fiber = fiber_of(line.fiber);
    if (fiber == kNobody || has_ended(fiber)) {
        if (!line.until.empty() && missed_.empty()) {
            missed_ = line.fiber + " ended before " + line.until;
        }
        return true;
    }
    return !line.until.empty() &&
           step_of(fiber).find(line.until) != std::string::npos;
}

int Script::choose(const std::vector<int>& able, int current) {
    while (at_ < lines_.size() && is_over(lines_[at_])) {
        ++at_;
    }
    if (at_ < lines_.size()) {
        auto wanted = fiber_of(lines_[at_].fiber);
        if (std::find(able.begin(), able.end(), wanted) != able.end()) {
            return wanted;
        }
    }
    return current != kNobody ? current : able.front();
}

std::string Script::missed() const {
    if (missed_.empty() && at_ < lines_.size() && !lines_[at_].until.empty()) {
        return lines_[at_].fiber + " never came to " + lines_[at_].until;
    }
    return missed_;
}

Replay::Replay(const std::string& text) {
    const auto* at = text.c_str();
    while (*at != '\0') {
        char* end = nullptr;
        auto fiber =
            *at == 'e' ? kEnd : static_cast<int>(std::strtol(at, &end, 10));
        at = fiber == kEnd ? at + 1 : end;
        long times = 1;
        if (*at == 'x') {
            times = std::strtol(at + 1, &end, 10);
            at = end;
        }
        choices_.insert(choices_.end(), static_cast<std::size_t>(times), fiber);
        at += *at == '.' ? 1 : 0;
    }
}

int Replay::choose(const std::vector<int>& able, int current) {
    auto chosen = current != kNobody ? current : able.front();
    if (at_ < choices_.size()) {
        auto wanted = choices_[at_];
        if (wanted == kEnd ||
            std::find(able.begin(), able.end(), wanted) != able.end()) {
            chosen = wanted;
        } else {
            std::printf("(at %zu the trace says %d, which cannot go on)\n", at_,
                        wanted);
        }
    }
    ++at_;
    if (chosen == kEnd) {
        std::printf("  -- the process ends --\n");
    } else {
        auto name = name_of(chosen);
        std::printf("  %-12.*s %s\n", static_cast<int>(name.size()),
                    name.data(), step_of(chosen).c_str());
    }
    return chosen;
}

std::string write_trace(const std::vector<int>& trace) {
    std::string text;
    for (std::size_t from = 0; from < trace.size();) {
        auto to = from;
        while (to < trace.size() && trace[to] == trace[from]) {
            ++to;
        }
        text += text.empty() ? "" : ".";
        text += trace[from] == kEnd ? "e" : std::to_string(trace[from]);
        if (to - from > 1) {
            text += "x" + std::to_string(to - from);
        }
        from = to;
    }
    return text;
}

}  // namespace longshore::model
