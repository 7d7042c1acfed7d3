// Signing keys: sealed at rest, made once, rotated, removed; and what others
// signed. Other programs verify what is made here: tests/formats.
#include <set>
#include <thread>

#include <sys/stat.h>

#include "common/clock.hpp"
#include "common/encoding.hpp"
#include "daemon_fixture.hpp"
#include "db/audit.hpp"
#include "db/signing_keys.hpp"
#include "registry/openpgp.hpp"
#include "registry/openpgp_packet.hpp"
#include "registry/raw_key.hpp"
#include "registry/sealed.hpp"
#include "registry/signer.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kRepository = 7;
constexpr std::int64_t kDay = 86'400;

SecretBytes bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

class SealedTest : public RootTest {};

TEST_F(SealedTest, WhatWasSealedComesBack) {
    auto key = SealingKey::make(root_);
    ASSERT_OK(key);
    for (const std::string text : {"", "x", "a secret of some length"}) {
        auto sealed = key->seal(bytes_of(text), "row 1");
        ASSERT_OK(sealed);
        EXPECT_TRUE(text.size() < 2 || sealed->find(text) == std::string::npos);
        auto read = SealingKey::read(root_);
        ASSERT_OK(read);
        auto again = read->unseal(*sealed, "row 1");
        ASSERT_OK(again);
        EXPECT_EQ(view_of(*again), text);
    }
}

TEST_F(SealedTest, TheSameIsNeverSealedAlike) {
    auto key = SealingKey::make(root_);
    ASSERT_OK(key);
    std::set<std::string> seen;
    for (int i = 0; i < 20; ++i) {
        auto sealed = key->seal(bytes_of("text"), "");
        ASSERT_OK(sealed);
        EXPECT_TRUE(seen.insert(*sealed).second);
    }
}

TEST_F(SealedTest, EveryChangedByteIsSeen) {
    auto key = SealingKey::make(root_);
    ASSERT_OK(key);
    auto sealed = key->seal(bytes_of("a secret key"), "row 1");
    ASSERT_OK(sealed);
    for (std::size_t i = 0; i < sealed->size(); ++i) {
        for (char other : {'A', 'b', '.', '\0'}) {
            auto changed = *sealed;
            if (changed[i] == other) {
                continue;
            }
            changed[i] = other;
            auto read = key->unseal(changed, "row 1");
            ASSERT_FALSE(read) << i;
            EXPECT_TRUE(read.error().code == Code::corrupt ||
                        read.error().code == Code::unavailable);
        }
        EXPECT_FALSE(key->unseal(sealed->substr(0, i), "row 1")) << i;
    }
    EXPECT_EQ(key->unseal(*sealed, "row 2").error().code, Code::corrupt);
    EXPECT_EQ(key->unseal(*sealed + "A", "row 1").error().code, Code::corrupt);
}

TEST_F(SealedTest, TheFileIsTheOwnersAndIsMadeOnce) {
    auto made = SealingKey::make(root_);
    ASSERT_OK(made);
    struct stat info {};
    ASSERT_EQ(::stat(SealingKey::path(root_).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
    auto again = SealingKey::make(root_);
    ASSERT_OK(again);
    EXPECT_EQ(again->id(), made->id());
}

TEST_F(SealedTest, AFileThatIsNoneSaysSo) {
    EXPECT_EQ(SealingKey::read(root_).error().code, Code::unavailable);
    ASSERT_OK(SealingKey::make(root_));
    auto text = slurp(SealingKey::path(root_));
    for (const auto& wrong :
         {std::string(), text.substr(1), text + "\n", std::string(57, 'x')}) {
        spit(SealingKey::path(root_), wrong);
        auto read = SealingKey::read(root_);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, Code::corrupt);
        EXPECT_EQ(read.error().message.find(text.substr(13, 20)),
                  std::string::npos);
    }
}

class SignerTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_database();
        ASSERT_OK(database_->write([](Transaction& t) -> Result<void> {
            return db::write_signing_keys(
                t, {{{kRepository, "debian", "deb", "local"},
                     {8, "other", "deb", "local"}},
                    {}});
        }));
        start();
    }

    // As another process would see it.
    void start() { signer_ = std::make_unique<Signer>(*database_, root_); }

    SigningKeyInfo create(SigningKind kind = SigningKind::openpgp) {
        auto made = signer_->create(kRepository, kind, "ed25519", actor_);
        EXPECT_TRUE(made) << (made ? "" : made.error().message);
        return made ? *made : SigningKeyInfo();
    }
    SigningKeyInfo rotate(std::int64_t overlap_s) {
        auto made = signer_->rotate(kRepository, SigningKind::openpgp,
                                    "ed25519", overlap_s, actor_);
        EXPECT_TRUE(made) << (made ? "" : made.error().message);
        return made ? *made : SigningKeyInfo();
    }
    std::vector<std::string> signers(const std::string& message) {
        auto keys = signer_->public_keys_armored(kRepository);
        auto read = verify_clear_signed(message, keys ? *keys : "");
        std::vector<std::string> names;
        for (const auto& each :
             read ? read->signatures : std::vector<OpenPgpSignature>()) {
            names.push_back(each.fingerprint);
        }
        return names;
    }
    std::vector<std::string> actions() {
        std::vector<std::string> found;
        EXPECT_TRUE(database_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(page, db::list_audit(t, {}, 100, 100));
            for (const auto& row : page.rows) {
                found.push_back(row.entry.action);
            }
            return {};
        }));
        return found;
    }
    Code failure(const Result<std::string>& result) {
        EXPECT_FALSE(result);
        return result ? Code::internal : result.error().code;
    }

    Actor actor_;
    std::unique_ptr<Signer> signer_;
};

TEST_F(SignerTest, TheFirstUseMakesAKeyThatStays) {
    auto first = signer_->clear_sign(kRepository, "Suite: stable\n");
    ASSERT_OK(first);
    auto made = signer_->list(kRepository);
    ASSERT_OK(made);
    ASSERT_EQ(made->size(), 1U);
    EXPECT_EQ(made->front().algorithm, "rsa3072");
    start();
    EXPECT_EQ(signers(*first),
              std::vector<std::string>{made->front().fingerprint});
    ASSERT_OK(signer_->detach_sign_binary(kRepository, "x"));
    EXPECT_EQ(signer_->list(kRepository)->size(), 1U);
    EXPECT_EQ(actions(), std::vector<std::string>{"signing-key.create"});
}

TEST_F(SignerTest, ManyThreadsMakeOneKey) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            auto made =
                signer_->sign_ed25519(kRepository, std::to_string(i % 2));
            EXPECT_TRUE(made) << (made ? "" : made.error().message);
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(signer_->list(kRepository)->size(), 1U);
}

TEST_F(SignerTest, RepositoriesHaveTheirOwnKeys) {
    create();
    auto message = signer_->clear_sign(kRepository, "text");
    ASSERT_OK(message);
    ASSERT_OK(signer_->create(8, SigningKind::openpgp, "ed25519", actor_));
    auto others = signer_->public_keys_armored(8);
    ASSERT_OK(others);
    EXPECT_EQ(verify_clear_signed(*message, *others).error().code,
              Code::denied);
    EXPECT_EQ(failure(signer_->clear_sign(99, "text")), Code::not_found);
}

TEST_F(SignerTest, ARotationSignsWithBothUntilTheOverlapEnds) {
    auto old = create();
    auto before = signer_->clear_sign(kRepository, "text");
    ASSERT_OK(before);
    auto fresh = rotate(30 * kDay);
    auto during = signer_->clear_sign(kRepository, "text");
    ASSERT_OK(during);
    EXPECT_EQ(signers(*before), std::vector<std::string>{old.fingerprint});
    EXPECT_EQ(signers(*during),
              (std::vector<std::string>{fresh.fingerprint, old.fingerprint}));
    // A client that has only the old key, and one that has only the new one.
    for (const auto& key : {old, fresh}) {
        auto seen = verify_clear_signed(*during, key.public_key);
        ASSERT_OK(seen);
        EXPECT_EQ(seen->signatures.size(), 1U);
    }
    auto one = signer_->detach_sign_armored(kRepository, "text");
    ASSERT_OK(one);
    EXPECT_FALSE(verify_detached("text", *one, old.public_key));
    auto both =
        signer_->detach_sign_armored(kRepository, "text", SignedBy::all);
    ASSERT_OK(both);
    ASSERT_OK(verify_detached("text", *both, old.public_key));

    ASSERT_OK(signer_->sweep(unix_ms() + 29 * kDay * 1000));
    EXPECT_EQ(signers(*signer_->clear_sign(kRepository, "text")).size(), 2U);
    ASSERT_OK(signer_->sweep(unix_ms() + 31 * kDay * 1000));
    EXPECT_EQ(signers(*signer_->clear_sign(kRepository, "text")),
              std::vector<std::string>{fresh.fingerprint});
    auto all = signer_->list(kRepository);
    ASSERT_OK(all);
    ASSERT_EQ(all->size(), 2U);
    EXPECT_EQ(all->back().state, "retired");
    ASSERT_OK(database_->read([&](Transaction& t) -> Result<void> {
        LS_TRY(rows, db::list_signing_keys(t, kRepository));
        EXPECT_EQ(rows.back().sealed, "");
        return {};
    }));
    EXPECT_EQ(actions(), (std::vector<std::string>{"signing-key.create",
                                                   "signing-key.rotate",
                                                   "signing-key.retire"}));
}

TEST_F(SignerTest, WhatAnotherProcessChangesIsSeenAtOnce) {
    auto old = create();
    ASSERT_OK(signer_->clear_sign(kRepository, "text"));
    Signer other(*database_, root_);
    auto fresh =
        other.rotate(kRepository, SigningKind::openpgp, "ed25519", 0, actor_);
    ASSERT_OK(fresh);
    EXPECT_EQ(signers(*signer_->clear_sign(kRepository, "text")),
              std::vector<std::string>{fresh->fingerprint});
    ASSERT_OK(other.remove(kRepository, fresh->fingerprint, actor_));
    // The next use makes one, as the first did.
    auto message = signer_->clear_sign(kRepository, "text");
    ASSERT_OK(message);
    EXPECT_NE(signers(*message).front(), fresh->fingerprint);
    EXPECT_NE(signers(*message).front(), old.fingerprint);
}

TEST_F(SignerTest, ThereIsOneActiveKeyOfAKind) {
    create();
    auto again = signer_->create(kRepository, SigningKind::openpgp, "", actor_);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::already_exists);
    create(SigningKind::ed25519);
    EXPECT_EQ(signer_->list(kRepository)->size(), 2U);
    EXPECT_EQ(signer_->create(8, SigningKind::ed25519, "rsa3072", actor_)
                  .error()
                  .code,
              Code::invalid_argument);
}

TEST_F(SignerTest, WithoutItsFileNothingIsMadeAnew) {
    create();
    auto file = SealingKey::path(root_);
    auto text = slurp(file);
    std::filesystem::remove(file);
    start();
    auto signed_text = signer_->clear_sign(kRepository, "text");
    EXPECT_EQ(failure(signed_text), Code::unavailable);
    EXPECT_NE(signed_text.error().message.find("backup"), std::string::npos);
    EXPECT_EQ(
        signer_->rotate(8, SigningKind::ed25519, "", 0, actor_).error().code,
        Code::unavailable);
    EXPECT_FALSE(std::filesystem::exists(file));
    // Public keys are still there, and the file may come back.
    ASSERT_OK(signer_->public_keys_armored(kRepository));
    spit(file, text);
    ASSERT_OK(signer_->clear_sign(kRepository, "text"));
}

TEST_F(SignerTest, AnotherFileIsToldFromAChangedRow) {
    auto key = create();
    auto file = SealingKey::path(root_);
    std::filesystem::remove(file);
    ASSERT_OK(SealingKey::make(root_));
    start();
    EXPECT_EQ(failure(signer_->clear_sign(kRepository, "text")),
              Code::unavailable);
    // The way out: remove, and have a new one.
    ASSERT_OK(signer_->remove(kRepository, key.fingerprint, actor_));
    ASSERT_OK(signer_->sign_ed25519(kRepository, "text"));
}

TEST_F(SignerTest, ASealedKeyIsGoodInItsOwnRowOnly) {
    create();
    ASSERT_OK(signer_->create(8, SigningKind::openpgp, "ed25519", actor_));
    ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
        static constexpr Sql kMove =
            "UPDATE signing_keys SET (sealed, fingerprint) = (SELECT sealed,"
            " fingerprint FROM signing_keys WHERE repository_id = 8)"
            " WHERE repository_id = 7";
        LS_TRY(changed, t.execute(kMove, {}));
        EXPECT_EQ(changed, 1);
        return {};
    }));
    EXPECT_EQ(failure(signer_->clear_sign(kRepository, "text")), Code::corrupt);
}

// The canary: neither the file's key nor any secret part is in the database,
// a message or the audit log.
TEST_F(SignerTest, TheDatabaseHasNoSecret) {
    auto made = make_openpgp_key("ed25519", "canary");
    ASSERT_OK(made);
    std::string_view whole;
    ASSERT_OK(OpenPgpPart::load(view_of(made->secret), whole));
    ASSERT_OK(signer_->import_openpgp(kRepository, whole, {}, 0, actor_));
    auto file = slurp(SealingKey::path(root_));
    signer_.reset();
    close();
    std::string dump;
    for (const auto& entry :
         std::filesystem::directory_iterator(root_ + "/db")) {
        dump += slurp(entry.path().string());
    }
    ASSERT_NE(dump.find(made->fingerprint), std::string::npos);
    EXPECT_EQ(dump.find(file.substr(13, 40)), std::string::npos);
    // The seed is at the end of PKCS #8, which is behind 24 bytes.
    auto seed = std::string(view_of(made->secret).substr(24 + 16, 32));
    EXPECT_EQ(dump.find(seed), std::string::npos);
    EXPECT_EQ(dump.find(base64url_encode(seed).substr(1, 40)),
              std::string::npos);
}

TEST_F(SignerTest, ARebuildTakesTheKeysAlong) {
    create();
    auto message = signer_->clear_sign(kRepository, "text");
    ASSERT_OK(message);
    db::SigningRows rows;
    ASSERT_OK(database_->read([&](Transaction& t) -> Result<void> {
        LS_TRY(read, db::read_signing_keys(t));
        rows = std::move(read);
        return {};
    }));
    auto fresh = open_sqlite({root_ + "/db2"});
    ASSERT_OK(fresh);
    ASSERT_OK((*fresh)->write([&](Transaction& t) -> Result<void> {
        return db::write_signing_keys(t, rows);
    }));
    Signer other(**fresh, root_);
    auto again = other.clear_sign(kRepository, "text");
    ASSERT_OK(again);
    EXPECT_EQ(signers(*again), signers(*message));
}

TEST(RawKey, SignsAsItsPublicKeyVerifies) {
    auto key = RawKey::make("ed25519");
    ASSERT_OK(key);
    auto secret = key->secret();
    ASSERT_OK(secret);
    auto again = RawKey::read(*secret);
    ASSERT_OK(again);
    EXPECT_EQ(*again->sign("bytes"), *key->sign("bytes"));
    EXPECT_EQ(key->sign("bytes")->size(), 64U);
    EXPECT_NE(*again->sign("bytes"), *key->sign("other"));
    EXPECT_FALSE(RawKey::make("rsa1024"));
    EXPECT_FALSE(RawKey::read(bytes_of("no key")));
}

class OpenPgpTest : public ::testing::Test {
protected:
    void SetUp() override {
        auto made = make_openpgp_key("ed25519", "Somebody");
        ASSERT_OK(made);
        key_ = std::make_unique<OpenPgpSecretKey>(std::move(*made));
        std::vector<SecretBytes> secrets;
        secrets.push_back(key_->secret);
        auto signer = OpenPgpSigner::open(secrets);
        ASSERT_OK(signer);
        signer_ = std::move(*signer);
    }
    std::string clear(std::string_view text) {
        auto made = signer_->clear_sign(text, 1);
        return made ? *made : "";
    }
    Code refusal(std::string_view message) {
        auto read = verify_clear_signed(message, key_->public_key);
        EXPECT_FALSE(read) << message;
        return read ? Code::internal : read.error().code;
    }

    std::unique_ptr<OpenPgpSecretKey> key_;
    std::unique_ptr<OpenPgpSigner> signer_;
};

TEST_F(OpenPgpTest, WhatWasSignedIsRead) {
    for (const std::string text :
         {"one line", "two\nlines\n", "- dashes\n-----BEGIN\n--\n", "\n\n",
          "a\n\n\nb\n", "umlauts: \xc3\xa4\n", "From here\n"}) {
        auto read = verify_clear_signed(clear(text), key_->public_key);
        ASSERT_OK(read);
        EXPECT_EQ(read->signatures.size(), 1U);
        EXPECT_EQ(read->signatures[0].fingerprint, key_->fingerprint);
        EXPECT_EQ(read->signatures[0].user_id, "Somebody");
        EXPECT_EQ(read->signatures[0].hash, "SHA512");
        auto wanted =
            text.ends_with('\n') ? text.substr(0, text.size() - 1) : text;
        auto got = read->text;
        while (got.ends_with('\n')) {
            got.pop_back();
        }
        while (wanted.ends_with('\n')) {
            wanted.pop_back();
        }
        EXPECT_EQ(got, wanted);
    }
}

TEST_F(OpenPgpTest, EveryChangedCharacterIsSeen) {
    auto message = clear("Suite: stable\nCodename: x\n");
    auto begin = message.find("Suite");
    auto end = message.find("\n-----BEGIN PGP SIG");
    for (auto i = begin; i < end; ++i) {
        auto changed = message;
        changed[i] = changed[i] == 'q' ? 'r' : 'q';
        EXPECT_EQ(refusal(changed), Code::denied) << i;
    }
}

TEST_F(OpenPgpTest, TextThatIsNotSignedIsNotTaken) {
    auto message = clear("text\n");
    auto insert = [&](const char* where, const std::string& what) {
        auto copy = message;
        return copy.insert(copy.find(where), what);
    };
    for (const auto& wrong :
         {"before\n" + message, message + "behind\n", message + message,
          insert("text", "\n") + message, insert("Hash", "NotDashEscaped: x\n"),
          insert("text", "-----BEGIN PGP SIGNED MESSAGE-----\n\n"),
          std::string(), std::string("text\n"),
          message.substr(0, message.size() / 2),
          message.substr(0, message.find("-----END"))}) {
        EXPECT_EQ(refusal(wrong), Code::invalid_argument) << wrong;
    }
}

TEST_F(OpenPgpTest, OtherKeysAndOtherTextAreRefused) {
    auto other = make_openpgp_key("ed25519", "Other");
    ASSERT_OK(other);
    auto message = clear("text");
    EXPECT_EQ(verify_clear_signed(message, other->public_key).error().code,
              Code::denied);
    EXPECT_FALSE(verify_clear_signed(message, "no keys"));
    for (auto armor : {OpenPgpArmor::no, OpenPgpArmor::yes}) {
        auto made = signer_->detach_sign("bytes", armor, 1);
        ASSERT_OK(made);
        ASSERT_OK(verify_detached("bytes", *made, key_->public_key));
        EXPECT_EQ(
            verify_detached("other", *made, key_->public_key).error().code,
            Code::denied);
        EXPECT_EQ(
            verify_detached("bytes", *made, other->public_key).error().code,
            Code::denied);
    }
    EXPECT_EQ(
        verify_detached("bytes", "nothing", key_->public_key).error().code,
        Code::invalid_argument);
}

}  // namespace
}  // namespace longshore
