// From a question's headers to a verdict and to tokens, over a database.
#include <chrono>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include "auth/accounts.hpp"
#include "auth/auth.hpp"
#include "auth/password.hpp"
#include "auth/secret.hpp"
#include "common/clock.hpp"
#include "common/encoding.hpp"
#include "common/layout.hpp"
#include "daemon_fixture.hpp"
#include "db/accounts.hpp"
#include "server/dispatch.hpp"

namespace longshore {
namespace {

constexpr std::string_view kPassword = "correct horse 9";

class AuthTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_database();
        accounts_ = std::make_unique<Accounts>(*database_);
        settings_.enabled = true;
        settings_.root = root_;
        start();
    }
    void TearDown() override {
        auth_.reset();
        accounts_.reset();
        RootTest::TearDown();
    }

    void start() {
        auth_.reset();
        auto auth = Auth::open(*database_, settings_,
                               [&](std::span<const std::string> keys) {
                                   dropped_.assign(keys.begin(), keys.end());
                               });
        ASSERT_OK(auth);
        auth_ = std::move(*auth);
    }

    void user(const std::string& name) {
        ASSERT_OK(accounts_->create(PrincipalKind::user, name));
        ASSERT_OK(accounts_->set_password(name, kPassword));
    }

    std::string token(const std::string& name, std::string_view actions,
                      std::vector<std::string> patterns = {}) {
        auto made = accounts_->create_token(
            {name, "", *ActionSet::parse(actions), std::move(patterns), 0});
        EXPECT_TRUE(made);
        return made->text;
    }

    Result<Caller> authenticate(std::string_view authorization) {
        header_ = authorization;
        Question question;
        question.headers = {{"Authorization", header_}};
        return auth_->authorizer().authenticate(question);
    }

    Result<Caller> log_in(std::string_view name, std::string_view password) {
        return auth_->authorizer().authenticate(basic(name, password));
    }

    Question basic(std::string_view name, std::string_view password) {
        // The form's reader takes base64url's other alphabet nowhere here.
        auto text = std::string(name) + ":" + std::string(password);
        static constexpr char kAlphabet[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        header_ = "Basic ";
        std::uint32_t bits = 0;
        unsigned count = 0;
        for (char c : text) {
            bits = bits << 8 | static_cast<unsigned char>(c);
            for (count += 8; count >= 6;) {
                count -= 6;
                header_ += kAlphabet[bits >> count & 63];
            }
        }
        if (count > 0) {
            header_ += kAlphabet[bits << (6 - count) & 63];
        }
        Question question;
        question.headers = {{"Authorization", header_}};
        return question;
    }

    bool may(const Caller& caller, std::string_view name, Action action) {
        return static_cast<bool>(auth_->authorizer().authorize(
            caller, RepositoryName(name), action));
    }

    nlohmann::json ask_token(const std::string& query,
                             const Question& with = {}) {
        auto question = with;
        question.method = "GET";
        target_ = "/-/token?" + query;
        question.target = target_;
        return read(auth_->tokens()->answer(question));
    }

    nlohmann::json post_token(const std::string& form) {
        Question question;
        question.type = QuestionType::received;
        question.method = "POST";
        question.target = "/-/token";
        question.body_kind = BodyKind::memory;
        question.body = form;
        return read(auth_->tokens()->answer(question));
    }

    nlohmann::json read(const Reply& reply) {
        status_ = reply.status;
        auto body = nlohmann::json::parse(
            std::get<InlineBody>(reply.body).bytes, nullptr, false);
        EXPECT_FALSE(body.is_discarded());
        return body;
    }

    std::unique_ptr<Accounts> accounts_;
    std::unique_ptr<Auth> auth_;
    AuthSettings settings_;
    std::vector<std::string> dropped_;
    std::string header_;
    std::string target_;
    int status_ = 0;
};

template <typename T>
Code code_of(const Result<T>& result) {
    return result ? Code::internal : result.error().code;
}

TEST_F(AuthTest, OffAllowsEverything) {
    Authorizer off;
    auto caller = off.authenticate(basic("nobody", "wrong"));
    ASSERT_OK(caller);
    EXPECT_TRUE(off.authorize(*caller, RepositoryName("a"), Action::admin));
    EXPECT_TRUE(off.authorize_registry(*caller, Action::pull, "x"));
    EXPECT_TRUE(off.may_list(*caller, "a"));
}

TEST_F(AuthTest, PasswordsAndWhatTheyAreGood) {
    user("alice");
    ASSERT_OK(accounts_->grant("alice", "a/**", *ActionSet::parse("push")));
    auto caller = log_in("alice", kPassword);
    ASSERT_OK(caller);
    EXPECT_TRUE(may(*caller, "a/b", Action::push));
    EXPECT_FALSE(may(*caller, "a/b", Action::pull));
    EXPECT_FALSE(may(*caller, "b", Action::push));
    EXPECT_EQ(code_of(log_in("alice", "wrong")), Code::unauthenticated);
    EXPECT_EQ(code_of(log_in("bob", kPassword)), Code::unauthenticated);
    EXPECT_EQ(log_in("alice", "wrong").error().message,
              log_in("bob", "wrong").error().message);
    ASSERT_OK(accounts_->create(PrincipalKind::group, "team"));
    for (std::string_view name :
         {"team", "anonymous", "authenticated", "x:y", "%", "a' OR 1=1 --"}) {
        EXPECT_EQ(code_of(log_in(name, "")), Code::unauthenticated) << name;
        EXPECT_EQ(code_of(log_in(name, kPassword)), Code::unauthenticated);
    }
}

TEST_F(AuthTest, ARememberedPasswordDiesWithItsHash) {
    user("alice");
    ASSERT_OK(log_in("alice", kPassword));
    ASSERT_OK(log_in("alice", kPassword));
    ASSERT_OK(accounts_->set_password("alice", "another password"));
    EXPECT_FALSE(log_in("alice", kPassword));
    ASSERT_OK(log_in("alice", "another password"));
    ASSERT_OK(accounts_->set_disabled("alice", true));
    EXPECT_FALSE(log_in("alice", "another password"));
}

TEST_F(AuthTest, WrongPasswordsLockTheName) {
    user("alice");
    for (std::string_view name : {"alice", "no-such-user"}) {
        for (int i = 0; i < kFreeFailures; ++i) {
            EXPECT_EQ(code_of(log_in(name, "wrong")), Code::unauthenticated);
        }
        auto locked = log_in(name, kPassword);
        EXPECT_EQ(code_of(locked), Code::rate_limited) << name;
        EXPECT_EQ(locked.error().detail, "1");
    }
    // A token of the same principal goes on.
    EXPECT_TRUE(authenticate(token("alice", "pull")));
    ASSERT_OK(accounts_->unlock("alice"));
    EXPECT_TRUE(log_in("alice", kPassword));
    EXPECT_EQ(lock_ms(4), 0);
    EXPECT_EQ(lock_ms(5), 1000);
    EXPECT_EQ(lock_ms(8), 8000);
    EXPECT_EQ(lock_ms(1'000'000), kLongestLockMs);
}

// One that was set when the clock was wrong must not outlive the mistake.
TEST_F(AuthTest, ALockOfTheFutureIsNone) {
    user("alice");
    for (auto [ahead_ms, code] :
         {std::pair(kLongestLockMs, Code::rate_limited),
          std::pair(std::int64_t{86'400'000}, Code::unauthenticated)}) {
        ASSERT_OK(database_->write([&, ahead = ahead_ms](Transaction& t) {
            auto now = unix_ms();
            return db::put_failures(t, {"alice", 20, now + ahead, now + ahead});
        }));
        EXPECT_EQ(code_of(log_in("alice", "wrong")), code);
    }
}

TEST_F(AuthTest, AFloodOfLoginsIsTurnedAway) {
    PasswordGate gate(1, 1);
    auto hash = *hash_password(kPassword);
    std::vector<std::thread> threads;
    std::atomic<int> right{0};
    std::atomic<int> busy{0};
    for (int i = 0; i < 12; ++i) {
        threads.emplace_back([&, i] {
            auto name = "user" + std::to_string(i);
            auto result = gate.verify(name, kPassword, hash, 1);
            (result ? right : busy)++;
            if (!result) {
                EXPECT_EQ(result.error().code, Code::rate_limited);
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_GE(right, 1);
    EXPECT_EQ(right + busy, 12);
    EXPECT_EQ(gate.remembered(), static_cast<std::size_t>(right));
    EXPECT_TRUE(*gate.verify("late", kPassword, hash, 1));
    EXPECT_FALSE(*gate.verify("late", kPassword, "", 1));
    EXPECT_FALSE(*gate.verify("late", "other", hash, 1));
}

TEST_F(AuthTest, ApiTokens) {
    user("alice");
    ASSERT_OK(accounts_->grant("alice", "a/**", ActionSet::all()));
    ASSERT_OK(accounts_->set_visibility("pub", true));
    auto text = token("alice", "pull", {"a/x"});
    auto caller = authenticate("Bearer " + text);
    ASSERT_OK(caller);
    EXPECT_EQ(caller->name, "alice");
    EXPECT_TRUE(may(*caller, "a/x", Action::pull));
    EXPECT_FALSE(may(*caller, "a/x", Action::push));
    EXPECT_FALSE(may(*caller, "a/y", Action::pull));
    EXPECT_TRUE(may(*caller, "pub", Action::pull));
    EXPECT_FALSE(auth_->authorizer().may_list(*caller, "a/y"));
    auto other = make_secret(SecretKind::api_token);
    EXPECT_EQ(code_of(authenticate(other->text)), Code::unauthenticated);
    ASSERT_OK(accounts_->revoke_token(text));
    EXPECT_EQ(code_of(authenticate("Bearer " + text)), Code::unauthenticated);
    auto second = token("alice", "pull");
    ASSERT_OK(accounts_->set_disabled("alice", true));
    EXPECT_EQ(code_of(authenticate(second)), Code::unauthenticated);
}

TEST_F(AuthTest, UseOfATokenIsWrittenDown) {
    user("alice");
    auto text = token("alice", "pull");
    ASSERT_OK(authenticate(text));
    std::vector<std::string> notes;
    ASSERT_OK(auth_->step(unix_ms(), notes));
    EXPECT_GT((*accounts_->list_tokens("alice"))[0].used_at_ms, 0);
}

TEST_F(AuthTest, Certificates) {
    user("alice");
    std::string print(64, 'a');
    Question question;
    question.client_cert = print;
    auto caller = auth_->authorizer().authenticate(question);
    ASSERT_OK(caller);
    EXPECT_EQ(caller->id, kAnonymous);
    ASSERT_OK(accounts_->add_certificate("alice", print));
    caller = auth_->authorizer().authenticate(question);
    ASSERT_OK(caller);
    EXPECT_EQ(caller->name, "alice");
    ASSERT_OK(accounts_->set_disabled("alice", true));
    EXPECT_EQ(code_of(auth_->authorizer().authenticate(question)),
              Code::unauthenticated);
}

TEST_F(AuthTest, ChangesAreToldByTheirKeys) {
    user("alice");
    std::vector<std::string> notes;
    ASSERT_OK(auth_->step(unix_ms(), notes));
    dropped_.clear();
    ASSERT_OK(auth_->step(unix_ms(), notes));
    EXPECT_TRUE(dropped_.empty());
    ASSERT_OK(accounts_->set_disabled("alice", true));
    ASSERT_OK(auth_->step(unix_ms(), notes));
    auto id = accounts_->list(PrincipalKind::user)->at(0).id;
    EXPECT_EQ(dropped_, std::vector{key::principal(id)});
    ASSERT_OK(accounts_->set_visibility("x", true));
    ASSERT_OK(accounts_->set_disabled("alice", false));
    ASSERT_OK(auth_->step(unix_ms(), notes));
    EXPECT_EQ(dropped_, std::vector<std::string>{"p"});
}

TEST_F(AuthTest, TokenServiceGrantsWhatIsAskedAndAllowed) {
    user("alice");
    ASSERT_OK(accounts_->grant("alice", "a/**", *ActionSet::parse("pull")));
    ASSERT_OK(accounts_->set_visibility("pub", true));
    auto body = ask_token(
        "service=registry&scope=repository:a/x:pull,push"
        "&scope=repository:b:pull&scope=registry:catalog:*"
        "&scope=repository:A:pull&scope=repository:a/x:pull"
        "&scope=registry:secrets:*&scope=registry:*:*&scope=admin:catalog:*",
        basic("alice", kPassword));
    EXPECT_EQ(status_, 200);
    EXPECT_EQ(body["scope"], "repository:a/x:pull registry:catalog:*");
    EXPECT_EQ(body["expires_in"], 300);
    EXPECT_EQ(body["token"], body["access_token"]);
    EXPECT_FALSE(body.contains("refresh_token"));
    auto caller = authenticate("Bearer " + body["token"].get<std::string>());
    ASSERT_OK(caller);
    EXPECT_EQ(caller->name, "alice");
    EXPECT_TRUE(may(*caller, "a/x", Action::pull));
    auto narrow = auth_->authorizer().authorize(*caller, RepositoryName("a/y"),
                                                Action::pull);
    EXPECT_EQ(code_of(narrow), Code::unauthenticated);
    auto final = auth_->authorizer().authorize(*caller, RepositoryName("a/x"),
                                               Action::push);
    EXPECT_EQ(code_of(final), Code::denied);
    EXPECT_TRUE(auth_->authorizer().authorize_registry(*caller, Action::pull,
                                                       "registry:catalog:*"));
    EXPECT_TRUE(
        auth_->authorizer().authorize_registry(*caller, Action::pull, ""));
    // Anonymous gets what anonymous may.
    body =
        ask_token("scope=repository:pub:pull,push&scope=repository:a/x:pull");
    EXPECT_EQ(status_, 200);
    EXPECT_EQ(body["scope"], "repository:pub:pull");
    caller = authenticate("Bearer " + body["token"].get<std::string>());
    ASSERT_OK(caller);
    EXPECT_EQ(caller->id, kAnonymous);
    EXPECT_TRUE(
        auth_->authorizer().authorize_registry(*caller, Action::pull, ""));
    EXPECT_EQ(code_of(auth_->authorizer().authorize_registry(
                  *caller, Action::pull, "registry:catalog:*")),
              Code::unauthenticated);
}

TEST_F(AuthTest, TokenServiceRefuses) {
    user("alice");
    ask_token("service=registry", basic("alice", "wrong"));
    EXPECT_EQ(status_, 401);
    ask_token("service=other");
    EXPECT_EQ(status_, 400);
    for (const auto& form :
         {std::string(), std::string("grant_type=implicit"),
          std::string("username=alice&password=correct+horse+9")}) {
        auto body = post_token(form);
        EXPECT_EQ(status_, 400) << form;
        EXPECT_EQ(body["error"], "invalid_request");
    }
    auto body = post_token("grant_type=password&username=alice&password=x");
    EXPECT_EQ(status_, 401);
    EXPECT_EQ(body["error"], "invalid_grant");
    post_token("grant_type=refresh_token&refresh_token=x");
    EXPECT_EQ(status_, 401);
    post_token("grant_type=password&username=&password=");
    EXPECT_EQ(status_, 401);
    // An access token makes no other one, in no form.
    body = ask_token("scope=repository:x:pull", basic("alice", kPassword));
    auto text = body["token"].get<std::string>();
    header_ = "Bearer " + text;
    Question question;
    question.headers = {{"Authorization", header_}};
    ask_token("", question);
    EXPECT_EQ(status_, 401);
    ask_token("", basic("any", text));
    EXPECT_EQ(status_, 401);
    post_token("grant_type=password&username=any&password=" + text);
    EXPECT_EQ(status_, 401);
    post_token("grant_type=refresh_token&refresh_token=" + text);
    EXPECT_EQ(status_, 401);
}

TEST_F(AuthTest, RefreshTokens) {
    user("alice");
    ASSERT_OK(accounts_->grant("alice", "a", *ActionSet::parse("pull")));
    auto body = post_token(
        "grant_type=password&username=alice&password="
        "correct+horse+9&service=registry&client_id=docker"
        "&access_type=offline&scope=repository:a:pull");
    ASSERT_EQ(status_, 200);
    auto refresh = body["refresh_token"].get<std::string>();
    auto use =
        "grant_type=refresh_token&scope=repository:a:pull,push"
        "&refresh_token=" +
        refresh;
    body = post_token(use);
    EXPECT_EQ(status_, 200);
    EXPECT_EQ(body["scope"], "repository:a:pull");
    EXPECT_EQ(body["refresh_token"], refresh);
    // For nothing else.
    EXPECT_FALSE(authenticate("Bearer " + refresh));
    EXPECT_FALSE(log_in("alice", refresh));
    auto access = body["token"].get<std::string>();
    EXPECT_TRUE(authenticate(access));
    ASSERT_OK(accounts_->set_password("alice", "another password"));
    post_token(use);
    EXPECT_EQ(status_, 401);
    EXPECT_FALSE(authenticate(access));
}

TEST_F(AuthTest, WhatAnApiTokenGaveEndsWithIt) {
    user("alice");
    ASSERT_OK(accounts_->grant("alice", "**", ActionSet::all()));
    auto text = token("alice", "pull", {"a/**"});
    auto body = ask_token(
        "offline_token=true&scope=repository:a/x:pull,push"
        "&scope=repository:b:pull",
        basic("any", text));
    EXPECT_EQ(body["scope"], "repository:a/x:pull");
    auto access = body["token"].get<std::string>();
    auto refresh = body["refresh_token"].get<std::string>();
    ASSERT_OK(authenticate(access));
    body = post_token(
        "grant_type=refresh_token&scope=repository:b:pull"
        "&refresh_token=" +
        refresh);
    EXPECT_EQ(status_, 200);
    EXPECT_EQ(body["scope"], "");
    ASSERT_OK(accounts_->revoke_token(text));
    EXPECT_FALSE(authenticate(access));
    post_token("grant_type=refresh_token&refresh_token=" + refresh);
    EXPECT_EQ(status_, 401);
}

TEST_F(AuthTest, TooManyScopesGiveTheFirst) {
    ASSERT_OK(accounts_->set_visibility("**", true));
    std::string query;
    for (int i = 0; i < 64; ++i) {
        query += "scope=repository:" + std::string(200, 'a') +
                 std::to_string(i) + ":pull&";
    }
    auto body = ask_token(query);
    EXPECT_EQ(status_, 200);
    EXPECT_LE(body["token"].get<std::string>().size(), kMaxTokenBytes);
    ask_token(query + "scope=repository:x:pull");
    EXPECT_EQ(status_, 413);
}

TEST_F(AuthTest, Htpasswd) {
    auto file = root_ + "/htpasswd";
    user("local");
    spit(file,
         "# people\nbob:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/"
         "oeuTqixKmWdcYUh4Hjl0a\nbad:{SHA}x\nlocal:$2y$05$abcdefghijklm"
         "nopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n\n:x\nnocolon\r\n");
    settings_.htpasswd = file;
    start();
    auto caller = log_in("bob", "secret");
    ASSERT_OK(caller);
    EXPECT_FALSE(log_in("bob", "Secret"));
    EXPECT_FALSE(log_in("bad", "x"));
    EXPECT_FALSE(log_in("local", "secret"));
    EXPECT_TRUE(log_in("local", kPassword));
    EXPECT_EQ(code_of(accounts_->set_password("bob", kPassword)),
              Code::invalid_argument);
    auto body = ask_token("offline_token=true", basic("bob", "secret"));
    auto access = body["token"].get<std::string>();
    ASSERT_OK(authenticate(access));
    auto look = [&] {
        std::vector<std::string> notes;
        static std::int64_t later = unix_ms();
        ASSERT_OK(auth_->step(later += 60'000, notes));
    };
    // Somebody writes it in place and is seen in the middle of it.
    auto whole = slurp(file);
    spit(file, "");
    look();
    EXPECT_TRUE(log_in("bob", "secret"));
    spit(file, whole);
    look();
    look();
    EXPECT_TRUE(authenticate(access));
    spit(file, "");
    look();
    look();
    EXPECT_FALSE(log_in("bob", "secret"));
    EXPECT_FALSE(authenticate(access));
    spit(file,
         "bob:$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms."
         "fwqE5y16JVM.\n");
    look();
    look();
    EXPECT_TRUE(log_in("bob", "secret"));
    EXPECT_FALSE(authenticate(access));
    // A file that is away for a moment changes nothing.
    std::filesystem::remove(file);
    look();
    EXPECT_TRUE(log_in("bob", "secret"));
    settings_.htpasswd = "";
    start();
    EXPECT_FALSE(log_in("bob", "secret"));
    settings_.htpasswd = root_ + "/nowhere";
    EXPECT_FALSE(Auth::open(*database_, settings_, {}));
}

// Reads token.pub as nginx does.
std::vector<std::string> published(const std::string& root) {
    std::istringstream lines(slurp(root + "/keys/token.pub"));
    std::vector<std::string> ids;
    std::string line;
    while (std::getline(lines, line)) {
        auto space = line.find(' ');
        EXPECT_EQ(line.size() - space - 1, 43U);
        ids.push_back(line.substr(0, space));
    }
    return ids;
}

TEST_F(AuthTest, KeysChangeWithoutABreak) {
    KeyRingSettings settings{root_ + "/ring", "registry", 1000};
    std::filesystem::create_directory(settings.root);
    constexpr std::int64_t kStart = 1'000'000'000'000;
    auto opened = KeyRing::open(settings, kStart);
    ASSERT_OK(opened);
    auto& ring = **opened;
    EXPECT_EQ(published(settings.root), ring.ids());
    struct stat info {};
    for (const auto* path : {"/keys/token", "/keys/token.pub", "/keys"}) {
        ASSERT_EQ(::stat((settings.root + path).c_str(), &info), 0);
        EXPECT_EQ((info.st_mode & 0077) == 0,
                  std::string_view(path) == "/keys/token");
    }
    auto key_file = settings.root + "/keys/token/" + ring.ids()[0] + ".key";
    ASSERT_EQ(::stat(key_file.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);
    // Tokens of every moment are good for all of their time, over many keys.
    std::vector<std::pair<std::int64_t, std::string>> tokens;
    std::set<std::string> ids;
    for (std::int64_t s = 0; s < 4000; s += 7) {
        auto now = kStart + s * 1000;
        ASSERT_OK(ring.rotate(now));
        auto known = published(settings.root);
        EXPECT_EQ(known, ring.ids());
        ids.insert(known.begin(), known.end());
        TokenClaims claims;
        claims.id = "a.0.x";
        auto signed_one = ring.sign(claims, now, kAccessTokenSeconds);
        ASSERT_OK(signed_one);
        tokens.emplace_back(now, *signed_one);
        std::erase_if(tokens, [&](const auto& token) {
            return token.first + kAccessTokenSeconds * 1000 <= now;
        });
        for (const auto& [at, text] : {tokens.front(), tokens.back()}) {
            std::array<char, kMaxTokenPayload> scratch{};
            TokenView view;
            ASSERT_EQ(ring.verify(text, now, scratch, view), TokenVerdict::good)
                << s;
        }
    }
    EXPECT_GE(ids.size(), 4U);
    EXPECT_LE(ring.ids().size(), 2U);
    auto again = KeyRing::open(settings, kStart + 4'000'000);
    ASSERT_OK(again);
    EXPECT_EQ((*again)->ids(), ring.ids());
    spit(key_file, "garbage");
    EXPECT_EQ(code_of(KeyRing::open(settings, kStart)), Code::corrupt);
}

// A ring whose clock is told what to say.
struct SetClock {
    ClockMark mark = {"boot", 1'000'000};
    KeyRingSettings settings;
    std::unique_ptr<KeyRing> ring;
    std::int64_t now_ms = 1'000'000'000'000;
    std::string token;

    explicit SetClock(const std::string& root) {
        settings.root = root;
        settings.service = "registry";
        settings.clock = [this] { return mark; };
        std::filesystem::create_directory(root);
        open();
    }
    void open() {
        auto opened = KeyRing::open(settings, now_ms);
        ASSERT_OK(opened);
        ring = std::move(*opened);
    }
    void sign() {
        TokenClaims claims;
        claims.id = "a.0.x";
        auto made = ring->sign(claims, now_ms, kAccessTokenSeconds);
        ASSERT_OK(made);
        token = *made;
    }
    // At the time that the token says, whatever the clock did meanwhile.
    TokenVerdict verdict() const {
        std::array<char, kMaxTokenPayload> scratch{};
        TokenView view;
        return ring->verify(token, now_ms, scratch, view);
    }
    bool look() const {
        auto over = ring->look_at_clock(now_ms);
        return over && *over;
    }
};

TEST_F(AuthTest, WhenTheClockIsSetBackKeysGo) {
    SetClock clock(root_ + "/set");
    clock.sign();
    auto first = clock.ring->ids();
    EXPECT_EQ(clock.verdict(), TokenVerdict::good);
    // Noise, the clock set forward, and back by less than what is noise.
    for (auto began : {1'000'900, 999'100, 5'000'000, 4'999'100}) {
        clock.mark.began_ms = began;
        EXPECT_FALSE(clock.look()) << began;
    }
    EXPECT_EQ(clock.ring->ids(), first);
    // A little and again a little is a lot.
    clock.mark.began_ms = 4'998'900;
    EXPECT_TRUE(clock.look());
    EXPECT_FALSE(clock.look());
    EXPECT_EQ(clock.verdict(), TokenVerdict::unknown_key);
    ASSERT_EQ(clock.ring->ids().size(), 1U);
    EXPECT_NE(clock.ring->ids(), first);
    EXPECT_EQ(published(clock.settings.root), clock.ring->ids());
    EXPECT_FALSE(std::filesystem::exists(clock.settings.root + "/keys/token/" +
                                         first[0] + ".key"));
    clock.sign();
    EXPECT_EQ(clock.verdict(), TokenVerdict::good);
}

TEST_F(AuthTest, ARestartSeesThatTheClockWasSetBack) {
    SetClock clock(root_ + "/set");
    clock.sign();
    clock.open();
    EXPECT_EQ(clock.verdict(), TokenVerdict::good) << "the same clock";
    clock.mark.began_ms += 7'200'000;
    clock.open();
    EXPECT_EQ(clock.verdict(), TokenVerdict::good) << "forward";
    clock.mark.began_ms -= 3'600'000;
    clock.open();
    EXPECT_EQ(clock.verdict(), TokenVerdict::unknown_key) << "back";
    clock.sign();
    clock.mark.boot = "another";
    clock.mark.began_ms += 60'000;
    clock.open();
    EXPECT_EQ(clock.verdict(), TokenVerdict::unknown_key)
        << "another start of the machine";
    auto file = clock.settings.root + "/keys/token/clock";
    for (const auto* text : {"", "boot", "another x\n", "another -1\n"}) {
        clock.sign();
        EXPECT_EQ(clock.verdict(), TokenVerdict::good);
        spit(file, text);
        clock.open();
        EXPECT_EQ(clock.verdict(), TokenVerdict::unknown_key) << text;
    }
    EXPECT_EQ(slurp(file), write_mark(clock.mark));
}

TEST_F(AuthTest, TheClockOfThisMachineStandsStill) {
    auto first = read_clock();
    EXPECT_FALSE(first.boot.empty());
    for (int i = 0; i < 1000; ++i) {
        EXPECT_FALSE(was_set(first, read_clock()));
    }
    auto read = parse_mark(write_mark(first));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->boot, first.boot);
    EXPECT_EQ(read->began_ms, first.began_ms);
}

class NoAction final : public Format {
public:
    explicit NoAction(Route route) : routes_{route} {}
    const FormatInfo& info() const override {
        static const FormatInfo kInfo{"x", "", "/x", "", {}};
        return kInfo;
    }
    std::span<const Route> routes() const override { return routes_; }
    Match match(Method, std::string_view, std::span<char>) const override {
        return {};
    }
    Reply render(const Error&) const override { return {}; }

private:
    std::array<Route, 1> routes_;
};

TEST(Routes, WithoutAnActionNothingStarts) {
    auto handler = [](Context&, const Request&) -> Result<Reply> {
        return Reply{};
    };
    NoAction good({Method::get, "/x", Action::pull, false, handler});
    NoAction bad({Method::get, "/x", Action::none, false, handler});
    NoAction empty({});
    EXPECT_TRUE(check_routes(all_formats()));
    std::vector<const Format*> formats = {&good};
    EXPECT_TRUE(check_routes(formats));
    for (const auto* one : {&bad, &empty}) {
        formats = {&good, one};
        EXPECT_FALSE(check_routes(formats));
    }
}

}  // namespace
}  // namespace longshore
