#include "server/metrics.hpp"

#include <algorithm>

namespace longshore {
namespace {

constexpr std::array<std::string_view, 5> kActionNames = {
    "pull", "push", "delete", "admin", "none"};

// Upper bounds in microseconds and as OpenMetrics writes them in seconds.
struct Bucket {
    std::uint64_t limit_us;
    std::string_view label;
};
constexpr std::array<Bucket, 12> kLimits = {{{50, "0.00005"},
                                             {100, "0.0001"},
                                             {250, "0.00025"},
                                             {500, "0.0005"},
                                             {1'000, "0.001"},
                                             {2'500, "0.0025"},
                                             {5'000, "0.005"},
                                             {10'000, "0.01"},
                                             {50'000, "0.05"},
                                             {250'000, "0.25"},
                                             {1'000'000, "1"},
                                             {10'000'000, "10"}}};

std::size_t action_index(std::string_view action) noexcept {
    auto found = std::find(kActionNames.begin(), kActionNames.end(), action);
    return found == kActionNames.end()
               ? kActionNames.size() - 1
               : static_cast<std::size_t>(found - kActionNames.begin());
}

void family(std::string& out, std::string_view name, std::string_view type,
            std::string_view help) {
    out += "# TYPE registryd_";
    out += name;
    out += ' ';
    out += type;
    out += "\n# HELP registryd_";
    out += name;
    out += ' ';
    out += help;
    out += '\n';
}

void sample(std::string& out, std::string_view name, std::string_view value) {
    out += "registryd_";
    out += name;
    out += ' ';
    out += value;
    out += '\n';
}

void counter(std::string& out, std::string_view name, std::string_view help,
             std::uint64_t value) {
    family(out, name, "counter", help);
    sample(out, std::string(name) + "_total", std::to_string(value));
}

void gauge(std::string& out, std::string_view name, std::string_view help,
           std::uint64_t value) {
    family(out, name, "gauge", help);
    sample(out, name, std::to_string(value));
}

// Microseconds as seconds, exact.
std::string seconds(std::uint64_t us) {
    auto fraction = std::to_string(1'000'000 + us % 1'000'000);
    return std::to_string(us / 1'000'000) + "." + fraction.substr(1);
}

}  // namespace

void Metrics::answered(std::string_view action, int status,
                       std::uint64_t duration_us) noexcept {
    auto status_class = std::clamp(status / 100, 0, 5);
    add(answers_[action_index(action)][static_cast<std::size_t>(status_class)],
        1);
    std::size_t bucket = 0;
    while (bucket < kLimits.size() && duration_us > kLimits[bucket].limit_us) {
        ++bucket;
    }
    add(durations_[bucket], 1);
    add(duration_sum_us_, duration_us);
}

std::string Metrics::open_metrics(std::string_view more) const {
    std::string out;
    family(out, "answers", "counter", "Questions answered.");
    for (std::size_t action = 0; action < kActions; ++action) {
        for (std::size_t status = 0; status < kClasses; ++status) {
            if (auto count = answers_[action][status].load()) {
                sample(out,
                       "answers_total{action=\"" +
                           std::string(kActionNames[action]) + "\",status=\"" +
                           std::to_string(status) + "xx\"}",
                       std::to_string(count));
            }
        }
    }
    family(out, "answer_seconds", "histogram",
           "From the arrival of a question to its answer.");
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
        count += durations_[i].load();
        auto label = i < kLimits.size() ? kLimits[i].label : "+Inf";
        sample(out, "answer_seconds_bucket{le=\"" + std::string(label) + "\"}",
               std::to_string(count));
    }
    sample(out, "answer_seconds_sum", seconds(duration_sum_us_.load()));
    sample(out, "answer_seconds_count", std::to_string(count));
    counter(out, "cached_answers", "Answers nginx gave from its cache.",
            cached_.load());
    counter(out, "bad_messages", "Messages that did not decode.",
            bad_messages_.load());
    counter(out, "overloaded", "Questions refused because the queue is full.",
            overloaded_.load());
    counter(out, "lost_answers", "Answers whose asker was gone.",
            lost_answers_.load());
    counter(out, "invalidated_keys", "Cache keys published as stale.",
            invalidated_.load());
    counter(out, "collections", "Runs of the garbage collector.",
            collections_.load());
    counter(out, "collected_links",
            "Blobs that left a repository because nothing refers to them.",
            collected_links_.load());
    counter(out, "collected_blobs", "Blobs that left the disk so.",
            collected_blobs_.load());
    counter(out, "collected_bytes", "Bytes of those.", collected_bytes_.load());
    gauge(out, "trash_blobs",
          "Collected blobs that may still be had back, after the last run.",
          trash_blobs_.load());
    gauge(out, "trash_bytes", "Bytes of those.", trash_bytes_.load());
    counter(out, "retention_runs", "Runs of retention.",
            retention_runs_.load());
    counter(out, "retention_tags", "Tags that retention deleted.",
            retention_tags_.load());
    counter(out, "retention_manifests",
            "Manifests without a tag that retention deleted.",
            retention_manifests_.load());
    counter(out, "scrubbed_files", "Files whose bytes a scrub has compared.",
            scrubbed_files_.load());
    counter(out, "scrubbed_bytes", "Bytes of those.", scrubbed_bytes_.load());
    gauge(out, "damaged_files", "Damaged files that are not here again.",
          damaged_files_.load());
    gauge(out, "damaged_database", "1 if the last check found the database so.",
          damaged_database_.load());
    gauge(out, "last_scrub_timestamp_seconds",
          "When a scrub of everything last came to its end; 0: never.",
          last_scrub_s_.load());
    gauge(out, "queue_length", "Questions waiting for a thread.",
          queue_length_.load());
    out += more;
    out += "# EOF\n";
    return out;
}

}  // namespace longshore
