#include "jobs/periodic.hpp"

#include <exception>
#include <utility>

#include <spdlog/spdlog.h>

namespace longshore {
namespace {

constexpr std::chrono::milliseconds kAfterFault{60'000};

}  // namespace

Periodic::Periodic(std::function<std::chrono::milliseconds()> work)
    : work_(std::move(work)), thread_([this]() noexcept { loop(); }) {}

Periodic::~Periodic() {
    {
        std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    stop_.notify_all();
    thread_.join();
}

void Periodic::wake() {
    {
        std::lock_guard guard(mutex_);
        woken_ = true;
    }
    stop_.notify_all();
}

bool Periodic::stopping() {
    std::lock_guard guard(mutex_);
    return stopping_;
}

void Periodic::loop() noexcept {
    std::unique_lock guard(mutex_);
    while (!stopping_) {
        guard.unlock();
        auto pause = kAfterFault;
        try {
            pause = work_();
        } catch (const std::exception& e) {
            spdlog::error("background job: {}", e.what());
        }
        guard.lock();
        stop_.wait_for(guard, pause, [&] { return stopping_ || woken_; });
        woken_ = false;
    }
}

}  // namespace longshore
