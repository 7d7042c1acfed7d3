// Retention: which tags of an OCI repository go by themselves, which manifests
// that no tag names, and which tags nobody changes. What is said here is
// written down for operators in docs/retention.md. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "model/pattern.hpp"
#include "model/run.hpp"

namespace longshore {

/// Rules for the names that a pattern matches; of several policies the most
/// specific one counts alone. 0: no such rule. Without a rule that keeps tags
/// all tags stay; with one or more those go that none of them keeps.
struct RetentionPolicy {
    Pattern pattern;
    std::int64_t keep_last = 0;  // the newest, by their last push
    std::vector<TagPattern> keep_tags = {};
    std::int64_t keep_pulled_days = 0;
    std::int64_t keep_younger_days = 0;
    std::int64_t delete_untagged_days = 0;
    std::int64_t changed_at_ms = 0;

    bool has_tag_rules() const noexcept {
        return keep_last > 0 || !keep_tags.empty() || keep_pulled_days > 0 ||
               keep_younger_days > 0;
    }
};

inline constexpr std::int64_t kMaxKeepLast = 10'000;
inline constexpr std::int64_t kMaxRetentionDays = 36'500;
inline constexpr std::size_t kMaxKeepTags = 32;
inline constexpr std::int64_t kRetentionDayMs = 24LL * 3600 * 1000;

/// @errors invalid_argument (no rule at all, a number out of its range)
Result<void> check_policy(const RetentionPolicy& policy);

/// A policy in words: "keep last 10, keep tags v* release-*, …".
std::string policy_text(const RetentionPolicy& policy);

/// The one that counts for the name; null: none.
const RetentionPolicy* policy_of(std::span<const RetentionPolicy> policies,
                                 std::string_view name) noexcept;

/// Tags that are neither moved nor deleted, in the names of a pattern.
struct ImmutableTags {
    Pattern pattern;
    TagPattern tags;
};

/// The rule that makes the tag immutable; null: none.
const ImmutableTags* immutable_by(std::span<const ImmutableTags> rules,
                                  std::string_view name,
                                  std::string_view tag) noexcept;

/// For which image a tag of cosign (`sha256-<hex>.sig`, `.att`, `.sbom`), or
/// the tag in which referrers are kept where the registry knows none
/// (`sha256-<hex>`), is there: algorithm and first 64 digits, "sha256:<hex>".
std::optional<std::string> companion_of(std::string_view tag);
/// The same of a digest.
std::string companion_key(std::string_view digest);

/// What a repository holds, as of one moment.
struct RepositoryFacts {
    struct Tag {
        std::string tag;
        std::int64_t manifest = 0;
        std::int64_t pushed_at_ms = 0;  // last, also with the same digest
    };
    struct Manifest {
        std::int64_t id = 0;
        std::string digest;
        std::optional<std::int64_t> subject = {};
        std::int64_t pushed_at_ms = 0;
        std::int64_t pulled_at_ms = 0;  // 0: not since uses are recorded
        std::int64_t held_at_ms = 0;    // pushed again, or lost a tag
    };
    struct Child {
        std::int64_t index = 0;
        std::int64_t manifest = 0;
    };
    std::string name;
    std::vector<Tag> tags = {};
    std::vector<Manifest> manifests = {};
    std::vector<Child> children = {};
    /// companion_key() of images that are in some repository, of which those
    /// count that are not here.
    std::set<std::string, std::less<>> elsewhere = {};
    /// Since when uses are recorded: what came before counts as used then.
    std::int64_t uses_since_ms = 0;
};

/// One tag or manifest that goes.
struct Removal {
    enum class Kind : std::uint8_t { tag, manifest };
    enum class Why : std::uint8_t {
        no_rule,    // of a tag: none keeps it
        untagged,   // of a manifest: no tag, index or subject leads to it
        companion,  // of a tag: its image is gone
    };
    Kind kind = Kind::tag;
    Why why = Why::no_rule;
    std::string tag;  // of a tag
    std::string digest;
    std::int64_t manifest = 0;
    std::int64_t pushed_at_ms = 0;  // of a tag

    bool operator==(const Removal&) const = default;
};
std::string_view why_text(Removal::Why why) noexcept;

/// The last use of a manifest: what `delete_untagged` counts from.
std::int64_t last_use_ms(const RepositoryFacts::Manifest& manifest,
                         std::int64_t uses_since_ms) noexcept;

/// Whether a rule that looks at the tag alone keeps it: all but `keep_last`.
/// `pulled_at_ms`: of its manifest.
bool keeps_tag(const RetentionPolicy& policy, std::string_view tag,
               std::int64_t pushed_at_ms, std::int64_t pulled_at_ms,
               std::int64_t uses_since_ms, std::int64_t now_ms) noexcept;

/// What goes, in an order in which whoever looks again before each removal
/// finds its reason already gone: tags, then manifests, an index before its
/// children, a subject before its referrers.
std::vector<Removal> plan_retention(const RepositoryFacts& facts,
                                    const RetentionPolicy& policy,
                                    std::span<const ImmutableTags> immutable,
                                    std::int64_t now_ms);

/// A run of the policies.
struct RetentionRun : Run {
    std::string repository;  // "": all
    std::int64_t tags = 0;
    std::int64_t manifests = 0;
    std::int64_t spared = 0;  // changed or used since it was looked at
};

}  // namespace longshore
