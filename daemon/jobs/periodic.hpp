// A background thread that does one thing now and then, and ends at once when
// its owner goes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace longshore {

class Periodic {
public:
    /// Runs `work` at once, then again after as long as it returns.
    explicit Periodic(std::function<std::chrono::milliseconds()> work);
    ~Periodic();
    Periodic(const Periodic&) = delete;
    Periodic& operator=(const Periodic&) = delete;

    /// The next run begins at once. Any thread.
    void wake();

    /// True once the owner wants the thread to end; long work looks at it.
    bool stopping();

private:
    void loop() noexcept;

    std::function<std::chrono::milliseconds()> work_;
    std::mutex mutex_;
    std::condition_variable stop_;
    bool stopping_ = false;
    bool woken_ = false;
    std::thread thread_;
};

}  // namespace longshore
