// The audit log: its chain, what breaks it, what is told from outside.
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "auth/address.hpp"
#include "auth/audit_queue.hpp"
#include "auth/rate_limit.hpp"
#include "common/redact.hpp"
#include "daemon_fixture.hpp"
#include "db/audit.hpp"

namespace longshore {
namespace {

#define EXPECT_OK(result)               \
    EXPECT_TRUE([&] {                   \
        auto done = (result);           \
        return static_cast<bool>(done); \
    }())

class AuditTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open();
    }

    db::AuditPoint append(const std::string& action, std::int64_t at_ms = 1,
                          const std::string& target = "") {
        db::AuditEntry entry;
        entry.at_ms = at_ms;
        entry.action = action;
        entry.target = target;
        db::AuditPoint point;
        EXPECT_OK(database_->write([&](Transaction& t) -> Result<void> {
            LS_TRY(added, db::append_audit(t, entry));
            point = added;
            return {};
        }));
        return point;
    }

    db::AuditReport verify(const std::string& head = "") {
        db::AuditReport report;
        EXPECT_OK(database_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(found, db::verify_audit(t, head));
            report = found;
            return {};
        }));
        return report;
    }

    std::vector<db::AuditRow> rows(const db::AuditFilter& filter = {}) {
        std::vector<db::AuditRow> all;
        EXPECT_OK(database_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(page, db::list_audit(t, filter, 10'000, 10'000));
            all = page.rows;
            return {};
        }));
        return all;
    }

    // What somebody with the file could do. Returns SQLite's result.
    int sql(const std::string& text, bool triggers = false) {
        sqlite3* db = nullptr;
        auto file = root_ + "/db/" + std::string(kDatabaseFile);
        EXPECT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 20'000);
        if (!triggers) {
            for (const char* name :
                 {"audit_insert", "audit_update", "audit_delete",
                  "audit_checkpoint_update"}) {
                auto drop = "DROP TRIGGER IF EXISTS " + std::string(name);
                sqlite3_exec(db, drop.c_str(), nullptr, nullptr, nullptr);
            }
        }
        int code = sqlite3_exec(db, text.c_str(), nullptr, nullptr, nullptr);
        sqlite3_close(db);
        return code;
    }

    std::int64_t prune(std::int64_t before_ms, std::size_t n = 1000) {
        std::int64_t gone = -1;
        EXPECT_OK(database_->write([&](Transaction& t) -> Result<void> {
            LS_TRY(count, db::prune_audit(t, before_ms, n, Actor{}, 1000));
            gone = count;
            return {};
        }));
        return gone;
    }
};

TEST_F(AuditTest, IsWhole) {
    EXPECT_FALSE(verify().fault);
    auto first = append("a");
    auto second = append("b");
    EXPECT_EQ(first.id, 1);
    EXPECT_EQ(second.id, 2);
    EXPECT_EQ(second.hash.size(), 64U);
    auto report = verify(first.hash);
    EXPECT_FALSE(report.fault);
    EXPECT_EQ(report.rows, 2);
    EXPECT_EQ(report.head.hash, second.hash);
    EXPECT_TRUE(verify(std::string(64, '1')).fault);
}

TEST_F(AuditTest, EveryColumnIsInTheHash) {
    append("a");
    append("b");
    append("c");
    struct Column {
        const char* name;
        const char* value;
    };
    for (const auto& [name, value] :
         {Column{"at_ms", "7"}, Column{"action", "'x'"},
          Column{"verdict", "'refused'"}, Column{"status", "7"},
          Column{"principal_id", "7"}, Column{"principal", "'x'"},
          Column{"credential", "'x'"}, Column{"credential_id", "'x'"},
          Column{"peer", "'x'"}, Column{"request_id", "'x'"},
          Column{"repository", "'x'"}, Column{"target", "'x'"},
          Column{"detail", "'x'"}, Column{"count", "7"},
          Column{"hash", "'x'"}}) {
        auto before = rows();
        std::string set = std::string(" SET ") + name + " = ";
        std::string old =
            std::string("(SELECT ") + name + " FROM saved) WHERE id = 2";
        ASSERT_EQ(sql("CREATE TABLE saved AS SELECT * FROM audit WHERE id = 2;"
                      "UPDATE audit" +
                      set + value + " WHERE id = 2"),
                  SQLITE_OK);
        auto report = verify();
        ASSERT_TRUE(report.fault) << name;
        EXPECT_EQ(report.fault->id, 2) << name;
        ASSERT_EQ(sql("UPDATE audit" + set + old + "; DROP TABLE saved"),
                  SQLITE_OK);
        EXPECT_FALSE(verify().fault) << name;
    }
}

// A text may not move from one field to the next unseen.
TEST_F(AuditTest, FieldsHaveBorders) {
    append("a", 1, "one");
    ASSERT_EQ(sql("UPDATE audit SET target = 'on', detail = 'e'"), SQLITE_OK);
    EXPECT_TRUE(verify().fault);
}

TEST_F(AuditTest, WhatIsGoneOrMovedShows) {
    for (int i = 0; i < 5; ++i) {
        append("a", i);
    }
    auto head = verify().head.hash;
    auto fault_after = [&](const std::string& text) {
        EXPECT_EQ(sql("SAVEPOINT s; " + text), SQLITE_OK);
        auto report = verify(head);
        return report.fault ? report.fault->id : 0;
    };
    EXPECT_EQ(
        fault_after("CREATE TABLE kept AS SELECT * FROM audit; RELEASE s"), 0);
    auto restored =
        "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; RELEASE s";
    EXPECT_EQ(fault_after("DELETE FROM audit WHERE id = 3; RELEASE s"), 4);
    EXPECT_EQ(fault_after(restored), 0);
    EXPECT_EQ(fault_after("DELETE FROM audit WHERE id = 1; RELEASE s"), 2);
    EXPECT_EQ(fault_after(restored), 0);
    // Closed up again, with the ids as they should be.
    EXPECT_EQ(fault_after("DELETE FROM audit WHERE id = 3; UPDATE audit SET id"
                          " = id - 1 WHERE id > 3; RELEASE s"),
              3);
    EXPECT_EQ(fault_after(restored), 0);
    EXPECT_EQ(fault_after("UPDATE audit SET id = 9 WHERE id = 2; UPDATE audit"
                          " SET id = 2 WHERE id = 3; UPDATE audit SET id = 3"
                          " WHERE id = 9; RELEASE s"),
              2);
    EXPECT_EQ(fault_after(restored), 0);
    // Only a hash that was kept shows what is missing at the end.
    EXPECT_EQ(fault_after("DELETE FROM audit WHERE id = 5; RELEASE s"), 4);
    EXPECT_FALSE(verify().fault);
    EXPECT_EQ(sql("DELETE FROM audit"), SQLITE_OK);
    EXPECT_TRUE(verify(head).fault);
}

TEST_F(AuditTest, TheDatabaseRefuses) {
    append("a");
    append("b");
    constexpr const char* kReplace =
        "INSERT OR REPLACE INTO audit SELECT 1, at_ms, action, verdict,"
        " status, principal_id, principal, credential, credential_id, peer,"
        " request_id, repository, target, detail, count, hash FROM audit"
        " WHERE id = 2";
    for (const char* text :
         {"UPDATE audit SET detail = 'x'", "DELETE FROM audit WHERE id = 2",
          "DELETE FROM audit", kReplace,
          "UPDATE audit_checkpoint SET through_id = 2",
          "DELETE FROM audit_checkpoint",
          "INSERT OR REPLACE INTO audit_checkpoint VALUES (1, 2, 'x')"}) {
        EXPECT_EQ(sql(text, true) & 0xff, SQLITE_CONSTRAINT) << text;
    }
    EXPECT_FALSE(verify().fault);
    EXPECT_EQ(rows().size(), 2U);
}

TEST_F(AuditTest, AFailedWriteLeavesNoRow) {
    auto failed = database_->write([&](Transaction& t) -> Result<void> {
        LS_TRY(added, db::append_audit(t, {}));
        static_cast<void>(added);
        return Error{Code::conflict, "no"};
    });
    EXPECT_FALSE(failed);
    EXPECT_EQ(append("a").id, 1);
    EXPECT_FALSE(verify().fault);
}

TEST_F(AuditTest, RetentionKeepsTheChain) {
    std::string old_hash;
    for (int i = 1; i <= 10; ++i) {
        auto point = append("a", i * 10);
        old_hash = i == 3 ? point.hash : old_hash;
    }
    EXPECT_EQ(prune(40), 3);
    auto report = verify();
    EXPECT_FALSE(report.fault);
    EXPECT_EQ(report.first.id, 3);
    EXPECT_EQ(report.first.hash, old_hash);
    EXPECT_EQ(report.rows, 8);
    EXPECT_EQ(rows().front().id, 4);
    EXPECT_EQ(rows().back().entry.action, "audit.prune");
    EXPECT_EQ(rows().back().entry.count, 3);
    // The hash of the last row that went is still known.
    EXPECT_FALSE(verify(old_hash).fault);
    EXPECT_EQ(prune(40), 0);
    EXPECT_EQ(prune(1000, 2), 2);
    EXPECT_EQ(prune(1'000'000), 6);  // the last of the rest stays
    EXPECT_FALSE(verify().fault);
    auto last = append("b");
    EXPECT_EQ(last.id, verify().head.id);
    // Somebody cuts more, by the same way but without a row.
    ASSERT_EQ(sql("UPDATE audit_checkpoint SET through_id = (SELECT min(id)"
                  " FROM audit), hash = (SELECT hash FROM audit ORDER BY id"
                  " LIMIT 1); DELETE FROM audit WHERE id <= (SELECT through_id"
                  " FROM audit_checkpoint)",
                  true),
              SQLITE_OK);
    EXPECT_TRUE(verify().fault);
}

TEST_F(AuditTest, ANewLogBeginsWhereItIsTold) {
    append("a");
    append("b");
    auto all = rows();
    auto other = root_ + "/other";
    auto made = open_sqlite({other});
    ASSERT_OK(made);
    ASSERT_OK((*made)->write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::start_audit(t, {7, std::string(64, 'a')}));
        return {};
    }));
    // Rows of another place are refused, by their number.
    EXPECT_FALSE((*made)->write([&](Transaction& t) -> Result<void> {
        return db::copy_audit(t, all.front());
    }));
}

TEST_F(AuditTest, WritesTellOfThemselves) {
    ASSERT_OK(push("team/a", R"({"mediaType":"x"})", {"v1", "v2"}));
    auto digest = sha256_of(R"({"mediaType":"x"})");
    ASSERT_OK(publisher_->delete_tag(access_to("team/a"), "v2", "r2"));
    ASSERT_OK(publisher_->delete_manifest(access_to("team/a"), digest, "r3"));
    auto blob = store_blob("bytes");
    ASSERT_OK(publisher_->link_blob(access_to("team/a"), blob, "r4"));
    ASSERT_OK(publisher_->delete_blob(access_to("team/a"), blob, "r5"));
    // What failed is no row.
    EXPECT_FALSE(publisher_->delete_tag(access_to("team/a"), "v2", "r6"));
    auto all = rows();
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(all[0].entry.action, "manifest.push");
    EXPECT_EQ(all[0].entry.target, digest.text());
    EXPECT_EQ(all[0].entry.detail, "v1 v2");
    EXPECT_EQ(all[1].entry.action, "tag.delete");
    EXPECT_EQ(all[1].entry.target, "v2");
    EXPECT_EQ(all[2].entry.action, "manifest.delete");
    EXPECT_EQ(all[3].entry.action, "blob.delete");
    EXPECT_EQ(all[3].entry.repository, "team/a");
    EXPECT_FALSE(verify().fault);
}

TEST_F(AuditTest, TextsAreCleanAndShort) {
    append("a", 1, std::string(4000, 'x') + "\n");
    append("a", 1, "one\ntwo\x1b[2J \xff");
    append("a", 1, "tag lsr_abcdefgh_0123456789012345678901234567890123456 x");
    auto all = rows();
    EXPECT_EQ(all[0].entry.target.size(), db::kMaxAuditText);
    EXPECT_EQ(all[1].entry.target, "one?two?[2J ?");
    EXPECT_EQ(all[2].entry.target, "tag lsr_abcdefgh*** x");
}

TEST_F(AuditTest, AFloodIsCounted) {
    AuditQueue queue;
    AuditNote note;
    note.action = "pull";
    note.refused = true;
    note.status = 401;
    constexpr std::int64_t kNow = 600'000;
    // One address, then many.
    for (int i = 0; i < 1000; ++i) {
        note.actor.peer = "192.0.2.1";
        queue.add(note, kNow);
    }
    for (int i = 0; i < 100'000; ++i) {
        note.actor.peer = "2001:db8:" + std::to_string(i % 9999) + "::1";
        queue.add(note, kNow + 1);
    }
    ASSERT_OK(queue.flush(*database_, kNow + 2));
    EXPECT_EQ(rows().size(), AuditQueue::kStrangers);
    ASSERT_OK(queue.flush(*database_, kNow + 60'000));
    auto all = rows();
    EXPECT_LE(all.size(), AuditQueue::kStrangers + AuditQueue::kKeys + 1);
    std::int64_t count = 0;
    for (const auto& row : all) {
        count += row.entry.count;
        if (row.entry.actor.peer == "192.0.2.1" &&
            row.entry.verdict == "suppressed") {
            EXPECT_EQ(row.entry.count, 1000 - AuditQueue::kEach);
        }
    }
    EXPECT_EQ(count, 101'000);
    EXPECT_FALSE(verify().fault);
}

TEST_F(AuditTest, NamesThatNobodyHasAreNotKept) {
    AuditQueue queue;
    AuditNote note;
    note.refused = true;
    note.claimed = "hunter2-hunter2";
    queue.add(note, 1);
    note.claimed = "anonymous";  // a principal like any other
    queue.add(note, 1);
    ASSERT_OK(queue.flush(*database_, 2));
    EXPECT_EQ(rows()[0].entry.target, "");
    EXPECT_EQ(rows()[1].entry.target, "anonymous");
}

TEST_F(AuditTest, ALoginIsToldOnce) {
    AuditQueue queue;
    Actor actor{7, "alice", "password", "", "192.0.2.1", ""};
    queue.add_login(actor, 1000);
    queue.add_login(actor, 2000);
    actor.peer = "192.0.2.2";
    queue.add_login(actor, 2000);
    queue.add_login(actor, 2000 + AuditQueue::kLoginMs);
    ASSERT_OK(queue.flush(*database_, 3000));
    EXPECT_EQ(rows().size(), 3U);
}

TEST(Redact, Tokens) {
    EXPECT_EQ(redact(""), "");
    EXPECT_EQ(redact("lsr_short and eyJ"), "lsr_short and eyJ");
    EXPECT_EQ(redact("/x/lsf_abcdefgh_0123456789?"), "/x/lsf_abcdefgh***?");
    EXPECT_EQ(redact("a eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiI3In0.c2ln-_x b"),
              "a eyJ*** b");
}

TEST(Address, Networks) {
    EXPECT_EQ(network_of("192.0.2.1"), "192.0.2.1");
    EXPECT_EQ(network_of("::ffff:192.0.2.1"), "192.0.2.1");
    EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    EXPECT_EQ(network_of("2001:db8:1:2::"), "2001:db8:1:2::/64");
    EXPECT_EQ(network_of("unix:"), "unix:");
    EXPECT_EQ(network_of(std::string(1000, 'x')).size(), 64U);
}

TEST(RateLimit, Buckets) {
    RateLimit limit(60, 3);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(limit.take("a", 1000), 0);
    }
    EXPECT_EQ(limit.take("a", 1000), 1);
    EXPECT_EQ(limit.wait("a", 1999), 1);
    EXPECT_EQ(limit.take("b", 1000), 0);
    EXPECT_EQ(limit.take("a", 2000), 0);
    EXPECT_EQ(limit.take("a", 2000), 1);
    EXPECT_EQ(limit.take("a", 500), 1);  // the clock was set back
    RateLimit slow(1, 1);
    EXPECT_EQ(slow.take("a", 0), 0);
    EXPECT_EQ(slow.take("a", 0), 60);
    RateLimit off(0, 0);
    EXPECT_EQ(off.take("a", 0), 0);
}

TEST(RateLimit, HoldsSoManyKeys) {
    RateLimit limit(60, 2, 100);
    for (int i = 0; i < 100'000; ++i) {
        limit.take(std::to_string(i), 10'000);
    }
    EXPECT_LE(limit.keys(), 100U);
    // Who was known keeps a bucket of its own.
    EXPECT_EQ(limit.take("7", 10'000), 0);
    EXPECT_GT(limit.take("new", 10'000), 0);
    // The idle are forgotten.
    EXPECT_EQ(limit.take("new", 30'000), 0);
    EXPECT_LE(limit.keys(), 100U);
}

}  // namespace
}  // namespace longshore
