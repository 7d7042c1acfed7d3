// Copies of documents made ahead. A long index changes at its end: the next
// generation of it begins with a copy of the last one, which is most of what
// it costs. That copy is made here, by a thread of its own, after the last
// one was published and before anybody waits for the next. It has no name
// (O_TMPFILE), so a crash leaves nothing. Where files without a name or the
// room for them are not to be had there are no copies, and whoever wants one
// makes it himself. Private to store/. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "store/folder.hpp"

namespace longshore {

class SpareCopies {
public:
    explicit SpareCopies(const RootFolder& root) : root_(root) {}
    ~SpareCopies();
    SpareCopies(const SpareCopies&) = delete;
    SpareCopies& operator=(const SpareCopies&) = delete;

    /// Wants a copy of the file `path`. An owner has one: that of before goes.
    void order(std::string_view owner, std::string_view path);

    struct Copy {
        Fd file;
        std::uint64_t size_bytes = 0;
    };
    /// The copy, if it is there; one that is being made is waited for.
    std::optional<Copy> take(std::string_view path);

    /// Ends the copy of a file that goes.
    void forget(std::string_view path);

private:
    enum class State { ordered, making, ready, unwanted };
    struct Entry {
        std::string owner;
        std::string path;
        State state = State::ordered;
        Copy copy = {};
    };
    using Entries = std::list<Entry>;  // the oldest first
    struct Flush {
        Fd file;
        std::uint64_t done = 0;
    };

    void run();
    void make_ordered(Entries::iterator entry,
                      std::unique_lock<std::mutex>& lock);
    void flush_piece();
    void add_flush(const Copy& copy);
    bool make(const std::string& path, const State& state, Copy& copy);
    void drop(Entries::iterator entry);
    void make_room();

    const RootFolder& root_;
    std::mutex mutex_;
    std::condition_variable changed_;
    Entries entries_;
    std::deque<Flush> flushes_;  // the thread's own
    std::thread thread_;         // from the first order on
    bool ending_ = false;
};

}  // namespace longshore
