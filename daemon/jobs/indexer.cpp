#include "jobs/indexer.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "registry/takeover.hpp"

namespace longshore {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNothingLeft = std::chrono::hours(24);
constexpr milliseconds kFirstRetry{1000};
constexpr milliseconds kLastRetry{60'000};

}  // namespace

milliseconds Indexer::step() {
    if (takeover_.complete() || takeover_.ending()) {
        return kNothingLeft;
    }
    if (!names_found_) {
        auto names = takeover_.find_names();
        if (!names) {
            if (takeover_.ending()) {
                return kNothingLeft;
            }
            spdlog::error("indexing of the directory: {}",
                          names.error().message);
            return kLastRetry;
        }
        names_found_ = true;
        if (*names > 0) {
            spdlog::info("indexing {} repositories found on disk", *names);
        }
    }
    auto more = takeover_.step();
    if (!more) {
        if (takeover_.ending()) {
            return kNothingLeft;
        }
        spdlog::error("indexing of the directory: {}", more.error().message);
        auto pause = retry_;
        retry_ = std::min(retry_ * 2, kLastRetry);
        return pause;
    }
    retry_ = kFirstRetry;
    if (!*more) {
        spdlog::info("indexing of the directory is complete");
        return kNothingLeft;
    }
    return milliseconds(0);
}

Result<void> Indexer::run() {
    LS_TRY(names, takeover_.find_names());
    (void)names;
    for (;;) {
        LS_TRY(more, takeover_.step());
        if (!more) {
            return {};
        }
    }
}

}  // namespace longshore
