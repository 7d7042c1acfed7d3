// Drops: tells nginx what it must forget because of changes that registryctl
// made beside the daemon. One thread; blocks on the database.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "common/result.hpp"

namespace longshore {

class Database;

class Drops {
public:
    using Publish = std::function<void(std::span<const std::string> keys)>;

    Drops(Database& database, Publish publish)
        : database_(database), publish_(std::move(publish)) {}

    /// Publishes what there is, then forgets it: a crash in between tells it
    /// twice. @errors those of Database
    Result<void> step();

private:
    Database& database_;
    Publish publish_;
};

}  // namespace longshore
