// Accounts as an operator handles them, and what of them is stored.
#include <chrono>
#include <set>

#include "auth/accounts.hpp"
#include "auth/password.hpp"
#include "auth/secret.hpp"
#include "common/clock.hpp"
#include "daemon_fixture.hpp"
#include "db/accounts.hpp"
#include "db/folder_lock.hpp"

namespace longshore {
namespace {

constexpr std::string_view kPassword = "correct horse 9";

class AccountsTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_database();
        accounts_ = std::make_unique<Accounts>(*database_);
    }
    void TearDown() override {
        accounts_.reset();
        RootTest::TearDown();
    }

    std::int64_t version() {
        std::int64_t found = 0;
        EXPECT_TRUE(database_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(now, db::policy_version(t));
            found = now;
            return {};
        }));
        return found;
    }

    db::PrincipalRow row(std::string_view name) {
        db::PrincipalRow found;
        EXPECT_TRUE(database_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(one, db::find_principal(t, name));
            found = one.value_or(db::PrincipalRow{});
            return {};
        }));
        return found;
    }

    void user(const std::string& name) {
        ASSERT_OK(accounts_->create(PrincipalKind::user, name));
    }

    bool can(const std::string& who, Action action, const std::string& name) {
        auto answer = accounts_->can(who, action, name);
        EXPECT_TRUE(answer) << answer.error().message;
        return answer && answer->allowed;
    }

    std::unique_ptr<Accounts> accounts_;
};

template <typename T>
Code code_of(const Result<T>& result) {
    return result ? Code::internal : result.error().code;
}

TEST_F(AccountsTest, EveryChangeRaisesTheVersion) {
    std::int64_t before = version();
    auto raised = [&](const Result<void>& result) {
        EXPECT_TRUE(result) << (result ? "" : result.error().message);
        auto now = version();
        bool more = now > before;
        before = now;
        return more;
    };
    EXPECT_TRUE(raised(accounts_->create(PrincipalKind::user, "alice")));
    EXPECT_TRUE(raised(accounts_->create(PrincipalKind::group, "team")));
    EXPECT_TRUE(raised(accounts_->set_password("alice", kPassword)));
    EXPECT_TRUE(raised(accounts_->add_member("team", "alice")));
    EXPECT_TRUE(
        raised(accounts_->grant("team", "t/**", ActionSet(Action::pull))));
    EXPECT_TRUE(raised(accounts_->set_visibility("p/**", true)));
    auto token = accounts_->create_token(
        {"alice", "ci", ActionSet(Action::pull), {}, 0});
    ASSERT_OK(token);
    EXPECT_TRUE(raised(accounts_->revoke_token(token->id)));
    std::string print(64, 'a');
    ASSERT_OK(accounts_->add_certificate("alice", print));
    EXPECT_TRUE(raised(accounts_->remove_certificate(print)));
    EXPECT_TRUE(raised(accounts_->remove_visibility("p/**")));
    EXPECT_TRUE(
        raised(accounts_->revoke("team", "t/**", ActionSet(Action::pull))));
    EXPECT_TRUE(raised(accounts_->remove_member("team", "alice")));
    EXPECT_TRUE(raised(accounts_->set_disabled("alice", true)));
    EXPECT_TRUE(raised(accounts_->remove("alice")));
}

TEST_F(AccountsTest, ChangesSayWhose) {
    user("alice");
    auto from = version();
    auto id = row("alice").id;
    ASSERT_OK(accounts_->set_disabled("alice", true));
    ASSERT_OK(accounts_->set_visibility("p/**", true));
    ASSERT_OK(accounts_->grant("alice", "x", ActionSet::all()));
    ASSERT_OK(accounts_->grant("authenticated", "x", ActionSet::all()));
    ASSERT_OK(accounts_->create(PrincipalKind::group, "team"));
    auto team = row("team").id;
    ASSERT_OK(accounts_->add_member("team", "alice"));
    ASSERT_OK(accounts_->remove_member("team", "alice"));
    ASSERT_OK(database_->read([&](Transaction& t) -> Result<void> {
        LS_TRY(changed, db::changes_between(t, from, from + 7));
        EXPECT_EQ(changed,
                  (std::vector<std::int64_t>{id, 0, id, 0, team, id, id}));
        return {};
    }));
}

// `_` and `%` are wildcards of SQL, and letters of either case are one to it.
TEST_F(AccountsTest, NamesAreNoPatterns) {
    user("axb");
    user("a_b");
    user("A_B");
    EXPECT_NE(row("a_b").id, row("axb").id);
    EXPECT_NE(row("a_b").id, row("A_B").id);
    EXPECT_EQ(code_of(accounts_->remove("a__")), Code::not_found);
    EXPECT_EQ(code_of(accounts_->remove("AXB")), Code::not_found);
    for (const auto* pattern : {"t_m", "txm", "t*"}) {
        ASSERT_OK(accounts_->grant("axb", pattern, ActionSet(Action::pull)));
    }
    ASSERT_OK(accounts_->revoke("axb", "t_m", ActionSet::all()));
    auto left = accounts_->list_grants("axb");
    ASSERT_OK(left);
    EXPECT_EQ(left->size(), 2U);
    EXPECT_TRUE(can("axb", Action::pull, "txm"));
    ASSERT_OK(accounts_->remove("a_b"));
    EXPECT_EQ(row("a_b").id, 0);
    EXPECT_NE(row("axb").id, 0);
}

// Another generation, also where an id is given again.
TEST_F(AccountsTest, MadeAgainIsSomebodyElse) {
    constexpr std::int64_t kSome2020 = 1'577'836'800'000;
    user("alice");
    auto first = row("alice");
    ASSERT_OK(accounts_->remove("alice"));
    user("alice");
    EXPECT_NE(row("alice").id, first.id);
    EXPECT_GT(first.generation, kSome2020);
    EXPECT_GE(row("alice").generation, first.generation);
}

TEST_F(AccountsTest, NamesAndKinds) {
    user("alice");
    EXPECT_EQ(code_of(accounts_->create(PrincipalKind::group, "alice")),
              Code::already_exists);
    EXPECT_EQ(code_of(accounts_->create(PrincipalKind::builtin, "x")),
              Code::invalid_argument);
    EXPECT_EQ(code_of(accounts_->create(PrincipalKind::user, "anonymous")),
              Code::already_exists);
    for (std::string_view bad : {"", "a b", "a:b", "../x", "_x", "a\"", "a\\",
                                 "ä", "a/b", "<token>", "a\n", "%"}) {
        EXPECT_EQ(
            code_of(accounts_->create(PrincipalKind::user, std::string(bad))),
            Code::invalid_argument)
            << bad;
    }
    EXPECT_FALSE(is_principal_name(std::string(129, 'a')));
    EXPECT_TRUE(is_principal_name("Jo.Doe+x_y-z@example.org"));
    EXPECT_EQ(code_of(accounts_->remove("anonymous")), Code::invalid_argument);
    EXPECT_EQ(code_of(accounts_->set_disabled("authenticated", true)),
              Code::invalid_argument);
    EXPECT_EQ(code_of(accounts_->remove("bob")), Code::not_found);
}

TEST_F(AccountsTest, PasswordsEndWhatWasIssued) {
    user("alice");
    auto before = row("alice");
    EXPECT_EQ(before.password_hash, "");
    ASSERT_OK(database_->write([&](Transaction& t) {
        return db::add_refresh_token(
            t, {"r", before.id, "h", before.generation, "", "", 1, 2});
    }));
    ASSERT_OK(accounts_->set_password("alice", kPassword));
    auto after = row("alice");
    EXPECT_GT(after.generation, before.generation);
    EXPECT_TRUE(after.password_hash.starts_with("$argon2id$"));
    EXPECT_EQ(after.password_hash.find(kPassword), std::string::npos);
    EXPECT_TRUE(verify_password(after.password_hash, kPassword));
    ASSERT_OK(database_->read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_refresh_token(t, "r"));
        EXPECT_FALSE(found);
        return {};
    }));
    ASSERT_OK(accounts_->create(PrincipalKind::group, "team"));
    EXPECT_EQ(code_of(accounts_->set_password("team", kPassword)),
              Code::invalid_argument);
    EXPECT_EQ(code_of(accounts_->set_password("alice", "short")),
              Code::invalid_argument);
}

TEST_F(AccountsTest, GroupsGiveAndTake) {
    user("alice");
    ASSERT_OK(accounts_->create(PrincipalKind::group, "team"));
    ASSERT_OK(accounts_->create(PrincipalKind::group, "other"));
    ASSERT_OK(accounts_->grant("team", "team/**", *ActionSet::parse("push")));
    EXPECT_FALSE(can("alice", Action::push, "team/a"));
    ASSERT_OK(accounts_->add_member("team", "alice"));
    ASSERT_OK(accounts_->add_member("team", "alice"));
    EXPECT_TRUE(can("alice", Action::push, "team/a"));
    EXPECT_EQ(code_of(accounts_->add_member("team", "other")),
              Code::invalid_argument);
    EXPECT_EQ(code_of(accounts_->add_member("alice", "alice")),
              Code::invalid_argument);
    auto groups = accounts_->list(PrincipalKind::group);
    ASSERT_OK(groups);
    ASSERT_EQ(groups->size(), 2U);
    EXPECT_EQ((*groups)[1].members, std::vector<std::string>{"alice"});
    ASSERT_OK(accounts_->set_disabled("team", true));
    EXPECT_FALSE(can("alice", Action::push, "team/a"));
    ASSERT_OK(accounts_->set_disabled("team", false));
    ASSERT_OK(accounts_->remove_member("team", "alice"));
    EXPECT_FALSE(can("alice", Action::push, "team/a"));
    EXPECT_EQ(code_of(accounts_->remove_member("team", "alice")),
              Code::not_found);
}

// By its form it would be taken for a token at the login.
TEST_F(AccountsTest, NoPasswordLooksLikeAToken) {
    user("alice");
    for (std::string_view text :
         {"eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln", "eyJhbGc.12345.67890"}) {
        EXPECT_EQ(code_of(accounts_->set_password("alice", text)),
                  Code::invalid_argument)
            << text;
    }
}

TEST_F(AccountsTest, WhatAdminIncludesGoesOnlyWithIt) {
    user("alice");
    ASSERT_OK(
        accounts_->grant("alice", "a/*", *ActionSet::parse("admin,pull")));
    for (auto action : {Action::pull, Action::push}) {
        EXPECT_EQ(code_of(accounts_->revoke("alice", "a/*", ActionSet(action))),
                  Code::invalid_argument);
    }
    ASSERT_OK(accounts_->revoke("alice", "a/*", *ActionSet::parse("admin")));
    EXPECT_FALSE(can("alice", Action::pull, "a/b"));
}

// A reader must see that it misses one, whatever was added meanwhile.
TEST_F(AccountsTest, ForgottenChangesAreMissed) {
    auto from = version();
    ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
        for (std::int64_t id = 1; id <= 1001; ++id) {
            LS_CHECK(db::bump_policy(t, id, 1));
        }
        return {};
    }));
    auto count = [&](std::int64_t after, std::int64_t to) {
        std::size_t found = 0;
        EXPECT_TRUE(database_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(changes, db::changes_between(t, after, to));
            found = changes.size();
            return {};
        }));
        return found;
    };
    EXPECT_EQ(count(from, from + 1000), 999U);
    EXPECT_EQ(count(from + 1, from + 1001), 1000U);
    EXPECT_EQ(count(from + 5, from + 7), 2U);
}

TEST_F(AccountsTest, GrantsAddUp) {
    user("alice");
    ASSERT_OK(accounts_->grant("alice", "a/*", ActionSet(Action::pull)));
    ASSERT_OK(accounts_->grant("alice", "a/*", ActionSet(Action::push)));
    auto grants = accounts_->list_grants("alice");
    ASSERT_OK(grants);
    ASSERT_EQ(grants->size(), 1U);
    EXPECT_EQ((*grants)[0].actions.text(), "pull,push");
    ASSERT_OK(accounts_->revoke("alice", "a/*", ActionSet(Action::pull)));
    EXPECT_FALSE(can("alice", Action::pull, "a/b"));
    EXPECT_TRUE(can("alice", Action::push, "a/b"));
    ASSERT_OK(accounts_->revoke("alice", "a/*", ActionSet::all()));
    EXPECT_TRUE(accounts_->list_grants("")->empty());
    EXPECT_EQ(code_of(accounts_->revoke("alice", "a/*", ActionSet::all())),
              Code::not_found);
    EXPECT_EQ(code_of(accounts_->grant("alice", "A", ActionSet::all())),
              Code::invalid_argument);
    EXPECT_EQ(code_of(accounts_->grant("bob", "a", ActionSet::all())),
              Code::not_found);
}

TEST_F(AccountsTest, TokensAreStoredAsHashes) {
    user("alice");
    auto made = accounts_->create_token({"alice",
                                         "ci",
                                         *ActionSet::parse("pull,push"),
                                         {"a/*", "b"},
                                         unix_ms() + 60'000});
    ASSERT_OK(made);
    auto listed = accounts_->list_tokens("alice");
    ASSERT_OK(listed);
    ASSERT_EQ(listed->size(), 1U);
    EXPECT_EQ((*listed)[0].id, made->id);
    EXPECT_EQ((*listed)[0].patterns, (std::vector<std::string>{"a/*", "b"}));
    EXPECT_EQ((*listed)[0].actions.text(), "pull,push");
    // The whole file, log included, has nothing but the hash.
    auto secret = made->text.substr(13);
    for (const auto* file : {"", "-wal"}) {
        auto bytes = slurp(root_ + "/db/longshore.sqlite" + file);
        EXPECT_EQ(bytes.find(secret), std::string::npos);
    }
    ASSERT_OK(accounts_->revoke_token(made->text));
    EXPECT_EQ(code_of(accounts_->revoke_token(made->id)), Code::not_found);
    EXPECT_GT((*accounts_->list_tokens(""))[0].revoked_at_ms, 0);
    EXPECT_EQ(
        code_of(accounts_->create_token({"alice", "", ActionSet(), {}, 0})),
        Code::invalid_argument);
    EXPECT_EQ(code_of(accounts_->create_token(
                  {"alice", "", ActionSet::all(), {"a b"}, 0})),
              Code::invalid_argument);
    EXPECT_EQ(code_of(accounts_->create_token(
                  {"alice", "", ActionSet::all(), {}, 1})),
              Code::invalid_argument);
    EXPECT_EQ(code_of(accounts_->create_token(
                  {"anonymous", "", ActionSet::all(), {}, 0})),
              Code::invalid_argument);
}

// A tool may write while the daemon has the folder, and only then or later.
TEST_F(AccountsTest, AnotherProcessMayWriteBeside) {
    EXPECT_EQ(code_of(open_sqlite({root_ + "/db"})), Code::conflict);
    DatabaseSettings settings{root_ + "/db"};
    settings.beside = true;
    {
        auto second = open_sqlite(settings);
        ASSERT_OK(second);
        ASSERT_OK(Accounts(**second).create(PrincipalKind::user, "alice"));
    }
    EXPECT_EQ(row("alice").name, "alice");
    // What a rebuild that was killed leaves must not keep anybody out.
    std::filesystem::create_directories(root_ + "/db/rebuild");
    auto third = open_sqlite(settings);
    ASSERT_OK(third);
    Accounts late(**third);
    {
        FolderLock rebuilding;
        ASSERT_OK(rebuilding.take_to_replace(settings.folder));
        EXPECT_EQ(code_of(open_sqlite(settings)), Code::conflict);
        EXPECT_EQ(code_of(late.create(PrincipalKind::user, "bob")),
                  Code::conflict);
    }
    ASSERT_OK(late.create(PrincipalKind::user, "bob"));
    // Another file has the name now: a write would be lost.
    auto file = settings.folder + "/longshore.sqlite";
    std::filesystem::copy_file(file, file + ".new");
    std::filesystem::rename(file + ".new", file);
    EXPECT_EQ(code_of(late.set_disabled("bob", true)), Code::conflict);
    settings.folder = root_ + "/nowhere";
    EXPECT_EQ(code_of(open_sqlite(settings)), Code::not_found);
    EXPECT_FALSE(std::filesystem::exists(settings.folder));
}

TEST_F(AccountsTest, AllOfItGoesIntoAnotherDatabase) {
    user("alice");
    ASSERT_OK(accounts_->create(PrincipalKind::group, "team"));
    ASSERT_OK(accounts_->set_password("alice", kPassword));
    ASSERT_OK(accounts_->add_member("team", "alice"));
    ASSERT_OK(accounts_->grant("team", "t/**", ActionSet::all()));
    ASSERT_OK(accounts_->grant("anonymous", "x", ActionSet(Action::pull)));
    ASSERT_OK(accounts_->set_visibility("p", true));
    ASSERT_OK(accounts_->add_certificate("alice", std::string(64, 'b')));
    ASSERT_OK(accounts_->create_token({"alice", "", ActionSet::all(), {}, 0}));
    db::AccountRows rows;
    ASSERT_OK(database_->read([&](Transaction& t) -> Result<void> {
        LS_TRY(all, db::read_accounts(t));
        rows = std::move(all);
        return {};
    }));
    auto other = open_sqlite({root_ + "/other"});
    ASSERT_OK(other);
    ASSERT_OK((*other)->write(
        [&](Transaction& t) { return db::write_accounts(t, rows); }));
    Accounts copy(**other);
    EXPECT_TRUE(copy.can("alice", Action::remove, "t/x")->allowed);
    EXPECT_TRUE(copy.can("anonymous", Action::pull, "p")->allowed);
    EXPECT_TRUE(copy.can("anonymous", Action::pull, "x")->allowed);
    EXPECT_EQ(copy.list_tokens("alice")->size(), 1U);
    ASSERT_OK((*other)->read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_certificate(t, std::string(64, 'b')));
        EXPECT_TRUE(found);
        LS_TRY(now, db::policy_version(t));
        EXPECT_GT(now, rows.version);
        return {};
    }));
}

TEST(Secrets, HaveOneForm) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        auto secret = make_secret(SecretKind::api_token);
        ASSERT_OK(secret);
        EXPECT_EQ(secret->text.size(), 51U);
        EXPECT_EQ(secret->text.substr(0, 13), "lsr_" + secret->id + "_");
        EXPECT_EQ(secret_id(SecretKind::api_token, secret->text), secret->id);
        EXPECT_FALSE(secret_id(SecretKind::refresh_token, secret->text));
        EXPECT_EQ(secret->hash, secret_hash(secret->text));
        EXPECT_TRUE(seen.insert(secret->text).second);
        // Every character is checked.
        for (std::size_t at = 0; at < secret->text.size(); ++at) {
            auto broken = secret->text;
            broken[at] = broken[at] == 'x' ? 'y' : 'x';
            EXPECT_FALSE(secret_id(SecretKind::api_token, broken)) << at;
        }
        EXPECT_FALSE(secret_id(SecretKind::api_token, secret->text + "0"));
    }
    EXPECT_FALSE(secret_id(SecretKind::api_token, ""));
    EXPECT_TRUE(equal_secrets("a", "a"));
    EXPECT_FALSE(equal_secrets("a", "b"));
    EXPECT_FALSE(equal_secrets("a", "aa"));
    EXPECT_NE(keyed_hash("k", "a", "bc"), keyed_hash("k", "ab", "c"));
}

TEST(Passwords, Rules) {
    for (std::string_view bad :
         {"", "elevenchars", "aaaaaaaaaaaaaaaa", "abababababababab",
          "alice-cooper1", "with\ttab in it", "line\nbreak in it"}) {
        EXPECT_FALSE(check_password_rules("alice-cooper", bad)) << bad;
    }
    auto token = make_secret(SecretKind::api_token);
    ASSERT_OK(token);
    EXPECT_FALSE(check_password_rules("a", token->text));
    EXPECT_FALSE(check_password_rules("a", std::string(513, 'x') + "abcd"));
    EXPECT_TRUE(check_password_rules("alice", "correct horse 9"));
    EXPECT_TRUE(check_password_rules("alice", "my name is alice, hello"));
    EXPECT_TRUE(check_password_rules("a", "grüße aus köln"));
    // The message never holds the password.
    EXPECT_EQ(
        check_password_rules("a", "hunter2").error().message.find("hunter2"),
        std::string::npos);
}

TEST(Passwords, ForeignHashes) {
    struct Row {
        const char* hash;
        const char* password;
    };
    // Made with htpasswd -B, openssl passwd -5 and -6, argon2.
    const std::vector<Row> rows = {
        {"$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
         "secret"},
        {"$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.", "secret"},
        {"$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGf"
         "Qv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.",
         "secret"},
    };
    for (const auto& row : rows) {
        EXPECT_TRUE(is_password_hash(row.hash)) << row.hash;
        EXPECT_TRUE(verify_password(row.hash, row.password)) << row.hash;
        EXPECT_FALSE(verify_password(row.hash, "Secret")) << row.hash;
        EXPECT_FALSE(verify_password(row.hash, "")) << row.hash;
        EXPECT_FALSE(
            verify_password(row.hash, std::string_view("secret\0x", 8)))
            << row.hash;
    }
}

// Costs that would be an attack by themselves, and forms that are too weak.
TEST(Passwords, RefusedHashes) {
    for (std::string_view bad :
         {"", "*", "!", "secret", "$1$salt$hash",
          "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "$apr1$salt$hash",
          "$2y$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "$2y$10$short", "$6$rounds=999999999$salt$hash",
          "$5$rounds=1$salt$hash", "$6$rounds=$salt$hash",
          "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
          "$argon2id$v=19$m=19456,t=999,p=1$c2FsdHNhbHQ$aGFzaA",
          "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
          "$y$j9T$salt$hash", "$7$C6..../....SodiumChloride$kBGj9"}) {
        EXPECT_FALSE(is_password_hash(bad)) << bad;
        EXPECT_FALSE(verify_password(std::string(bad), "secret")) << bad;
    }
    EXPECT_TRUE(is_password_hash(no_password_hash()));
    EXPECT_FALSE(verify_password(no_password_hash(), ""));
}

}  // namespace
}  // namespace longshore
