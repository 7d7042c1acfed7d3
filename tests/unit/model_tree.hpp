// A folder that every history finds as it was when the first began.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace longshore::model {

class Tree {
public:
    explicit Tree(std::string root) : root_(std::move(root)) {}

    /// The bytes below this path do not stay the same.
    void changes(std::string path) { changing_.insert(std::move(path)); }

    /// Reads all that is there.
    void keep();
    /// Brings it back, all of it as old as said, and nothing else.
    void restore(std::int64_t age_s);

private:
    struct File {
        std::string bytes;
        bool is_folder = false;
        bool changes = false;
        bool is_there = false;
    };
    void read(const std::string& folder);
    void remove_others(const std::string& folder);

    std::string root_;
    std::set<std::string> changing_;
    std::map<std::string, File, std::less<>> files_;  // by path
};

}  // namespace longshore::model
