// Counts what was answered from the cache, and each sending of an answer that
// its decision calls `counted`, so that the daemon can count downloads: a
// bounded table per worker, sent once a second.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "ngx_module/link.hpp"

namespace longshore {

class TallyTable {
public:
    TallyTable();
    ~TallyTable();
    TallyTable(const TallyTable&) = delete;
    TallyTable& operator=(const TallyTable&) = delete;

    /// One answer for `reference` of `repository`. Beyond the bound lines are
    /// lost and counted as such.
    void add(std::string_view repository, std::string_view reference);

    /// Where send() goes; null while there is no link.
    void set_link(Link* link) noexcept { link_ = link; }

    /// Sends and empties the table if the link takes it.
    void send();

private:
    static constexpr std::size_t kMaxLines = 1024;
    static constexpr ngx_msec_t kIntervalMs = 1000;
    static void on_timer(ngx_event_t* event) noexcept;

    // Finds by views: a cached answer allocates nothing for its count.
    struct Less {
        // The library's name. NOLINTNEXTLINE(readability-identifier-naming)
        using is_transparent = void;
        template <typename A, typename B>
        bool operator()(const A& a, const B& b) const noexcept {
            std::string_view left = a.first;
            std::string_view right = b.first;
            return left != right ? left < right
                                 : std::string_view(a.second) <
                                       std::string_view(b.second);
        }
    };

    std::map<std::pair<std::string, std::string>, std::uint64_t, Less> lines_;
    Link* link_ = nullptr;
    ngx_event_t timer_ = {};
};

}  // namespace longshore
