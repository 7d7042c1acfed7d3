// What a reindex has put and kept. Private to registry/.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "db/documents.hpp"
#include "registry/index_context.hpp"

namespace longshore {

struct IndexContext::Next {
    std::vector<db::DocumentRow> present;  // of the present generation
    std::vector<db::DocumentRow> put;
    std::set<std::string, std::less<>> kept;  // paths
    std::vector<Document> ahead;  // to be copied for the generation after
};

}  // namespace longshore
