// Documents that no row knows: of a making that was ended before its rows were
// committed. Once after each start; what is found is removed by
// Indexes::sweep() as what is left over of earlier generations.
#pragma once

#include <memory>

namespace longshore {

class BlobStore;
class Database;
class Periodic;

class UnknownDocuments {
public:
    /// Starts a thread.
    UnknownDocuments(Database& database, BlobStore& store);
    ~UnknownDocuments();
    UnknownDocuments(const UnknownDocuments&) = delete;
    UnknownDocuments& operator=(const UnknownDocuments&) = delete;

private:
    std::unique_ptr<Periodic> look_;
};

}  // namespace longshore
