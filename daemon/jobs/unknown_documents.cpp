#include "jobs/unknown_documents.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <spdlog/spdlog.h>

#include "common/clock.hpp"
#include "common/probe.hpp"
#include "db/database.hpp"
#include "db/documents.hpp"
#include "jobs/periodic.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetry = std::chrono::minutes(10);
// Only an end of the process leaves such.
constexpr milliseconds kNever = std::chrono::hours(24 * 365);

// One whose rows are about to be committed is forgotten again: when its time
// is over it is a document's, and stays.
Result<void> leave_over(Database& database,
                        const std::vector<std::string>& there) {
    std::vector<std::string> unknown;
    LS_CHECK(database.read([&](Transaction& t) -> Result<void> {
        unknown.clear();
        for (const auto& digest : there) {
            LS_TRY(known, db::is_known_document(t, digest));
            if (!known) {
                unknown.push_back(digest);
            }
        }
        return {};
    }));
    if (unknown.empty()) {
        return {};
    }
    LS_CHECK(database.write([&](Transaction& t) -> Result<void> {
        for (const auto& digest : unknown) {
            LS_CHECK(db::leave_over(t, digest, unix_ms()));
        }
        return {};
    }));
    LS_PROBE(leftovers, found);
    return {};
}

Result<void> look(Database& database, BlobStore& store) {
    const auto folder = store.root() + "/documents/sha256";
    std::vector<std::string> shelves;
    LS_CHECK(store.list(Path{folder}, [&](const BlobStore::Entry& entry) {
        shelves.emplace_back(entry.name);
        return true;
    }));
    for (const auto& shelf : shelves) {
        std::vector<std::string> there;
        LS_CHECK(store.list(
            Path{folder, "/", shelf}, [&](const BlobStore::Entry& entry) {
                there.push_back("sha256:" + std::string(entry.name));
                return true;
            }));
        LS_CHECK(leave_over(database, there));
    }
    return {};
}

}  // namespace

UnknownDocuments::UnknownDocuments(Database& database, BlobStore& store)
    : look_(std::make_unique<Periodic>([&database, &store] {
          if (auto looked = look(database, store); !looked) {
              spdlog::warn("look at the documents: {}", looked.error().message);
              return kRetry;
          }
          return kNever;
      })) {}

UnknownDocuments::~UnknownDocuments() = default;

}  // namespace longshore
