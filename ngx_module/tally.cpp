#include "ngx_module/tally.hpp"

#include "common/protocol.hpp"
#include "ngx_module/counters.hpp"

namespace longshore {

TallyTable::TallyTable() {
    timer_.handler = on_timer;
    timer_.data = this;
    timer_.log = ngx_cycle->log;
    timer_.cancelable = 1;
}

TallyTable::~TallyTable() {
    if (timer_.timer_set) {
        ngx_del_timer(&timer_);
    }
}

void TallyTable::add(std::string_view repository, std::string_view reference) {
    auto found = lines_.find(std::pair{repository, reference});
    if (found != lines_.end()) {
        ++found->second;
        return;
    }
    if (lines_.size() == kMaxLines) {
        count(&Counters::tally_lost);
        return;
    }
    lines_.emplace(std::pair{std::string(repository), std::string(reference)},
                   1);
    if (!timer_.timer_set) {
        ngx_add_timer(&timer_, kIntervalMs);
    }
}

void TallyTable::send() {
    if (lines_.empty() || link_ == nullptr) {
        return;
    }
    Tally tally;
    tally.lines.reserve(lines_.size());
    for (const auto& [key, times] : lines_) {
        tally.lines.push_back({key.first, key.second, times});
    }
    if (link_->send(encode(tally))) {
        lines_.clear();
    }
}

void TallyTable::on_timer(ngx_event_t* event) noexcept {
    auto& table = *static_cast<TallyTable*>(event->data);
    try {
        table.send();
    } catch (...) {
        ngx_log_error(NGX_LOG_ERR, event->log, 0,
                      "registry: no memory to count downloads");
    }
    if (!table.lines_.empty()) {
        ngx_add_timer(event, kIntervalMs);
    }
}

}  // namespace longshore
