// What exists once per worker process: made after the fork, taken down before
// the exit. The only user of the link; asks in the name of requests and
// resumes them.
#pragma once

#include <memory>
#include <string_view>

#include "ngx_module/conf.hpp"
#include "ngx_module/known_links.hpp"
#include "ngx_module/link.hpp"
#include "ngx_module/pending.hpp"
#include "ngx_module/tally.hpp"
#include "ngx_module/token_file.hpp"

namespace longshore {

class Worker final : public LinkEvents {
public:
    explicit Worker(MainConf& conf);

    /// The daemon cannot be expected to answer a new question.
    bool daemon_is_gone() noexcept;

    Pending& pending() noexcept { return pending_; }
    TallyTable& tally() noexcept { return tally_; }
    KnownLinks& known_links() noexcept { return known_links_; }
    TokenFiles& token_files() noexcept { return token_files_; }
    Link* link() noexcept { return link_.get(); }

    void on_reply(std::string_view message) override;
    void on_invalidation(std::string_view message) override;
    void on_writable() override;
    void on_down() override;

    bool open(ngx_cycle_t* cycle);

private:
    void forget_what_was_missed();

    MainConf& conf_;
    Pending pending_;
    TallyTable tally_;
    KnownLinks known_links_;
    TokenFiles token_files_;
    std::unique_ptr<Link> link_;
    bool connected_ = false;  // as the gauge says
    // Since when, while this worker has no daemon, another one has.
    bool another_has_it_ = false;
    std::uint64_t downs_ = 0;  // of all workers, when that was seen
    ngx_msec_t another_since_ = 0;
    bool missed_ = false;  // a daemon may have ended unheard
};

/// The worker of this process; null in others and where no location has
/// `registry on`.
Worker* worker() noexcept;

/// init process. Nothing in processes that serve no requests.
ngx_int_t start_worker(ngx_cycle_t* cycle) noexcept;

/// exit process.
void stop_worker(ngx_cycle_t* cycle) noexcept;

}  // namespace longshore
