// Transparency logs: the Merkle tree of RFC 6962 by its definition, records
// that stay, names of Go modules by tables.
#include "common/hash.hpp"
#include "daemon_fixture.hpp"
#include "db/packages.hpp"
#include "formats/go/unicode.hpp"
#include "registry/transparency.hpp"

namespace longshore {
namespace {

std::string raw_hash(const std::string& bytes) {
    std::string out;
    auto hex = sha256_of(bytes).str().substr(7);
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    }
    return out;
}

// RFC 6962 section 2.1, word by word.
std::string tree_of(const std::vector<std::string>& records, std::size_t first,
                    std::size_t n) {
    if (n == 0) {
        return raw_hash("");
    }
    if (n == 1) {
        return raw_hash(std::string(1, '\0') + records[first]);
    }
    std::size_t half = 1;
    while (half * 2 < n) {
        half *= 2;
    }
    return raw_hash("\1" + tree_of(records, first, half) +
                    tree_of(records, first + half, n - half));
}

class TransparencyTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        auto database = open_sqlite({root_ + "/log"});
        ASSERT_OK(database);
        database_ = std::move(*database);
        ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
            Repository repository;
            repository.key = "go";
            repository.format = "go";
            LS_TRY(id, db::add_repository(t, repository));
            id_ = id;
            return {};
        }));
    }

    Result<void> add(const std::string& subject, const std::string& record) {
        return database_->write([&](Transaction& t) -> Result<void> {
            return TransparencyLog::append(t, id_, {subject, record});
        });
    }

    std::unique_ptr<Database> database_;
    std::int64_t id_ = 0;
};

TEST_F(TransparencyTest, EveryTreeIsThatOfItsDefinition) {
    TransparencyLog log(*database_);
    std::vector<std::string> records;
    for (int i = 0; i <= 40; ++i) {
        auto tree = log.tree(id_);
        ASSERT_OK(tree);
        EXPECT_EQ(tree->size, i);
        EXPECT_EQ(tree->root, tree_of(records, 0, records.size())) << i;
        records.push_back("record " + std::to_string(i) + "\n");
        ASSERT_OK(add(std::to_string(i), records.back()));
    }
    auto tops = log.hashes(id_, 3, 1, 2);
    ASSERT_OK(tops);
    EXPECT_EQ(*tops, tree_of(records, 8, 8) + tree_of(records, 16, 8));
    EXPECT_EQ(log.hashes(id_, 3, 4, 2).error().code, Code::not_found);
    EXPECT_EQ(log.records(id_, 40, 2).error().code, Code::not_found);
}

TEST_F(TransparencyTest, ASubjectHasOneRecordForEver) {
    TransparencyLog log(*database_);
    ASSERT_OK(add("a", "one\n"));
    ASSERT_OK(add("a", "one\n"));
    EXPECT_EQ(add("a", "two\n").error().code, Code::conflict);
    auto found = log.find(id_, "a");
    ASSERT_OK(found);
    EXPECT_EQ(found->number, 0);
    EXPECT_EQ(found->record, "one\n");
    EXPECT_EQ(found->tree.size, 1);
    EXPECT_EQ(log.find(id_, "b").error().code, Code::not_found);
}

TEST(GoUnicode, LettersAndFolding) {
    for (char32_t c : {U'a', U'Z', U'\u00aa', U'\u00e4', U'\u4e2d',
                       U'\U0001e943', U'\U000323af'}) {
        EXPECT_TRUE(go::is_letter(c)) << static_cast<unsigned>(c);
    }
    for (char32_t c : {U'1', U'_', U'\u00d7', U'\u0300', U'\u0661', U'\u2603',
                       U'\U0010ffff'}) {
        EXPECT_FALSE(go::is_letter(c)) << static_cast<unsigned>(c);
    }
    EXPECT_EQ(go::fold(U'K'), U'k');
    EXPECT_EQ(go::fold(U'\u212a'), U'k');  // Kelvin
    EXPECT_EQ(go::fold(U'\u017f'), U's');  // long s
    EXPECT_EQ(go::fold(U'\u00e4'), go::fold(U'\u00c4'));
    EXPECT_EQ(go::fold(U'\u03c2'), go::fold(U'\u03a3'));
    EXPECT_EQ(go::fold(U'\u0101'), go::fold(U'\u0100'));
    EXPECT_NE(go::fold(U'\u0101'), go::fold(U'\u0102'));
    EXPECT_EQ(go::fold(U'\u4e2d'), U'\u4e2d');
    for (std::string_view bad :
         {"\xc0\x80", "\xed\xa0\x80", "\xf5", "\xe4", "\xf4\x90\x80\x80"}) {
        EXPECT_FALSE(go::take_character(bad)) << bad;
    }
}

}  // namespace
}  // namespace longshore
