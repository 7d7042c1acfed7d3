#include "jobs/drops.hpp"

#include <vector>

#include "common/probe.hpp"
#include "db/database.hpp"
#include "db/journal.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMany = 1000;

}  // namespace

Result<void> Drops::step() {
    for (;;) {
        std::vector<std::string> keys;
        std::int64_t last = 0;
        LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
            LS_TRY(found, db::list_drops(t, kMany));
            for (auto& drop : found) {
                last = drop.id;
                keys.push_back(std::move(drop.key));
            }
            return {};
        }));
        if (keys.empty()) {
            return {};
        }
        publish_(keys);
        LS_PROBE(drops, published);
        LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
            return db::delete_drops(t, last);
        }));
    }
}

}  // namespace longshore
