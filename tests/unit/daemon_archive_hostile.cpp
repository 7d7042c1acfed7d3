// Archives that were made to do harm: each is refused, and refusing it costs
// little. Time is processor time, so that a loaded machine changes nothing.
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "archive/tar_check.hpp"
#include "daemon_archive_maker.hpp"

namespace longshore::archives {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr long kMaxGrowthKib = 64 * 1024;
// Two seconds are the promise; another machine may be slower.
constexpr long kMaxMilliseconds = 2000 * 4;

std::uint64_t repeated_size(const std::string& piece, std::uint64_t times) {
    return piece.size() * times;
}

/// One piece again and again, without the memory for it, between two others.
class Repeated final : public ByteSource {
public:
    Repeated(std::string head, std::string piece, std::uint64_t times,
             std::string tail)
        : head_(std::move(head)),
          piece_(std::move(piece)),
          tail_(std::move(tail)),
          middle_end_(head_.size() + repeated_size(piece_, times)) {}

    std::uint64_t size() const override { return middle_end_ + tail_.size(); }

    Result<std::size_t> read_at(std::uint64_t offset,
                                std::span<char> into) const override {
        std::size_t done = 0;
        while (done < into.size() && offset + done < size()) {
            auto part = at(offset + done);
            done += part.copy(into.data() + done, into.size() - done);
        }
        return done;
    }

private:
    std::string_view at(std::uint64_t offset) const {
        if (offset < head_.size()) {
            return std::string_view(head_).substr(
                static_cast<std::size_t>(offset));
        }
        if (offset < middle_end_) {
            return std::string_view(piece_).substr(static_cast<std::size_t>(
                (offset - head_.size()) % piece_.size()));
        }
        return std::string_view(tail_).substr(
            static_cast<std::size_t>(offset - middle_end_));
    }

    std::string head_, piece_, tail_;
    std::uint64_t middle_end_;
};

/// Ten million files, "e0000000" and so on, that are made when they are read.
class ManyEntries final : public ByteSource {
public:
    static constexpr std::uint64_t kEntries = 10'000'000;

    std::uint64_t size() const override { return kEntries * 512 + 1024; }

    Result<std::size_t> read_at(std::uint64_t offset,
                                std::span<char> into) const override {
        std::size_t done = 0;
        while (done < into.size() && offset + done < size()) {
            auto place = offset + done;
            auto number = std::to_string(place / 512);
            auto block = place / 512 < kEntries ? tar_header("e" + number, 0)
                                                : std::string(512, '\0');
            block.erase(0, static_cast<std::size_t>(place % 512));
            done += block.copy(into.data() + done, into.size() - done);
        }
        return done;
    }
};

/// Reads everything at every level, holding nothing.
Result<void> read_all(ArchiveReader& reader) {
    ArchiveEntry entry;
    for (;;) {
        LS_TRY(more, reader.next(entry));
        if (!more) {
            return {};
        }
        if (entry.path.ends_with(".tgz")) {
            LS_TRY(inner, reader.open_nested(kAll));
            LS_CHECK(read_all(inner));
        } else if (entry.type == EntryType::file) {
            LS_CHECK(reader.read_entry(
                [](std::string_view) { return Result<void>(); }));
        }
    }
}

Result<void> read_all(const ByteSource& source,
                      const ArchiveLimits& limits = {}) {
    LS_TRY(reader, ArchiveReader::open(source, kAll, limits));
    return read_all(reader);
}

struct Cost {
    char refused = '?';
    long growth_kib = 0;
    long milliseconds = 0;
    char message[100] = {};
};

long peak_kib(const rusage& usage) {
    return usage.ru_maxrss;
}

long spent_ms(const rusage& usage) {
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/// What reading costs in a process of its own, whose peak is its own.
Cost cost_of(const std::function<Result<void>()>& read) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    // Else the child would have what earlier tests left for nothing.
    ::malloc_trim(0);
    pid_t child = ::fork();
    if (child == 0) {
        rusage before{};
        rusage after{};
        ::getrusage(RUSAGE_SELF, &before);
        auto result = read();
        ::getrusage(RUSAGE_SELF, &after);
        Cost cost;
        cost.refused = result ? 'n' : 'y';
        cost.growth_kib = peak_kib(after) - peak_kib(before);
        cost.milliseconds = spent_ms(after) - spent_ms(before);
        if (!result) {
            result.error().message.copy(cost.message, sizeof cost.message - 1);
        }
        auto sent = ::write(ends[1], &cost, sizeof cost);
        ::_exit(sent == sizeof cost ? 0 : 1);
    }
    ::close(ends[1]);
    Cost cost;
    auto got = ::read(ends[0], &cost, sizeof cost);
    EXPECT_EQ(got, static_cast<ssize_t>(sizeof cost));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    return cost;
}

/// Reading is refused, because of `why`, at little cost.
void expect_cheap(const char* what, const std::string& why,
                  const std::function<Result<void>()>& read) {
    auto cost = cost_of(read);
    EXPECT_EQ(cost.refused, 'y') << what;
    EXPECT_NE(std::string(cost.message).find(why), std::string::npos)
        << what << ": " << cost.message;
    std::printf("%-28s %6ld KiB %6ld ms  %s\n", what, cost.growth_kib,
                cost.milliseconds, cost.message);
    if (!kSanitized) {
        EXPECT_LE(cost.growth_kib, kMaxGrowthKib) << what;
        EXPECT_LE(cost.milliseconds, kMaxMilliseconds) << what;
    }
}

void expect_refused(const std::string& bytes, const std::string& why,
                    const ArchiveLimits& limits = {}) {
    auto seen = listing(bytes, limits);
    EXPECT_NE(seen.find("error: "), std::string::npos) << seen;
    EXPECT_NE(seen.find(why), std::string::npos) << seen;
}

std::string zeros(std::size_t size) {
    return std::string(size, '\0');
}

constexpr std::size_t kMember = 16U << 20;

TEST(Bomb, OfEveryCompression) {
    for (auto encoding :
         {Encoding::gzip, Encoding::bzip2, Encoding::xz, Encoding::zstd}) {
        Repeated bomb(compress(encoding, tar_header("z", 1ULL << 32)),
                      compress(encoding, zeros(kMember)), 256, {});
        expect_cheap("compressed zeros", "times its size",
                     [&] { return read_all(bomb); });
        // Where the ratio is allowed, there is the total.
        ArchiveLimits limits;
        limits.max_ratio = 1U << 31;
        limits.max_total_bytes = 64U << 20;
        expect_cheap("compressed zeros, total", "more than 67108864",
                     [&] { return read_all(bomb, limits); });
    }
}

TEST(Bomb, Nested) {
    auto tgz = [](const std::string& name, const std::string& data) {
        return compress(Encoding::gzip, tar_file(name, data) + tar_end());
    };
    auto inner = tgz("zeros", zeros(kMember * 8));
    auto middle = tgz("a.tgz", inner);
    expect_cheap("nested", "times its size", [&] {
        MemorySource source(middle);
        return read_all(source);
    });
    // Small, but without end.
    auto deep = tgz("end", "");
    for (int i = 0; i < 10; ++i) {
        deep = tgz("deeper.tgz", deep);
    }
    expect_cheap("nested deep", "deeper than 2", [&] {
        MemorySource source(deep);
        return read_all(source);
    });
}

TEST(Bomb, Zip) {
    Zip large{{{"z", zeros(kMember * 4), true}}};
    auto bytes = large.bytes();
    MemorySource source(bytes);
    expect_cheap("zip of zeros", "times its size",
                 [&] { return read_all(source); });
    // A zip whose sizes lie comes no further than the size it says.
    large.entries[0].size = 1000;
    auto lying = large.bytes();
    MemorySource lying_source(lying);
    expect_cheap("lying zip", "not of the size it says",
                 [&] { return read_all(lying_source); });
    // All entries are the same bytes: what Fifield's bombs are made of.
    Zip overlapping{{{"z", zeros(kMember), true}}};
    for (int i = 0; i < 1000; ++i) {
        overlapping.entries.push_back({"z", "", false, 0, 8});
        overlapping.entries.back().offset = 0;
    }
    auto same = overlapping.bytes();
    MemorySource same_source(same);
    expect_cheap("overlapping zip", "zip has",
                 [&] { return read_all(same_source); });
}

TEST(Bomb, TenMillionEntries) {
    ManyEntries many;
    expect_cheap("ten million entries", "more entries than 150000",
                 [&] { return read_all(many); });
    // The same in little: one member again and again.
    ArchiveLimits limits;
    limits.duplicates = Duplicates::allow;
    std::string headers;
    for (int i = 0; i < 1000; ++i) {
        headers += tar_header("e", 0);
    }
    Repeated packed({}, compress(Encoding::gzip, headers), 10000, {});
    expect_cheap("packed entries", "archive ",
                 [&] { return read_all(packed, limits); });
}

TEST(Bomb, ZipOfManyEntries) {
    Zip zip;
    for (int i = 0; i < 150001; ++i) {
        zip.entries.push_back({"e" + std::to_string(i), ""});
    }
    zip.count = 65535;
    auto bytes = zip.bytes();
    MemorySource wrong(bytes);
    expect_cheap("zip, wrong number", "zip directory",
                 [&] { return read_all(wrong); });
    // As many as 16 bits can count are allowed, and cheap as well.
    zip.entries.resize(65535);
    bytes = zip.bytes();
    MemorySource most(bytes);
    auto cost = cost_of([&] { return read_all(most); });
    EXPECT_EQ(cost.refused, 'n') << cost.message;
    if (!kSanitized) {
        EXPECT_LE(cost.growth_kib, kMaxGrowthKib);
    }
}

TEST(Bomb, EmptyMembers) {
    // No output, so no limit on output: 40 MB of work and no entry.
    for (auto encoding :
         {Encoding::gzip, Encoding::bzip2, Encoding::xz, Encoding::zstd}) {
        auto empty = compress(encoding, "");
        Repeated source({}, empty, 20'000'000 / empty.size(), {});
        ArchiveLimits limits;
        limits.time_per_mib = std::chrono::milliseconds(0);
        expect_cheap("empty members", "archive ",
                     [&] { return read_all(source, limits); });
    }
}

TEST(Bomb, TimeIsBounded) {
    Repeated slow(compress(Encoding::gzip, tar_header("z", 1ULL << 32)),
                  compress(Encoding::gzip, zeros(kMember)), 256, {});
    ArchiveLimits limits;
    limits.max_ratio = 1U << 31;
    limits.time = std::chrono::milliseconds(20);
    limits.time_per_mib = std::chrono::milliseconds(0);
    auto result = read_all(slow, limits);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::too_large);
    EXPECT_EQ(result.error().message,
              "archive takes longer to read than 20 ms");
}

TEST(Bomb, Headers) {
    auto huge = [](char type, std::uint64_t size) {
        return Repeated(tar_header("x", size, type),
                        pax_record("comment", std::string(9000, 'c')),
                        size / 9016, tar_file("a", "") + tar_end());
    };
    for (char type : std::string("xgLKAX")) {
        for (std::uint64_t size : {2'000'000ULL, 8'000'000'000ULL}) {
            auto source = huge(type, size);
            expect_cheap("huge tar header", "archive ",
                         [&] { return read_all(source); });
        }
    }
    // A long chain of small ones.
    Repeated chain({}, pax(pax_record("comment", "c")), 1'000'000, {});
    expect_cheap("chain of headers", "archive ",
                 [&] { return read_all(chain); });
    // A sparse map that never ends.
    auto sparse = pax(pax_record("GNU.sparse.major", "1") +
                      pax_record("GNU.sparse.minor", "0")) +
                  tar_header("s", 1ULL << 32) + "9999999\n";
    Repeated map(sparse, "0\n0\n", 1U << 28, {});
    expect_cheap("sparse map", "archive ", [&] { return read_all(map); });
    // Names of an ar that say they are gigabytes.
    auto table = ar(ar_file("//", ""));
    table.replace(table.find("0         `"), 10, "1000000000");
    Repeated names(table, std::string(4096, 'n'), 250000, {});
    expect_cheap("ar's table of names", "archive ",
                 [&] { return read_all(names); });
}

TEST(Bomb, Dictionaries) {
    // zstd with a window of 2 GiB and xz with a dictionary of 64 MiB.
    std::string zstd("\x28\xb5\x2f\xfd\x00\xa8", 6);
    zstd += std::string("\x01\x00\x00", 3);
    MemorySource wide(zstd);
    expect_cheap("zstd window", "more memory than",
                 [&] { return read_all(wide); });
    ArchiveLimits small;
    small.max_decoder_bytes = 3U << 20;
    auto xz = compress(Encoding::xz, tar_file("a", "1") + tar_end());
    EXPECT_EQ(listing(xz), "a=1\n");
    expect_refused(xz, "xz data needs more memory than", small);
}

TEST(Hostile, Names) {
    std::map<std::string, std::string> names = {
        {"../a", "\"..\""},          {"a/../../b", "\"..\""},
        {"/etc/passwd", "absolute"}, {"a\\..\\b", "backslash"},
        {"a\x1b[2Jb", "control"},    {"c:/a", "absolute"},
        {"\xff\xfe", "UTF-8"}};
    ArchiveLimits skip;
    skip.bad_names = BadNames::skip;
    for (const auto& [name, why] : names) {
        auto tar = tar_file(name, "1") + tar_file("good", "2") + tar_end();
        expect_refused(tar, why);
        EXPECT_EQ(listing(tar, skip), "good=2\n");
        expect_refused(pax(pax_record("path", name)) + tar, why);
        auto zip = Zip{{{name, "1"}, {"good", "2"}}}.bytes();
        expect_refused(zip, why);
        EXPECT_EQ(listing(zip, skip), "good=2\n");
    }
    expect_refused(ar(ar_file("/x", "1")), "");
    std::string deep;
    for (int i = 0; i < 101; ++i) {
        deep += "d/";
    }
    expect_refused(
        pax(pax_record("path", deep)) + tar_file("x", "") + tar_end(),
        "deeper than 100", skip);
    expect_refused(pax(pax_record("path", std::string(5000, 'n'))) +
                       tar_file("x", "") + tar_end(),
                   "longer than 4096", skip);
    expect_refused(Zip{{{std::string(5000, 'n'), ""}}}.bytes(),
                   "longer than 4096", skip);
}

TEST(Hostile, Links) {
    auto tar = [](char type, const std::string& target) {
        return tar_header("d/link", 0, type, target) + tar_end();
    };
    ArchiveLimits allow;
    allow.far_links = FarLinks::allow;
    for (std::string target : {"/etc/passwd", "../../x", "../a/../../x"}) {
        expect_refused(tar('2', target), "leads out");
        EXPECT_EQ(listing(tar('2', target), allow), "d/link->" + target + "\n");
        // A hard link names an entry, so it never leads anywhere else.
        expect_refused(tar('1', target), "");
        expect_refused(tar('1', target), "", allow);
    }
    expect_refused(tar('2', "a\nb"), "control", allow);
    expect_refused(tar('2', ""), "link is empty", allow);
    Zip zip{{{"link", "../../x"}}};
    zip.entries[0].attributes = 0120777ULL << 16;
    expect_refused(zip.bytes(), "leads out");
    zip.entries[0].deflate = true;
    expect_refused(zip.bytes(), "");
}

TEST(Hostile, Duplicates) {
    ArchiveLimits allow;
    allow.duplicates = Duplicates::allow;
    for (std::string second : {"a/b", "./a/b", "a//b", "a/./b"}) {
        auto tar = tar_file("a/b", "1") + tar_file(second, "2") + tar_end();
        expect_refused(tar, "two entries of one name");
        EXPECT_EQ(listing(tar, allow), "a/b=1\na/b=2\n");
        expect_refused(Zip{{{"a/b", "1"}, {second, "2"}}}.bytes(),
                       "two entries of one name");
    }
    // A folder may come twice, but is not a file.
    auto folder = tar_header("a", 0, '5');
    EXPECT_EQ(listing(folder + folder + tar_end()), "a/\na/\n");
    expect_refused(folder + tar_file("a", "") + tar_end(), "one name");
    expect_refused(tar_file("a", "") + folder + tar_end(), "one name");
}

TEST(Hostile, EveryCutOfATarIsSeen) {
    auto whole = tar_file("a", std::string(700, 'a')) + tar_file("b", "hello") +
                 tar_header("c", 0, '5') + tar_file("z", zeros(1024));
    for (std::size_t size = 0; size < whole.size() + 1024; size += 512) {
        auto cut = (whole + tar_end()).substr(0, size);
        EXPECT_NE(listing(cut).find("error: "), std::string::npos) << size;
        EXPECT_NE(listing(compress(Encoding::gzip, cut)).find("error: "),
                  std::string::npos)
            << size;
    }
    EXPECT_EQ(listing(whole + tar_end()).find("error: "), std::string::npos);
    auto packed = compress(Encoding::gzip, whole + tar_end());
    for (std::size_t size = 0; size < packed.size(); ++size) {
        EXPECT_NE(listing(packed.substr(0, size)).find("error: "),
                  std::string::npos)
            << size;
    }
}

TEST(Hostile, EveryCutOfAZipIsSeen) {
    auto zip = Zip{{{"a", "hello"}, {"b", std::string(500, 'b'), true}}};
    zip.comment = "comment";
    auto whole = zip.bytes();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_NE(listing(whole.substr(0, size)).find("error: "),
                  std::string::npos)
            << size;
    }
    EXPECT_EQ(listing(whole).find("error: "), std::string::npos);
}

TEST(Hostile, WhatFollowsTheEnd) {
    auto whole = tar_file("a", "1") + tar_end();
    expect_refused(whole + tar_file("hidden", "2") + tar_end(),
                   "followed by other data");
    expect_refused(whole + zeros(100000) + "x", "followed by other data");
    expect_refused(
        compress(Encoding::gzip, whole) + compress(Encoding::gzip, whole),
        "followed by other data");
    expect_refused(Zip{{{"a", "1"}}}.bytes() + "x", "something after it");
    expect_refused(ar(ar_file("a", "12")) + "tail", "");
}

TEST(Hostile, ZipsThatSayTwoThings) {
    const Zip sound{{{"a", "hello"}, {"b", std::string(100, 'b'), true}}};
    auto with = [&](const std::function<void(Zip&)>& change) {
        auto zip = sound;
        change(zip);
        return zip.bytes();
    };
    EXPECT_EQ(listing(sound.bytes()).find("error"), std::string::npos);
    expect_refused(with([](Zip& z) { z.entries[1].header_name = "c"; }),
                   "two names");
    expect_refused(with([](Zip& z) { z.entries[1].header_name = "bb"; }),
                   "two names");
    expect_refused(with([](Zip& z) { z.entries[1].header_size = 99; }),
                   "two sizes");
    expect_refused(with([](Zip& z) { z.entries[0].size = 4; }), "two sizes");
    expect_refused(with([](Zip& z) { z.entries[1].offset = 0; }), "zip has");
    expect_refused(with([](Zip& z) { z.entries[0].gap = "hidden"; }),
                   "bytes between");
    expect_refused(with([](Zip& z) { z.prefix = "#!/bin/sh\n"; }), "");
    expect_refused(with([](Zip& z) { z.before_directory = "x"; }),
                   "before its directory");
    expect_refused(with([](Zip& z) { z.count = 1; }), "more than its end");
    expect_refused(with([](Zip& z) { z.count = 3; }), "cut short");
    expect_refused(with([](Zip& z) { z.entries[0].flags = 1; }), "encrypted");
    expect_refused(with([](Zip& z) { z.entries[0].method = 12; }),
                   "neither stored nor deflated");
    expect_refused(with([](Zip& z) { z.entries[0].method = 99; }),
                   "neither stored nor deflated");
    // Info-ZIP's second name.
    expect_refused(with([](Zip& z) {
                       z.entries[0].extra =
                           le(0x7075, 2) + le(6, 2) + le(1, 5) + "c";
                   }),
                   "two names");
    // A whole zip as the comment of another one.
    auto inner = Zip{{{"inner", "1"}}}.bytes();
    expect_refused(with([&](Zip& z) { z.comment = inner; }), "two ends");
    // An entry between the others that the directory does not know.
    auto hidden = Zip{{{"hidden", "2"}}}.bytes();
    hidden.resize(hidden.find("PK\1\2"));
    expect_refused(with([&](Zip& z) { z.entries[0].gap = hidden; }),
                   "bytes between");
}

TEST(Hostile, ZipDataThatIsNotWhatItSays) {
    const Zip sound{{{"a", std::string(100, 'a'), true}, {"b", "hello"}}};
    auto bytes = sound.bytes();
    auto bent = bytes;
    bent[bent.find("hello")] = 'j';  // the checksum says so
    expect_refused(bent, "damaged");
    bent = bytes;
    bent[31 + 3] = static_cast<char>(~bent[31 + 3]);
    expect_refused(bent, "");
}

TEST(Hostile, TarsThatSayTwoThings) {
    auto end = tar_end();
    // What one reader skips as contents another reads as entries.
    auto inner = tar_file("hidden", "2");
    expect_refused(pax(pax_record("size", std::to_string(inner.size()))) +
                       tar_header("a", 0) + inner + end,
                   "two sizes");
    expect_refused(pax(pax_record("size", "0")) +
                       tar_header("a", inner.size()) + inner + end,
                   "two sizes");
    expect_refused(tar_header("a", inner.size(), '1', "b") + inner + end,
                   "link with contents");
    expect_refused(pax(pax_record("path", std::string("a\0b", 3))) +
                       tar_file("x", "") + end,
                   "NUL");
    expect_refused(pax(pax_record("path", "a") + pax_record("path", "b")) +
                       tar_file("x", "") + end,
                   "two names");
    expect_refused(pax(pax_record("path", "a")) + pax(pax_record("path", "b")) +
                       tar_file("x", "") + end,
                   "");
    expect_refused(tar_header("l", 2, 'L') + padded("a", 512) +
                       pax(pax_record("path", "b")) + tar_file("x", "") + end,
                   "two names");
    expect_refused(tar_header("l", 4, 'L') +
                       padded(std::string("a\0b", 3), 512) + tar_file("x", "") +
                       end,
                   "NUL");
    expect_refused(
        pax(pax_record("path", "all"), 'g') + tar_file("x", "") + end,
        "all entries alike");
    for (std::string record :
         {"", "7 a=b", "99 path=a\n", "8 patha\n", "7 =abc\n", "-1 a=b\n",
          "0 a=b\n", "6 a=b", "x a=b\n"}) {
        auto tar = tar_header("pax", 20, 'x') + padded(record, 512) +
                   tar_file("x", "") + end;
        expect_refused(tar, "");
    }
    expect_refused(pax(pax_record("GNU.sparse.map", "0,1") +
                       pax_record("GNU.sparse.size", "1000000000000")) +
                       tar_file("x", "1") + end,
                   "");
    expect_refused(tar_header("x", 0, 'S') + end, "");
    // A header whose checksum is not right.
    auto bent = tar_file("abc", "1") + end;
    bent[1] = 'x';
    expect_refused(bent, "");
}

TEST(Hostile, TarHeadersOfTheirOwn) {
    auto check = [](const std::string& headers) {
        auto result = check_tar(headers);
        return result ? "sound" : result.error().message;
    };
    auto path = pax(pax_record("path", "a"));
    auto own = tar_header("x", 5);
    EXPECT_EQ(check(own), "sound");
    EXPECT_EQ(check(path + own), "sound");
    EXPECT_EQ(check(pax(pax_record("size", "5")) + own), "sound");
    // Sizes of 8 GiB and more have no room in a header.
    EXPECT_EQ(check(pax(pax_record("size", "8589934592")) + own), "sound");
    EXPECT_EQ(check(path + path + own),
              "tar header has two sets of pax records");
    EXPECT_EQ(check(""), "tar header is damaged");
    EXPECT_EQ(check(path), "tar header is damaged");
    EXPECT_EQ(check(own + own), "tar header is damaged");
    EXPECT_EQ(check(path.substr(0, 512)), "tar header is damaged");
    auto binary = own;
    binary.replace(124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\5", 12));
    EXPECT_EQ(check(pax(pax_record("size", "5")) + binary), "sound");
    binary[124] = '\xff';
    EXPECT_EQ(check(binary), "tar header says no size");
    auto odd = own;
    odd[130] = '9';
    EXPECT_EQ(check(odd), "tar header says no size");
}

TEST(Hostile, EveryChangedByteIsHarmless) {
    const std::vector<std::string> sound = {
        pax(pax_record("path", "a")) + tar_file("x", "hello") + tar_end(),
        Zip{{{"a", "hello"}, {"b", std::string(50, 'b'), true, 8}}}.bytes(),
        ar(ar_file("a", "hello") + ar_file("b", "x")),
        compress(Encoding::xz, tar_file("a", "hello") + tar_end())};
    for (const auto& bytes : sound) {
        for (std::size_t at = 0; at < bytes.size(); ++at) {
            for (char change : {'\x01', '\x20', '\x80', '\xff'}) {
                auto bent = bytes;
                bent[at] = static_cast<char>(bent[at] ^ change);
                // Whatever it gives, it ends, and no name is a bad one.
                auto seen = listing(bent);
                EXPECT_EQ(seen.find(".."), std::string::npos);
            }
        }
    }
}

}  // namespace
}  // namespace longshore::archives
