// Names, facts and lists of files of Debian uploads.
#include <string>

#include <gtest/gtest.h>

#include "formats/debian/facts.hpp"
#include "formats/debian/suite_index.hpp"
#include "formats/debian/upload_list.hpp"

namespace longshore::debian {
namespace {

constexpr std::string_view kMd5 = "d41d8cd98f00b204e9800998ecf8427e";
constexpr std::string_view kSha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string dsc(std::string_view more) {
    std::string text = "Format: 1.0\nSource: src\nVersion: 1.0\n";
    text += more;
    text += "Files:\n " + std::string(kMd5) + " 0 src_1.0.tar.gz\n";
    text +=
        "Checksums-Sha256:\n " + std::string(kSha256) + " 0 src_1.0.tar.gz\n";
    return text;
}

TEST(Debian, NamesLeaveNoFolder) {
    EXPECT_TRUE(is_suite("bookworm-updates"));
    for (auto text : {"", ".", "..", "a/b", "-a", "a b", "a\n", ".a"}) {
        EXPECT_FALSE(is_suite(text)) << text;
        EXPECT_FALSE(is_package(text)) << text;
        EXPECT_FALSE(is_file_name(text)) << text;
    }
    EXPECT_TRUE(is_package("libstdc++6"));
    EXPECT_FALSE(is_package("Upper"));
    EXPECT_EQ(pool_path("libfoo1", "2:1.0-1", "amd64", ".deb"),
              "pool/libf/libfoo1/libfoo1_1.0-1_amd64.deb");
    EXPECT_EQ(source_folder("foo", "1:2~rc1-3"), "pool/f/foo/2~rc1-3");
}

TEST(Debian, WhatTheIndexSaysIsNotTakenFromAnUpload) {
    auto list = read_upload_list(
        dsc("directory: ../../etc\nfiles-x: y\npackage: other\n"));
    ASSERT_TRUE(list) << list.error().message;
    ListedFile own = list->files.front();
    own.name = "src_1.0.dsc";
    auto stanza = read_stanza(source_stanza(*list, own, "pool/s/src/1.0"),
                              kDebianControl);
    ASSERT_TRUE(stanza) << stanza.error().message;
    EXPECT_EQ(stanza->get("Directory"), "pool/s/src/1.0");
    EXPECT_EQ(stanza->get("Package"), "src");
    EXPECT_EQ(lines(stanza->get("Files")).size(), 2U);
}

TEST(Debian, ListsThatAreRefused) {
    auto good = dsc("");
    ASSERT_TRUE(read_upload_list(good));
    auto with = [&](std::string_view from, std::string_view to) {
        auto text = good;
        text.replace(text.find(from), from.size(), to);
        return text;
    };
    for (const auto& text :
         {with("src_1.0.tar.gz", "../x"), with(" 0 src", " -1 src"),
          with(" 0 src", " src"), with(kMd5, "x"), with(kSha256, "00"),
          with("Checksums-Sha256", "Checksums-Sha9"),
          good + "Checksums-Sha1:\n " + std::string(40, 'a') + " 0 other\n",
          std::string(), std::string("Files:\n")}) {
        EXPECT_FALSE(read_upload_list(text)) << text;
    }
}

TEST(Debian, FactsComeBack) {
    DebFile deb;
    deb.name = "foo";
    deb.architecture = "all";
    deb.contents = "usr/a\nusr/b\n";
    deb.control.add("Package", "foo");
    deb.control.add("filename", "../x");
    deb.control.add("Description", "short\nlong\n.\n more");
    auto facts = facts_of(deb);
    facts.places = {{"stable", "main"}, {"testing", "contrib"}};
    auto same = read_facts(write_facts(facts));
    EXPECT_EQ(same.places, facts.places);
    EXPECT_EQ(same.stanza, facts.stanza);
    EXPECT_EQ(same.contents, deb.contents);
    EXPECT_EQ(same.description, "short\nlong\n.\n more");
    EXPECT_EQ(facts.stanza.find("filename"), std::string::npos);
    EXPECT_NE(facts.stanza.find("Description: short\n"), std::string::npos);
    EXPECT_EQ(facts.stanza.find("long"), std::string::npos);
    EXPECT_TRUE(read_facts("[1]").places.empty());
}

TEST(Debian, Settings) {
    auto none = read_settings("{}");
    ASSERT_TRUE(none);
    EXPECT_EQ(none->valid_for_days, 14);
    for (auto text :
         {"[]", "{\"origin\": 1}", "{\"label\": \"a\\nb\"}",
          "{\"valid_for_days\": -1}", "{\"architectures\": \"x\"}",
          "{\"architectures\": [\"../x\"]}", "{\"valid_for_days\": \"1\"}"}) {
        EXPECT_FALSE(read_settings(text)) << text;
    }
}

}  // namespace
}  // namespace longshore::debian
