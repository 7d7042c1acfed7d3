// Undeletes: brings back what registryctl asked for by a row of the table
// undeletes. One thread; blocks on the database and the disk.
#pragma once

#include "common/result.hpp"

namespace longshore {

class Database;
class Takeover;
class Undelete;

namespace db {
struct Undelete;
}

class Undeletes {
public:
    Undeletes(Database& database, const Takeover& takeover, Undelete& undelete)
        : database_(database), takeover_(takeover), undelete_(undelete) {}

    /// All that is wanted. @errors those of Database
    Result<void> step();

    /// This one, and writes down what came of it.
    /// @errors those of Database
    Result<void> run(db::Undelete& wanted);

private:
    Database& database_;
    const Takeover& takeover_;
    Undelete& undelete_;
};

}  // namespace longshore
