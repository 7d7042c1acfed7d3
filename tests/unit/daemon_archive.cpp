// Sound archives: formats, compressions, names, archives within archives.
#include <gtest/gtest.h>

#include "archive/entry_name.hpp"
#include "common/encoding.hpp"
#include "daemon_archive_maker.hpp"

namespace longshore::archives {
namespace {

std::string tarball() {
    return tar_header("./", 0, '5') + tar_header("./d/", 0, '5') +
           tar_file("./d/a.txt", "hello") + tar_file("b", "") +
           tar_header("d/link", 0, '2', "../b") +
           tar_header("hard", 0, '1', "./d/a.txt") + tar_end();
}

const std::string kTarball =
    "d/\nd/a.txt=hello\nb=\nd/link->../b\n"
    "hard->d/a.txt\n";

TEST(Archive, Tar) {
    EXPECT_EQ(listing(tarball()), kTarball);
    // GNU tar fills the last record with zeros.
    EXPECT_EQ(listing(padded(tarball(), 10240)), kTarball);
}

TEST(Archive, EntryTellsWhatTheHeaderSays) {
    auto bytes = tarball();
    MemorySource source(bytes);
    auto reader = ArchiveReader::open(source, Kind::tar | Kind::plain);
    ASSERT_TRUE(reader);
    ArchiveEntry entry;
    ASSERT_TRUE(*reader->next(entry));
    EXPECT_EQ(entry.type, EntryType::folder);
    EXPECT_EQ(entry.mode, 0755U);
    ASSERT_TRUE(*reader->next(entry));
    EXPECT_EQ(entry.type, EntryType::file);
    EXPECT_EQ(entry.size, 5U);
    EXPECT_EQ(entry.mode, 0644U);
    EXPECT_EQ(entry.mtime, 1700000000);
    ASSERT_TRUE(*reader->next(entry));
    ASSERT_TRUE(*reader->next(entry));
    EXPECT_EQ(entry.type, EntryType::symlink);
    EXPECT_EQ(entry.target, "../b");
    ASSERT_TRUE(*reader->next(entry));
    EXPECT_EQ(entry.type, EntryType::hardlink);
    EXPECT_FALSE(*reader->next(entry));
    EXPECT_FALSE(*reader->next(entry));
}

TEST(Archive, EveryCompression) {
    for (auto encoding :
         {Encoding::gzip, Encoding::bzip2, Encoding::xz, Encoding::zstd}) {
        EXPECT_EQ(listing(compress(encoding, tarball())), kTarball);
    }
}

TEST(Archive, Lzma) {
    // A tar with the file "a", made by another program.
    const std::string hex =
        "5d00008000ffffffffffffffff00308033501868898301dce26e2105573538564d56"
        "f6b4b033cdd6cf455242850cdd764dae4facc60e72d4ca15b868867f1821788e2252"
        "c4971f2b12e45700093c475a463a04627b80dc27b1238a05e7ffb2dba8fb60608173"
        "ffff37924000";
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        bytes +=
            static_cast<char>(hex_value(hex[i]) * 16 + hex_value(hex[i + 1]));
    }
    EXPECT_EQ(listing(bytes, {}, Kind::tar | Kind::lzma), "a=hello\n");
    // Never guessed where it is not allowed.
    EXPECT_NE(listing(bytes, {}, Kind::tar | Kind::plain), "a=hello\n");
    EXPECT_NE(listing(bytes + "more", {}, Kind::tar | Kind::lzma), "a=hello\n");
}

TEST(Archive, OnlyWhatIsAllowed) {
    auto gz = compress(Encoding::gzip, tarball());
    EXPECT_EQ(listing(gz, {}, Kind::tar | Kind::gzip), kTarball);
    EXPECT_EQ(listing(gz, {}, Kind::tar | Kind::plain | Kind::xz),
              "error: archive is gzip, which is not accepted here");
    EXPECT_EQ(listing(tarball(), {}, Kind::tar | Kind::gzip),
              "error: archive is uncompressed, which is not accepted here");
    EXPECT_EQ(listing(tarball(), {}, Kind::zip | Kind::ar | Kind::plain),
              "error: archive is tar, which is not accepted here");
    auto zip = Zip{{{"a", "1"}}}.bytes();
    EXPECT_EQ(listing(zip, {}, Kind::tar | Kind::plain),
              "error: archive is zip, which is not accepted here");
    // libarchive knows many more formats; none of them is ever tried.
    for (std::string other :
         {"#mtree\na type=file\n", "WARC/1.0\r\n", "Rar!\x1a\x07",
          "7z\xbc\xaf\x27\x1c", "<?xml version=\"1.0\"?>", "MSCF", "\x21"}) {
        EXPECT_EQ(listing(padded(other, 40960)).rfind("error: ", 0), 0U)
            << other;
    }
    EXPECT_EQ(listing(""), "error: archive is empty");
}

TEST(Archive, PaxAndLongNames) {
    auto longest = std::string(200, 'x') + "/" + std::string(200, 'y');
    auto bytes =
        pax(pax_record("comment", "of all"), 'g') +
        pax(pax_record("path", longest) + pax_record("mtime", "1.5")) +
        tar_file("short", "1") + tar_header("././@LongLink", 402, 'L') +
        padded(longest + "2", 512) + tar_file("short", "2") + tar_end();
    EXPECT_EQ(listing(bytes), longest + "=1\n" + longest + "2=2\n");
}

TEST(Archive, NamesAreTheBytesTheyAre) {
    // Both spellings of the same letter stay what they are.
    std::string composed = "\xc3\xa9";
    std::string apart = "e\xcc\x81";
    EXPECT_EQ(
        listing(tar_file(composed, "1") + tar_file(apart, "2") +
                pax(pax_record("path", composed + "p")) + tar_file("x", "3") +
                pax(pax_record("path", apart + "p")) + tar_file("x", "4") +
                tar_end()),
        composed + "=1\n" + apart + "=2\n" + composed + "p=3\n" + apart +
            "p=4\n");
    for (unsigned flags : {0U, 1U << 11}) {
        Zip zip{{{composed, "1"}, {apart, "2"}}};
        zip.entries[0].flags = zip.entries[1].flags = flags;
        EXPECT_EQ(listing(zip.bytes()), composed + "=1\n" + apart + "=2\n");
    }
}

TEST(Archive, Zip) {
    Zip zip{{{"d/", ""}, {"d/a", "hello"}, {"b", std::string(5000, 'b')}}};
    zip.entries[2].deflate = true;
    auto expected = "d/\nd/a=hello\nb=" + std::string(5000, 'b') + "\n";
    EXPECT_EQ(listing(zip.bytes(), {}, Kind::zip), expected);
    // Sizes after the data, as who cannot go back writes them.
    zip.entries[1].flags = zip.entries[2].flags = 8;
    zip.comment = "with a comment";
    EXPECT_EQ(listing(zip.bytes()), expected);
    EXPECT_EQ(listing(Zip{}.bytes()), "");
    zip = Zip{{{"link", "to"}}};
    zip.entries[0].attributes = 0120777ULL << 16;
    EXPECT_EQ(listing(zip.bytes()), "link->to\n");
}

TEST(Archive, Ar) {
    EXPECT_EQ(listing(ar(ar_file("debian-binary", "2.0\n") +
                         ar_file("odd/", "123") + ar_file("last", "4"))),
              "debian-binary=2.0\n\nodd=123\nlast=4\n");
}

TEST(Archive, Nested) {
    auto control =
        compress(Encoding::xz, tar_file("./control", "Package: a") + tar_end());
    auto data = compress(Encoding::zstd, tar_file("./usr/a", "A") + tar_end());
    auto deb =
        ar(ar_file("debian-binary", "2.0\n") +
           ar_file("control.tar.xz", control) + ar_file("data.tar.zst", data));
    MemorySource source(deb);
    auto reader = ArchiveReader::open(source, Kind::ar | Kind::plain);
    ASSERT_TRUE(reader);
    ArchiveEntry entry;
    ASSERT_TRUE(*reader->next(entry));
    ASSERT_TRUE(*reader->next(entry));
    auto inner = reader->open_nested(Kind::tar | Kind::xz);
    ASSERT_TRUE(inner);
    ASSERT_TRUE(*inner->next(entry));
    EXPECT_EQ(entry.path, "control");
    EXPECT_EQ(*inner->read_entry(100), "Package: a");
    // The outer one goes on whatever was read of the inner one.
    ASSERT_TRUE(*reader->next(entry));
    EXPECT_EQ(entry.path, "data.tar.zst");
    EXPECT_FALSE(inner->next(entry));
    auto last = reader->open_nested(Kind::tar | Kind::zstd);
    ASSERT_TRUE(last);
    ASSERT_TRUE(*last->next(entry));
    EXPECT_EQ(entry.path, "usr/a");
    EXPECT_FALSE(*last->next(entry));
    EXPECT_FALSE(*reader->next(entry));
}

TEST(Archive, AReaderWithinAReaderMayOutliveIt) {
    auto bytes = tar_file("in.tar", tarball()) + tar_end();
    MemorySource source(bytes);
    std::optional<ArchiveReader> inner;
    {
        auto reader = ArchiveReader::open(source, Kind::tar | Kind::plain);
        ASSERT_TRUE(reader);
        ArchiveEntry entry;
        ASSERT_TRUE(*reader->next(entry));
        auto opened = reader->open_nested(Kind::tar | Kind::plain);
        ASSERT_TRUE(opened);
        inner = std::move(*opened);
    }
    ArchiveEntry entry;
    int entries = 0;
    while (*inner->next(entry)) {
        ++entries;
    }
    EXPECT_EQ(entries, 5);
}

TEST(Archive, FindEntry) {
    auto find = [](const std::string& bytes, const std::string& name,
                   std::uint64_t max_bytes = 100) {
        MemorySource source(bytes);
        return find_entry(
            source, kAll,
            [&](const ArchiveEntry& entry) { return entry.path == name; },
            max_bytes);
    };
    EXPECT_EQ(**find(tarball(), "d/a.txt"), "hello");
    EXPECT_EQ(**find(tarball(), "b"), "");
    EXPECT_FALSE(*find(tarball(), "c"));
    EXPECT_FALSE(*find(tarball(), "d"));  // a folder has no contents
    auto small = find(tarball(), "d/a.txt", 4);
    ASSERT_FALSE(small);
    EXPECT_EQ(small.error().code, Code::too_large);
    // What comes after the entry counts too.
    auto torn = tarball();
    torn.resize(torn.size() - 1024);
    EXPECT_FALSE(find(torn, "d/a.txt"));
    auto bytes = tarball();
    MemorySource two(bytes);
    EXPECT_FALSE(find_entry(
        two, kAll, [](const ArchiveEntry&) { return true; }, 100));
}

TEST(Archive, ContentsComeOnce) {
    auto bytes = tarball();
    MemorySource source(bytes);
    auto reader = ArchiveReader::open(source, Kind::tar | Kind::plain);
    ASSERT_TRUE(reader);
    ArchiveEntry entry;
    EXPECT_EQ(*reader->read_entry(100), "");  // before the first entry
    EXPECT_FALSE(reader->open_nested(kAll));
    ASSERT_TRUE(*reader->next(entry));
    ASSERT_TRUE(*reader->next(entry));
    EXPECT_EQ(*reader->read_entry(100), "hello");
    EXPECT_EQ(*reader->read_entry(100), "");
    EXPECT_FALSE(reader->open_nested(kAll));
}

TEST(Archive, TheSinksErrorIsGivenBack) {
    auto bytes = tar_file("a", "hello") + tar_end();
    MemorySource source(bytes);
    auto reader = ArchiveReader::open(source, Kind::tar | Kind::plain);
    ASSERT_TRUE(reader);
    ArchiveEntry entry;
    ASSERT_TRUE(*reader->next(entry));
    auto done = reader->read_entry([](std::string_view) -> Result<void> {
        return Error{Code::unavailable, "full"};
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message, "full");
}

TEST(EntryName, OneSpelling) {
    const ArchiveLimits limits;
    auto name = [&](std::string_view raw) {
        auto result = entry_name(raw, limits);
        return result ? *result : "error: " + result.error().message;
    };
    EXPECT_EQ(name("a"), "a");
    EXPECT_EQ(name("./a//b/./c/"), "a/b/c");
    EXPECT_EQ(name("./"), "");
    EXPECT_EQ(name("a..b/...c"), "a..b/...c");
    EXPECT_EQ(name("B::Deparse.3pm"), "B::Deparse.3pm");
    EXPECT_EQ(name("\xf0\x9f\x9a\xa2"), "\xf0\x9f\x9a\xa2");
    for (std::string_view bad :
         {"", "/", "/a", "..", "../a", "a/..", "a/../b", "c:/a", "a\\b", "\x01",
          "a\nb", "\x7f", "\xff", "\xc0\xaf", "\xc3", "\xed\xa0\x80",
          "\xf4\x90\x80\x80", "\xe0\x80\x80"}) {
        EXPECT_EQ(name(bad).rfind("error: ", 0), 0U) << bad;
    }
    EXPECT_EQ(name(std::string_view("a\0b", 3)).rfind("error: ", 0), 0U);
    EXPECT_EQ(name(std::string(4097, 'a')).rfind("error: ", 0), 0U);
}

TEST(EntryName, LinksThatLeadOut) {
    EXPECT_FALSE(leads_out("a", "b"));
    EXPECT_FALSE(leads_out("a/b/c", "../../d"));
    EXPECT_FALSE(leads_out("a/b", "./x/../../y"));
    EXPECT_TRUE(leads_out("a", "/b"));
    EXPECT_TRUE(leads_out("a", ".."));
    EXPECT_TRUE(leads_out("a/b", "../../c"));
    EXPECT_TRUE(leads_out("a/b", "x/../../../c"));
}

}  // namespace
}  // namespace longshore::archives
