#include "model_fibers.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <memory>

#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

extern "C" {
// Of the linker: where this program's code begins and ends.
extern const char kCodeBegin asm("__executable_start");
extern const char kCodeEnd asm("etext");
}

namespace longshore::model {
namespace {

constexpr std::size_t kStackBytes = std::size_t{256} << 10;
// A history has some hundreds of steps.
constexpr std::size_t kMaxSteps = 100'000;
// How often a wait of limited length of one fiber may end by itself while
// others could go on.
constexpr int kTimeouts = 1;

enum class State { ready, mutex, condition, join, ended };

struct Fiber {
    std::string name;
    std::function<void()> body;
    bool is_waited_for = true;
    ucontext_t context{};
    void* stack = nullptr;
    State state = State::ready;
    const void* on = nullptr;  // what it waits for
    bool is_timed = false;
    bool has_timed_out = false;
    timespec until{};
    int timeouts = kTimeouts;
    std::string step;
};

// Whose waits of limited length may end now.
enum class Patience { all, some, none };

struct Held {
    const void* mutex;
    const Fiber* by;
};

// Past what this program calls `clock_gettime`.
int kernel_clock(clockid_t clock, timespec* now) noexcept {
    static const auto kReal = reinterpret_cast<int (*)(clockid_t, timespec*)>(
        ::dlsym(RTLD_NEXT, "clock_gettime"));
    return kReal(clock, now);
}

[[noreturn]] void give_up(const char* why) {
    std::fprintf(stderr, "the scheduler: %s\n", why);
    std::abort();
}

class Scheduler {
public:
    int add(std::string name, std::function<void()> body, bool waited_for) {
        auto fiber = std::make_unique<Fiber>();
        fiber->name = std::move(name);
        fiber->body = std::move(body);
        fiber->is_waited_for = waited_for;
        fiber->stack = take_stack();
        ::getcontext(&fiber->context);
        fiber->context.uc_stack.ss_sp = fiber->stack;
        fiber->context.uc_stack.ss_size = kStackBytes;
        fiber->context.uc_link = nullptr;
        ::makecontext(&fiber->context, &Scheduler::enter, 0);
        fibers_.push_back(std::move(fiber));
        return static_cast<int>(fibers_.size()) - 1;
    }

    Ending run(Chooser& chooser) {
        chooser_ = &chooser;
        wants_text_ = chooser.wants_text();
        ending_ = Ending::done;
        is_stopping_ = false;
        trace.clear();
        go_until([this] {
            return is_stopping_ ||
                   std::all_of(fibers_.begin(), fibers_.end(),
                               [](const auto& fiber) {
                                   return !fiber->is_waited_for ||
                                          fiber->state == State::ended;
                               });
        });
        chooser_ = nullptr;
        wants_text_ = false;
        return ending_;
    }

    // Main runs the others until it can go on.
    void go_until(std::function<bool()> goal) {
        if (running_ != nullptr) {
            give_up("a fiber took itself for the main one");
        }
        if (goal()) {
            return;
        }
        goal_ = std::move(goal);
        leave(nullptr);
        goal_ = nullptr;
    }

    void point(const Step& step) {
        auto* me = running_;
        if (me == nullptr || is_dead) {
            return;
        }
        if (wants_text_) {
            me->step = text_of(step);
        }
        leave(me);
    }

    void end_run(Ending ending) {
        ending_ = ending;
        is_stopping_ = true;
    }

    void wait(State state, const void* on) {
        auto* me = running_;
        me->state = state;
        me->on = on;
        leave(me);
    }

    void lock(const void* mutex) {
        auto* me = running_;
        if (me == nullptr) {
            if (is_held(mutex)) {
                go_until([&] { return !is_held(mutex); });
            }
        } else {
            while (is_held(mutex)) {
                wait(State::mutex, mutex);
            }
        }
        held_.push_back({mutex, me});
    }

    void unlock(const void* mutex) {
        std::erase_if(held_,
                      [&](const Held& held) { return held.mutex == mutex; });
    }

    bool is_held(const void* mutex) const {
        return std::any_of(held_.begin(), held_.end(), [&](const Held& held) {
            return held.mutex == mutex;
        });
    }

    // False if the time was over before anybody called.
    bool wait_for_call(const void* condition, const void* mutex,
                       const timespec* until) {
        auto* me = running_;
        if (me == nullptr) {
            give_up("the main one waits for a condition");
        }
        unlock(mutex);
        me->is_timed = until != nullptr;
        me->has_timed_out = false;
        me->until = until != nullptr ? *until : timespec{};
        wait(State::condition, condition);
        me->is_timed = false;
        lock(mutex);
        return !me->has_timed_out;
    }

    void call(const void* condition, bool all) {
        for (auto& fiber : fibers_) {
            if (fiber->state == State::condition && fiber->on == condition) {
                fiber->state = State::ready;
                if (!all) {
                    return;
                }
            }
        }
    }

    void join(std::size_t number) {
        const auto* other = fibers_[number].get();
        if (running_ == nullptr) {
            go_until([&] { return other->state == State::ended; });
        } else if (other->state != State::ended) {
            wait(State::join, other);
        }
    }

    void settle() {
        go_until([this] {
            return std::all_of(fibers_.begin(), fibers_.end(),
                               [](const auto& fiber) {
                                   return fiber->state == State::condition ||
                                          fiber->state == State::ended;
                               });
        });
    }

    void clear() {
        for (auto& fiber : fibers_) {
            if (fiber->state != State::ended) {
                give_up("a fiber was left behind");
            }
            free_stacks_.push_back(fiber->stack);
        }
        fibers_.clear();
        held_.clear();
    }

    void finish_waited() {
        go_until([this] {
            return std::all_of(fibers_.begin(), fibers_.end(),
                               [](const auto& fiber) {
                                   return !fiber->is_waited_for ||
                                          fiber->state == State::ended;
                               });
        });
    }

    const Fiber& at(int number) const {
        return *fibers_[static_cast<std::size_t>(number)];
    }
    std::size_t count() const { return fibers_.size(); }
    bool in_fiber() const { return running_ != nullptr; }

    bool is_dead = false;
    std::int64_t skipped_ns = 0;  // of the fibers' monotonic clock
    std::vector<int> trace;

private:
    static void enter();

    void* take_stack() {
        if (!free_stacks_.empty()) {
            auto* stack = free_stacks_.back();
            free_stacks_.pop_back();
            return stack;
        }
        // Below it a page that nobody may touch.
        const auto page = static_cast<std::size_t>(::getpagesize());
        auto* memory = static_cast<char*>(
            ::mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        if (memory == MAP_FAILED || ::mprotect(memory, page, PROT_NONE) != 0) {
            give_up("no memory for a stack");
        }
        return memory + page;
    }

    bool is_able(const Fiber& fiber, Patience patience) const {
        switch (fiber.state) {
            case State::ready:
                return true;
            case State::mutex:
                return !is_held(fiber.on);
            case State::condition:
                return fiber.is_timed && patience != Patience::all &&
                       (fiber.timeouts > 0 || patience == Patience::none);
            case State::join:
                return static_cast<const Fiber*>(fiber.on)->state ==
                       State::ended;
            case State::ended:
                return false;
        }
        return false;
    }

    void find_able(Patience patience) {
        able_.clear();
        for (std::size_t i = 0; i < fibers_.size(); ++i) {
            if (is_able(*fibers_[i], patience)) {
                able_.push_back(static_cast<int>(i));
            }
        }
    }

    int choose(int current) {
        if (chooser_ == nullptr) {
            return current != kNobody ? current : able_.front();
        }
        auto chosen = chooser_->choose(able_, current);
        trace.push_back(chosen);
        if (trace.size() > kMaxSteps) {
            end_run(Ending::endless);
            return kNobody;
        }
        if (chosen == kEnd) {
            end_run(Ending::crashed);
            return kNobody;
        }
        return chosen;
    }

    // Who goes on; nullptr: main.
    Fiber* next(const Fiber* me) {
        if (goal_ && goal_()) {
            return nullptr;
        }
        find_able(chooser_ != nullptr ? Patience::some : Patience::all);
        if (able_.empty()) {
            find_able(Patience::none);
        }
        if (able_.empty()) {
            if (chooser_ == nullptr) {
                give_up("nobody can go on, and main waits");
            }
            end_run(Ending::stuck);
            return nullptr;
        }
        int current = kNobody;
        for (int number : able_) {
            if (fibers_[static_cast<std::size_t>(number)].get() == me) {
                current = number;
            }
        }
        auto chosen = choose(current);
        if (chosen == kNobody) {
            return nullptr;
        }
        auto* fiber = fibers_[static_cast<std::size_t>(chosen)].get();
        if (fiber->state == State::condition) {
            time_out(*fiber);
        }
        fiber->state = State::ready;
        return fiber;
    }

    // Its clock is past the end of the wait.
    void time_out(Fiber& fiber) {
        --fiber.timeouts;
        fiber.has_timed_out = true;
        timespec now{};
        kernel_clock(CLOCK_MONOTONIC, &now);
        auto missing = (fiber.until.tv_sec - now.tv_sec) * 1'000'000'000 +
                       fiber.until.tv_nsec - now.tv_nsec;
        skipped_ns = std::max<std::int64_t>(skipped_ns, missing);
    }

    void leave(Fiber* me) {
        auto* to = next(me);
        if (to == me) {
            return;
        }
        int error_number = errno;
        running_ = to;
        ::swapcontext(me != nullptr ? &me->context : &main_,
                      to != nullptr ? &to->context : &main_);
        errno = error_number;
    }

    std::vector<std::unique_ptr<Fiber>> fibers_;
    std::vector<void*> free_stacks_;
    std::vector<Held> held_;
    std::vector<int> able_;
    ucontext_t main_{};
    Fiber* running_ = nullptr;
    Chooser* chooser_ = nullptr;
    bool wants_text_ = false;
    std::function<bool()> goal_;
    Ending ending_ = Ending::done;
    bool is_stopping_ = false;
};

// Never destroyed: code that runs at the end of the program locks too.
Scheduler& scheduler() {
    static auto* one = new Scheduler;
    return *one;
}

void Scheduler::enter() {
    auto& self = scheduler();
    auto* me = self.running_;
    me->body();
    me->body = nullptr;
    me->state = State::ended;
    self.leave(me);
    give_up("a fiber that had ended went on");
}

}  // namespace

int spawn(std::string name, std::function<void()> body) {
    return scheduler().add(std::move(name), std::move(body), true);
}

Ending run(Chooser& chooser) {
    return scheduler().run(chooser);
}

const std::vector<int>& trace() {
    return scheduler().trace;
}

void point(const Step& step) {
    scheduler().point(step);
}

void stop() {
    scheduler().end_run(Ending::stopped);
}

void kill_all() {
    scheduler().is_dead = true;
    scheduler().finish_waited();
}

void restart() {
    scheduler().is_dead = false;
}

bool is_dead() {
    return scheduler().is_dead;
}

void settle() {
    scheduler().settle();
}

void clear() {
    scheduler().clear();
}

std::string_view name_of(int fiber) {
    return scheduler().at(fiber).name;
}

const std::string& step_of(int fiber) {
    return scheduler().at(fiber).step;
}

bool has_ended(int fiber) {
    return scheduler().at(fiber).state == State::ended;
}

int fiber_of(std::string_view name) {
    for (std::size_t i = 0; i < scheduler().count(); ++i) {
        if (name_of(static_cast<int>(i)) == name) {
            return static_cast<int>(i);
        }
    }
    return kNobody;
}

bool is_own_code(const void* address) {
    const auto* at = static_cast<const char*>(address);
    return at >= &kCodeBegin && at < &kCodeEnd;
}

}  // namespace longshore::model

namespace model = longshore::model;

// What libraries lock is theirs: they never come to a point while they do.
#define LS_OF_A_LIBRARY() (!model::is_own_code(__builtin_return_address(0)))

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
    if (LS_OF_A_LIBRARY()) {
        return 0;
    }
    model::point({"lock"});
    model::scheduler().lock(mutex);
    return 0;
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
    if (LS_OF_A_LIBRARY()) {
        return 0;
    }
    model::point({"try lock"});
    if (model::scheduler().is_held(mutex)) {
        return EBUSY;
    }
    model::scheduler().lock(mutex);
    return 0;
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
    if (!LS_OF_A_LIBRARY()) {
        model::scheduler().unlock(mutex);
    }
    return 0;
}

int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
    model::scheduler().wait_for_call(condition, mutex, nullptr);
    return 0;
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           clockid_t, const timespec* until) {
    return model::scheduler().wait_for_call(condition, mutex, until)
               ? 0
               : ETIMEDOUT;
}

int pthread_cond_signal(pthread_cond_t* condition) noexcept {
    model::scheduler().call(condition, false);
    return 0;
}

int pthread_cond_broadcast(pthread_cond_t* condition) noexcept {
    model::scheduler().call(condition, true);
    return 0;
}

int pthread_create(pthread_t* thread, const pthread_attr_t*,
                   void* (*start)(void*), void* argument) noexcept {
    auto number = model::scheduler().add(
        "sweeper", [=] { start(argument); }, false);
    *thread = static_cast<pthread_t>(number) + 1;
    return 0;
}

int pthread_join(pthread_t thread, void**) {
    model::scheduler().join(static_cast<std::size_t>(thread) - 1);
    return 0;
}

int clock_gettime(clockid_t clock, timespec* now) noexcept {
    int result = model::kernel_clock(clock, now);
    if (clock == CLOCK_MONOTONIC && result == 0 &&
        model::scheduler().in_fiber()) {
        auto ns = now->tv_nsec + model::scheduler().skipped_ns;
        now->tv_sec += ns / 1'000'000'000;
        now->tv_nsec = ns % 1'000'000'000;
    }
    return result;
}

}  // extern "C"
