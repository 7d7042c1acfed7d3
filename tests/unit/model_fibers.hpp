// Threads of the code under test as fibers of one thread, of which exactly
// one runs, until it comes to a point: a call that others could see or be seen
// by. There a Chooser says who goes on. Mutexes, condition variables and
// threads of the standard library end up here too, because the definitions of
// pthread_… in model_fibers.cpp come before those of libc: the code under
// test needs no hooks, and a wait is a fiber that cannot be chosen.
//
// Everything here belongs to the one thread of the program.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::model {

/// What a fiber is about to do.
struct Step {
    const char* call = "";
    int fd = -1;  // the folder that `path` is relative to
    const char* path = "";
};

inline constexpr int kNobody = -1;
/// The process ends here.
inline constexpr int kEnd = -2;

class Chooser {
public:
    virtual ~Chooser() = default;
    /// Which fiber goes on: one of `able`, which is in order of number, or
    /// kEnd. `current` is the one that comes to a point; kNobody: it cannot
    /// go on.
    virtual int choose(const std::vector<int>& able, int current) = 0;
    /// True if step_of() is needed, which costs.
    virtual bool wants_text() const { return false; }
};

enum class Ending {
    done,     // all fibers that were spawned have ended
    crashed,  // the chooser said kEnd
    stopped,  // by stop()
    stuck,    // nobody can go on
    endless,  // more steps than a history may have
};

/// Before run(). Numbers count from 0; a thread that the code under test
/// makes gets the next one, and nobody waits for its end.
int spawn(std::string name, std::function<void()> body);

/// Until the spawned ones have ended. Then the others stand where they are.
Ending run(Chooser& chooser);

/// Of the history so far: who went on at each choice.
const std::vector<int>& trace();

/// A point of the running fiber; nothing outside of one.
void point(const Step& step);

/// From a fiber: run() returns.
void stop();

/// From now on nothing that the code under test does has any effect, calls
/// fail, and all fibers run to their ends: how a process that is killed looks
/// from outside. restart() before the next life.
void kill_all();
void restart();
bool is_dead();

/// Lets the threads of the code under test do what they are at.
void settle();

/// Forgets the fibers, which must all have ended.
void clear();

std::string_view name_of(int fiber);
/// The step that it is about to do, as text.
const std::string& step_of(int fiber);
bool has_ended(int fiber);
int fiber_of(std::string_view name);

/// True for an address in this program, not in a library.
bool is_own_code(const void* address);

/// How a step is written in a trace.
std::string text_of(const Step& step);

}  // namespace longshore::model
