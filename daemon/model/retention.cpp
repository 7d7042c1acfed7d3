#include "model/retention.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

namespace longshore {
namespace {

constexpr std::size_t kCompanionDigits = 64;
constexpr std::array<std::string_view, 4> kCompanionEnds = {"", ".sig", ".att",
                                                            ".sbom"};

bool is_hex(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

bool is_within(std::int64_t at_ms, std::int64_t days,
               std::int64_t now_ms) noexcept {
    return days > 0 && now_ms - at_ms < days * kRetentionDayMs;
}

// One repository while it is looked at; manifests by their place in the facts.
class Planner {
public:
    Planner(const RepositoryFacts& facts, const RetentionPolicy& policy,
            std::span<const ImmutableTags> immutable, std::int64_t now_ms)
        : facts_(facts),
          policy_(policy),
          immutable_(immutable),
          now_ms_(now_ms) {}

    std::vector<Removal> plan() {
        index();
        if (policy_.has_tag_rules()) {
            tags_by_rule();
        }
        if (policy_.delete_untagged_days > 0) {
            find_alive();
            remove_dead();
        }
        return std::move(removals_);
    }

private:
    using Place = std::size_t;
    static constexpr Place kNowhere = static_cast<Place>(-1);

    // A tag that is there for an image of this repository.
    struct Companion {
        const RepositoryFacts::Tag* tag;
        Place manifest;
        Place image;
    };

    Place place(std::int64_t id) const {
        auto found = places_.find(id);
        return found == places_.end() ? kNowhere : found->second;
    }

    bool is_immutable(const RepositoryFacts::Tag& tag) const {
        return immutable_by(immutable_, facts_.name, tag.tag) != nullptr;
    }

    void index() {
        std::unordered_map<std::string, Place> images;
        for (Place i = 0; i < facts_.manifests.size(); ++i) {
            const auto& manifest = facts_.manifests[i];
            places_.emplace(manifest.id, i);
            images.emplace(companion_key(manifest.digest), i);
        }
        for (const auto& tag : facts_.tags) {
            auto at = place(tag.manifest);
            if (at == kNowhere) {
                continue;  // not of the same moment: left alone
            }
            auto image = companion_of(tag.tag);
            auto found = image ? images.find(*image) : images.end();
            if (found != images.end()) {
                companions_.push_back({&tag, at, found->second});
            } else if (!image || facts_.elsewhere.count(*image) == 0) {
                ordinary_.push_back(&tag);
            } else {
                kept_.push_back(at);
            }
        }
    }

    Removal removal_of(const RepositoryFacts::Tag& tag, Removal::Why why) {
        return {Removal::Kind::tag,
                why,
                tag.tag,
                facts_.manifests[place(tag.manifest)].digest,
                tag.manifest,
                tag.pushed_at_ms};
    }

    void tags_by_rule() {
        auto order = ordinary_;
        std::sort(order.begin(), order.end(),
                  [](const auto* one, const auto* other) {
                      return std::tie(one->pushed_at_ms, one->tag) >
                             std::tie(other->pushed_at_ms, other->tag);
                  });
        auto n = static_cast<std::size_t>(policy_.keep_last);
        for (std::size_t i = n; i < order.size(); ++i) {
            const auto& tag = *order[i];
            const auto& manifest = facts_.manifests[place(tag.manifest)];
            if (!keeps_tag(policy_, tag.tag, tag.pushed_at_ms,
                           manifest.pulled_at_ms, facts_.uses_since_ms,
                           now_ms_) &&
                !is_immutable(tag)) {
                removals_.push_back(removal_of(tag, Removal::Why::no_rule));
            }
        }
    }

    void lead(Place from, Place to) {
        if (from != kNowhere && to != kNowhere) {
            next_[from].push_back(to);
        }
    }

    // What has a tag, or was used lately, and all that it leads to. A tag that
    // goes in this run leaves its manifest for a later one.
    void find_alive() {
        next_.resize(facts_.manifests.size());
        alive_.resize(facts_.manifests.size());
        for (const auto& child : facts_.children) {
            lead(place(child.index), place(child.manifest));
        }
        auto work = kept_;
        for (Place i = 0; i < facts_.manifests.size(); ++i) {
            const auto& manifest = facts_.manifests[i];
            if (manifest.subject) {
                lead(place(*manifest.subject), i);
            }
            if (is_within(last_use_ms(manifest, facts_.uses_since_ms),
                          policy_.delete_untagged_days, now_ms_)) {
                work.push_back(i);
            }
        }
        for (const auto* tag : ordinary_) {
            work.push_back(place(tag->manifest));
        }
        for (const auto& companion : companions_) {
            lead(companion.image, companion.manifest);
            if (is_immutable(*companion.tag)) {
                work.push_back(companion.manifest);
            }
        }
        while (!work.empty()) {
            auto at = work.back();
            work.pop_back();
            if (!alive_[at]) {
                alive_[at] = true;
                work.insert(work.end(), next_[at].begin(), next_[at].end());
            }
        }
    }

    void remove_companions(std::vector<std::vector<const Companion*>>& of,
                           Place image) {
        for (const auto* companion : of[image]) {
            if (!is_immutable(*companion->tag)) {
                removals_.push_back(
                    removal_of(*companion->tag, Removal::Why::companion));
            }
        }
    }

    // Each once all that leads to it is gone. What leads to itself, which no
    // hash allows but a tag may say, stays.
    void remove_dead() {
        std::vector<std::size_t> before(facts_.manifests.size());
        std::vector<std::vector<const Companion*>> of(facts_.manifests.size());
        std::vector<Place> ready;
        for (const auto& companion : companions_) {
            of[companion.image].push_back(&companion);
        }
        for (Place i = 0; i < next_.size(); ++i) {
            for (auto to : next_[i]) {
                before[to] += alive_[i] ? 0 : 1;
            }
        }
        for (Place i = next_.size(); i-- > 0;) {
            if (!alive_[i] && before[i] == 0) {
                ready.push_back(i);
            }
        }
        while (!ready.empty()) {
            auto at = ready.back();
            ready.pop_back();
            const auto& manifest = facts_.manifests[at];
            removals_.push_back({Removal::Kind::manifest,
                                 Removal::Why::untagged,
                                 {},
                                 manifest.digest,
                                 manifest.id,
                                 0});
            remove_companions(of, at);
            for (auto to : next_[at]) {
                if (--before[to] == 0 && !alive_[to]) {
                    ready.push_back(to);
                }
            }
        }
    }

    const RepositoryFacts& facts_;
    const RetentionPolicy& policy_;
    std::span<const ImmutableTags> immutable_;
    std::int64_t now_ms_;
    std::unordered_map<std::int64_t, Place> places_;
    std::vector<const RepositoryFacts::Tag*> ordinary_;
    std::vector<Companion> companions_;
    std::vector<Place> kept_;  // companions of images elsewhere
    std::vector<std::vector<Place>> next_;
    std::vector<bool> alive_;
    std::vector<Removal> removals_;
};

bool is_out(std::int64_t number, std::int64_t most) noexcept {
    return number < 0 || number > most;
}

std::string days(std::int64_t number) {
    return std::to_string(number) + (number == 1 ? " day" : " days");
}

}  // namespace

Result<void> check_policy(const RetentionPolicy& policy) {
    if (is_out(policy.keep_last, kMaxKeepLast) ||
        policy.keep_tags.size() > kMaxKeepTags ||
        is_out(policy.keep_pulled_days, kMaxRetentionDays) ||
        is_out(policy.keep_younger_days, kMaxRetentionDays) ||
        is_out(policy.delete_untagged_days, kMaxRetentionDays)) {
        return Error{Code::invalid_argument,
                     "a policy keeps at most " + std::to_string(kMaxKeepLast) +
                         " tags, has at most " + std::to_string(kMaxKeepTags) +
                         " patterns of tags, and counts at most " +
                         std::to_string(kMaxRetentionDays) + " days"};
    }
    if (!policy.has_tag_rules() && policy.delete_untagged_days == 0) {
        return Error{Code::invalid_argument,
                     "a policy has at least one rule: keep-last, keep-tags, "
                     "keep-pulled, keep-younger or delete-untagged"};
    }
    return {};
}

std::string policy_text(const RetentionPolicy& policy) {
    std::string out;
    auto add = [&](const std::string& rule) {
        out += out.empty() ? rule : ", " + rule;
    };
    if (policy.keep_last > 0) {
        add("keep last " + std::to_string(policy.keep_last));
    }
    if (!policy.keep_tags.empty()) {
        std::string tags = "keep tags";
        for (const auto& pattern : policy.keep_tags) {
            tags += " " + pattern.text();
        }
        add(tags);
    }
    if (policy.keep_pulled_days > 0) {
        add("keep pulled within " + days(policy.keep_pulled_days));
    }
    if (policy.keep_younger_days > 0) {
        add("keep younger than " + days(policy.keep_younger_days));
    }
    if (policy.delete_untagged_days > 0) {
        add("delete untagged after " + days(policy.delete_untagged_days));
    }
    return out;
}

const RetentionPolicy* policy_of(std::span<const RetentionPolicy> policies,
                                 std::string_view name) noexcept {
    const RetentionPolicy* best = nullptr;
    for (const auto& policy : policies) {
        if (policy.pattern.matches(name) &&
            (best == nullptr ||
             rank_of(policy.pattern) > rank_of(best->pattern))) {
            best = &policy;
        }
    }
    return best;
}

const ImmutableTags* immutable_by(std::span<const ImmutableTags> rules,
                                  std::string_view name,
                                  std::string_view tag) noexcept {
    for (const auto& rule : rules) {
        if (rule.tags.matches(tag) && rule.pattern.matches(name)) {
            return &rule;
        }
    }
    return nullptr;
}

std::optional<std::string> companion_of(std::string_view tag) {
    for (std::string_view algorithm : {"sha256", "sha512"}) {
        auto begin = algorithm.size() + 1;
        if (!tag.starts_with(algorithm) ||
            tag.size() < begin + kCompanionDigits ||
            tag[algorithm.size()] != '-') {
            continue;
        }
        auto digits = tag.substr(begin, kCompanionDigits);
        auto end = tag.substr(begin + kCompanionDigits);
        if (is_hex(digits) &&
            std::find(kCompanionEnds.begin(), kCompanionEnds.end(), end) !=
                kCompanionEnds.end()) {
            return std::string(algorithm) + ":" + std::string(digits);
        }
    }
    return std::nullopt;
}

std::string companion_key(std::string_view digest) {
    auto colon = digest.find(':');
    return std::string(digest.substr(0, colon == std::string_view::npos
                                            ? colon
                                            : colon + 1 + kCompanionDigits));
}

std::string_view why_text(Removal::Why why) noexcept {
    switch (why) {
        case Removal::Why::no_rule:
            return "no rule keeps it";
        case Removal::Why::untagged:
            return "untagged";
        case Removal::Why::companion:
            return "its image is gone";
    }
    return "";
}

std::int64_t last_use_ms(const RepositoryFacts::Manifest& manifest,
                         std::int64_t uses_since_ms) noexcept {
    return std::max({manifest.pushed_at_ms, manifest.pulled_at_ms,
                     manifest.held_at_ms, uses_since_ms});
}

bool keeps_tag(const RetentionPolicy& policy, std::string_view tag,
               std::int64_t pushed_at_ms, std::int64_t pulled_at_ms,
               std::int64_t uses_since_ms, std::int64_t now_ms) noexcept {
    auto used_at_ms = std::max({pushed_at_ms, pulled_at_ms, uses_since_ms});
    return is_within(pushed_at_ms, policy.keep_younger_days, now_ms) ||
           is_within(used_at_ms, policy.keep_pulled_days, now_ms) ||
           std::any_of(
               policy.keep_tags.begin(), policy.keep_tags.end(),
               [&](const TagPattern& pattern) { return pattern.matches(tag); });
}

std::vector<Removal> plan_retention(const RepositoryFacts& facts,
                                    const RetentionPolicy& policy,
                                    std::span<const ImmutableTags> immutable,
                                    std::int64_t now_ms) {
    return Planner(facts, policy, immutable, now_ms).plan();
}

}  // namespace longshore
