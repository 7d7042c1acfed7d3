// The packages in tests/fuzz/corpus/rpm_header were built by rpmbuild 4.18 and
// cut off after their headers; what is expected of them is what createrepo_c
// said about the whole ones.
#include <array>
#include <fstream>
#include <functional>
#include <sstream>

#include <gtest/gtest.h>

#include "syntax/rpm_header.hpp"

namespace longshore {
namespace {

std::string package_bytes(const std::string& name) {
    std::ifstream file(
        std::string(LS_SOURCE_DIR) + "/tests/fuzz/corpus/rpm_header/" + name,
        std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
}

std::string text_of(const std::vector<RpmRelation>& relations) {
    std::string out;
    for (const auto& one : relations) {
        out += one.name;
        if (!one.flags.empty()) {
            out += " " + std::string(one.flags) + " " + one.epoch + ":" +
                   one.version + (one.release.empty() ? "" : "-" + one.release);
        }
        out += one.pre ? " pre\n" : "\n";
    }
    return out;
}

TEST(RpmPackage, WhatARepositorySaysAboutIt) {
    auto read = read_rpm(MemorySource(package_bytes("facts.noarch.rpm")));
    ASSERT_TRUE(read) << read.error().message;
    const auto& p = *read;
    EXPECT_EQ(p.name + "|" + p.epoch + "|" + p.version + "|" + p.release + "|" +
                  p.arch,
              "facts|2|1.0~rc1|3|noarch");
    EXPECT_EQ(p.summary + "|" + p.description,
              "What a package says|Two lines,\nand ä.");
    EXPECT_EQ(p.packager + "|" + p.url + "|" + p.license + "|" + p.vendor +
                  "|" + p.group + "|" + p.build_host + "|" + p.source_rpm,
              "Some One <some@one.example>|https://facts.example/|MIT|Nobody|"
              "Development/Tools|build.example|facts-1.0~rc1-3.src.rpm");
    EXPECT_EQ(p.build_time_s, 1772539200U);
    EXPECT_EQ(p.installed_size, 5U);
    EXPECT_EQ(p.archive_size, 516U);
    EXPECT_EQ(p.header_start, 4504U);
    EXPECT_EQ(p.header_end, 7173U);
}

TEST(RpmPackage, Relations) {
    auto read = read_rpm(MemorySource(package_bytes("facts.noarch.rpm")));
    ASSERT_TRUE(read) << read.error().message;
    const auto& p = *read;
    EXPECT_EQ(text_of(p.provides),
              "config(facts) EQ 2:1.0~rc1-3\nconfig(facts) EQ 2:1.0~rc1-3\n"
              "facts EQ 2:1.0~rc1-3\nold EQ 0:1.0\nvirtual\n");
    EXPECT_EQ(text_of(index_requirements(p)),
              "early pre\nneeded GE 1:2.0-1\nsmall LT 0:5\n");
    EXPECT_NE(text_of(p.requirements).find("rpmlib("), std::string::npos);
    EXPECT_NE(text_of(p.requirements).find("/usr/bin/facts\n"),
              std::string::npos);
    EXPECT_EQ(text_of(p.conflicts), "other LE 0:3\n");
    EXPECT_EQ(text_of(p.obsoletes), "older LT 2:1\n");
    EXPECT_EQ(text_of(p.recommends), "nice\n");
    EXPECT_EQ(text_of(p.suggests), "nicer GT 0:1\n");
    EXPECT_EQ(text_of(p.supplements), "big\n");
    EXPECT_EQ(text_of(p.enhances), "bigger EQ 0:1-1\n");
}

TEST(RpmPackage, FilesAndChanges) {
    auto read = read_rpm(MemorySource(package_bytes("facts.noarch.rpm")));
    ASSERT_TRUE(read) << read.error().message;
    std::string files;
    for (const auto& file : read->files) {
        files += std::to_string(static_cast<int>(file.type)) + file.path + " ";
    }
    EXPECT_EQ(files,
              "0/etc/facts.conf 0/usr/bin/facts 1/var/lib/facts "
              "2/var/lib/facts/state ");
    EXPECT_EQ(read->files.at(1).mode, 0100755U);
    ASSERT_EQ(read->changes.size(), 2U);
    EXPECT_EQ(read->changes[0].author,
              "Some One <some@one.example> - 2:1.0~rc1-3");
    EXPECT_EQ(read->changes[0].time_s, 1772539200U);
    EXPECT_EQ(read->changes[1].text, "- second");
}

TEST(RpmPackage, ASourcePackage) {
    auto read = read_rpm(MemorySource(package_bytes("facts.src.rpm")));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->arch + "|" + read->source_rpm, "src|");
    EXPECT_EQ(read->files.at(0).path, "a.spec");
    EXPECT_EQ(read->header_end, 7550U);
    EXPECT_EQ(read->installed_size, 1119U);
}

TEST(RpmPackage, TranslatedTexts) {
    const auto bytes = package_bytes("facts.noarch.rpm");
    auto header = RpmHeader::read(MemorySource(bytes), 4504);
    ASSERT_TRUE(header) << header.error().message;
    EXPECT_EQ(header->text(1004), "What a package says");
    EXPECT_EQ(header->text(1004, "de"), "Was ein Paket sagt");
    EXPECT_EQ(header->text(1004, "fr"), "What a package says");
    EXPECT_EQ(header->text(1009), "");  // a number
    EXPECT_EQ(header->number(1000), std::nullopt);
    EXPECT_FALSE(header->has(5));
    EXPECT_EQ(header->size(), 7173U - 4504U);
}

TEST(RpmPackage, WhatIsCutOffIsRefused) {
    const auto bytes = package_bytes("facts.noarch.rpm");
    for (std::size_t size = 0; size < bytes.size(); size += 13) {
        auto read = read_rpm(MemorySource(bytes.substr(0, size)));
        ASSERT_FALSE(read) << size;
        EXPECT_EQ(read.error().code, Code::invalid_argument);
    }
}

TEST(RpmPackage, EveryLimitHolds) {
    const auto bytes = package_bytes("facts.noarch.rpm");
    using Set = std::function<void(RpmLimits&)>;
    for (const Set& set :
         {Set([](auto& l) { l.entries = 20; }),
          Set([](auto& l) { l.store = 999; }),
          Set([](auto& l) { l.files = 3; }), Set([](auto& l) { l.path = 19; }),
          Set([](auto& l) { l.paths = 62; }),
          Set([](auto& l) { l.relations = 4; })}) {
        RpmLimits limits;
        set(limits);
        auto read = read_rpm(MemorySource(bytes), limits);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, Code::too_large) << read.error().message;
    }
}

TEST(RpmPackage, FilesThatOthersNeed) {
    for (auto path : {"/etc/a", "/usr/bin/a", "/sbin/a", "/opt/x/bin/a",
                      "/usr/lib/sendmail"}) {
        EXPECT_TRUE(is_primary_file(path)) << path;
    }
    for (auto path :
         {"/etc", "/usr/lib/a", "/usr/lib/sendmail2", "/srv/etc/a"}) {
        EXPECT_FALSE(is_primary_file(path)) << path;
    }
}

// Tags: tag, type, offset, count.
using Index = std::vector<std::array<std::uint32_t, 4>>;

std::string big(std::uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(value >> shift);
    }
    return out;
}

std::string header_bytes(const Index& index, const std::string& store) {
    std::string out("\x8e\xad\xe8\x01\0\0\0\0", 8);
    out += big(static_cast<std::uint32_t>(index.size())) +
           big(static_cast<std::uint32_t>(store.size()));
    for (const auto& entry : index) {
        for (auto value : entry) {
            out += big(value);
        }
    }
    return out + store;
}

bool taken(const Index& index, const std::string& store) {
    return static_cast<bool>(
        RpmHeader::read(MemorySource(header_bytes(index, store)), 0));
}

TEST(RpmHeader, ValuesOfEveryType) {
    const std::string store(
        "\x01\x02\x00\x03\x00\x00\x00\x04"
        "\x00\x00\x00\x00\x00\x00\x00\x05"
        "a\0b\0\0cc\0\xff\xfe",
        26);
    const Index index = {{1000, 1, 0, 1},  {1001, 2, 1, 1},  {1002, 3, 2, 1},
                         {1003, 4, 4, 1},  {1004, 5, 8, 1},  {1005, 6, 16, 1},
                         {1006, 8, 18, 2}, {1007, 9, 21, 1}, {1008, 7, 24, 2}};
    auto header = RpmHeader::read(MemorySource(header_bytes(index, store)), 0);
    ASSERT_TRUE(header) << header.error().message;
    for (std::uint32_t i = 0; i < 5; ++i) {
        EXPECT_EQ(header->number(1000 + i), i + 1) << i;
    }
    EXPECT_EQ(header->text(1005), "a");
    EXPECT_EQ(header->texts(1006), (std::vector<std::string_view>{"b", ""}));
    EXPECT_EQ(header->text(1007), "cc");
    EXPECT_EQ(header->binary(1008), "\xff\xfe");
    EXPECT_EQ(header->numbers(1001), std::vector<std::uint64_t>{2});
    EXPECT_TRUE(header->numbers(1005).empty());
    EXPECT_TRUE(header->binary(1005).empty());
    EXPECT_EQ(header->size(), 16 + 16 * index.size() + store.size());
}

TEST(RpmHeader, NothingOutsideOfTheStore) {
    const std::string store("ab\0\0\0\0\0\0", 8);
    EXPECT_TRUE(taken({{1000, 6, 0, 1}}, store));
    const Index bad[] = {
        {},
        {{1000, 0, 0, 1}},
        {{1000, 10, 0, 1}},
        {{1000, 6, 0, 0}},
        {{1000, 6, 0, 2}},           // one string only
        {{1000, 6, 8, 1}},           // no end
        {{1000, 6, 9, 1}},           // beyond
        {{1000, 6, 0xffffffff, 1}},  // far beyond
        {{1000, 8, 0, 8}},           // more strings than there are
        {{1000, 4, 2, 1}},           // not where a number may be
        {{1000, 4, 4, 2}},           // beyond
        {{1000, 4, 4, 0x40000001}},  // a length that overflows
        {{1000, 7, 0, 9}},
        {{99, 6, 0, 1}},
        {{1000, 6, 0, 1}, {1001, 6, 0, 1}},  // the same bytes twice
        {{1000, 6, 0, 1}, {1000, 6, 4, 1}},  // the same tag twice
        {{1000, 4, 4, 1}, {1001, 6, 0, 1}},  // not in order
    };
    for (const auto& index : bad) {
        EXPECT_FALSE(taken(index, store))
            << (index.empty() ? 0 : index.back()[1]);
    }
    EXPECT_FALSE(taken({{1000, 6, 0, 1}}, "no end"));
    EXPECT_FALSE(taken({{1000, 6, 0, 1}}, ""));
}

TEST(RpmHeader, Regions) {
    const auto trailer = [](std::uint32_t entries) {
        return big(63) + big(7) + big(0U - entries * 16) + big(16);
    };
    const std::string value("ab\0\0", 4);
    const Index index = {{63, 7, 4, 16}, {1000, 6, 0, 1}};
    EXPECT_TRUE(taken(index, value + trailer(2)));
    // What follows the region has its data after it.
    EXPECT_TRUE(taken({{63, 7, 4, 16}, {1000, 6, 0, 1}, {1001, 6, 20, 1}},
                      value + trailer(2) + value));
    EXPECT_FALSE(taken({{63, 7, 4, 16}, {1000, 6, 0, 1}, {1001, 6, 8, 1}},
                       value + trailer(2) + value));
    EXPECT_FALSE(taken(index, value + trailer(3)));
    EXPECT_FALSE(taken(index, value + trailer(0)));
    EXPECT_FALSE(taken(index, value + trailer(2).substr(0, 15)));
    EXPECT_FALSE(taken({{63, 7, 0, 16}, {1000, 6, 0, 1}}, trailer(2)));
    EXPECT_FALSE(taken({{63, 6, 4, 16}, {1000, 6, 0, 1}}, value + trailer(2)));
    EXPECT_FALSE(taken({{1000, 6, 0, 1}, {63, 7, 4, 16}}, value + trailer(2)));
}

}  // namespace
}  // namespace longshore
