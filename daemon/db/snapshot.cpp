#include "db/snapshot.hpp"

#include "db/connection.hpp"
#include "db/rows.hpp"
#include "db/schema.hpp"

namespace longshore {
namespace {

// What a database is made of, one text for each part.
Result<std::vector<std::string>> parts_of(Connection& connection) {
    return db::all_texts(connection,
                         "SELECT type || ' ' || name || ' of ' || tbl_name ||"
                         " ': ' || coalesce(sql, '') FROM sqlite_schema"
                         " ORDER BY 1",
                         {});
}

Error differs(const std::string& part, const char* how) {
    return Error{Code::corrupt, "the database of the backup has " +
                                    part.substr(0, part.find(':')) + how};
}

class FrozenSnapshot final : public Snapshot {
public:
    explicit FrozenSnapshot(std::unique_ptr<Connection> connection)
        : connection_(std::move(connection)) {}

    Result<void> read(const Work& work) override { return work(*connection_); }

    Result<void> check(Depth depth) override {
        LS_CHECK(check_schema());
        static constexpr Sql kQuick = "PRAGMA quick_check(1)";
        static constexpr Sql kFull = "PRAGMA integrity_check(1)";
        LS_TRY(found, db::one_text(*connection_,
                                   depth == Depth::full ? kFull : kQuick, {}));
        if (found.value_or("") != "ok") {
            return Error{Code::corrupt, "the database of the backup: " +
                                            found.value_or("nothing")};
        }
        return {};
    }

private:
    Result<void> check_schema() {
        LS_TRY(version,
               db::one_integer(*connection_, "PRAGMA user_version", {}));
        auto files = schema_files();
        auto known = static_cast<std::int64_t>(files.size());
        if (version.value_or(0) < 1 || *version > known) {
            return Error{Code::unsupported,
                         "the database of the backup has schema " +
                             std::to_string(version.value_or(0)) +
                             ", this program knows 1 to " +
                             std::to_string(known)};
        }
        LS_TRY(model, Connection::open_in_memory());
        for (std::int64_t n = 0; n < *version; ++n) {
            std::string script(files[static_cast<std::size_t>(n)]);
            LS_CHECK(model->script(script.c_str()));
        }
        LS_TRY(wanted, parts_of(*model));
        LS_TRY(found, parts_of(*connection_));
        for (std::size_t i = 0; i < wanted.size() || i < found.size(); ++i) {
            if (i == wanted.size() ||
                (i < found.size() && found[i] < wanted[i])) {
                return differs(found[i], ", which this program does not make");
            }
            if (i == found.size() || wanted[i] < found[i]) {
                return differs(wanted[i], " missing or changed");
            }
        }
        return {};
    }

    std::unique_ptr<Connection> connection_;
};

}  // namespace

Result<void> take_snapshot(const std::string& folder, const std::string& file) {
    LS_TRY(source,
           Connection::open(folder + "/" + std::string(kDatabaseFile), true));
    return source->copy_to(file);
}

Result<std::unique_ptr<Snapshot>> open_snapshot(const std::string& file) {
    LS_TRY(connection, Connection::open_frozen(file));
    return std::unique_ptr<Snapshot>(
        std::make_unique<FrozenSnapshot>(std::move(connection)));
}

namespace db {

Result<std::vector<StoredBlob>> list_stored_blobs(Transaction& t, std::size_t n,
                                                  std::string_view last) {
    return all_rows<StoredBlob>(
        t,
        "SELECT id, digest, size_bytes FROM blobs"
        " WHERE digest > $1 AND size_bytes IS NOT NULL"
        " ORDER BY digest LIMIT $2",
        {last, integer(n)}, [](const Rows& row) -> Result<StoredBlob> {
            return StoredBlob{row.integer(0), std::string(row.text(1)),
                              static_cast<std::uint64_t>(row.integer(2))};
        });
}

Result<void> drop_documents(Transaction& t, std::int64_t now_ms) {
    LS_CHECK(done(t.execute(
        "INSERT INTO stale_scopes (repository_id, scope, changed, rendered)"
        " SELECT DISTINCT repository_id, scope, $1, 0 FROM documents WHERE true"
        " ON CONFLICT (repository_id, scope) DO NOTHING",
        {now_ms})));
    LS_CHECK(done(t.execute("DELETE FROM documents", {})));
    LS_CHECK(done(t.execute("DELETE FROM document_leftovers", {})));
    return done(t.execute("UPDATE stale_scopes SET rendered = 0", {}));
}

}  // namespace db
}  // namespace longshore
