// Uses: who asks for which manifest, for the rules of retention that look at
// it. Noted in memory and written now and then, of each manifest at most once
// an hour, so that no pull waits for a write. Thread-safe.
//
// A manifest that was told to be there may be relied on: whoever removes one
// closes it first. Who asked before is seen, who asks meanwhile waits and
// finds it gone.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/result.hpp"

namespace longshore {

class Database;

class Uses {
public:
    explicit Uses(Database& database) : database_(database) {}

    /// Notes since when uses are recorded, if they were not. Before the first
    /// note. @errors those of Database
    Result<void> start();

    /// Somebody asks for a manifest by digest, or was given it by tag. Waits
    /// while it is closed, a transaction at most.
    void note(std::string_view name, std::string_view reference) noexcept;

    /// Writes what was noted. What cannot be written is noted again.
    /// @errors those of Database
    Result<void> flush();

    /// While it lives nobody else gets past note() with what is closed.
    class Closed {
    public:
        Closed(Uses& uses, std::vector<std::string> keys)
            : uses_(&uses), keys_(std::move(keys)) {}
        ~Closed();
        Closed(const Closed&) = delete;
        Closed& operator=(const Closed&) = delete;

    private:
        Uses* uses_;
        std::vector<std::string> keys_;
    };

    /// Closes tags and digests of a name. `used`: those that somebody asked
    /// for since the last flush(), which are not closed.
    Closed close(std::string_view name,
                 const std::vector<std::string>& references,
                 std::set<std::string>& used);

private:
    using Noted = std::unordered_map<std::string, std::int64_t>;

    Result<void> write(const Noted& noted);
    void put_back(const Noted& noted);

    Database& database_;
    std::mutex flushing_;  // taken before mutex_
    std::mutex mutex_;
    std::condition_variable opened_;
    Noted noted_;
    std::set<std::string, std::less<>> closed_;
};

}  // namespace longshore
