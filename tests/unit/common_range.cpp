#include "common/range.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace longshore {
namespace {

constexpr std::uint64_t kMax = UINT64_MAX;

struct Answer {
    RangeVerdict verdict;
    std::vector<ByteRange> ranges;
};

Answer ask(std::string_view value, std::uint64_t size,
           std::size_t room = 1024) {
    std::vector<ByteRange> out(room);
    auto result = parse_range(value, size, out);
    EXPECT_LE(result.count, room);
    EXPECT_EQ(result.verdict == RangeVerdict::partial, result.count > 0);
    out.resize(result.count);
    for (const auto& range : out) {
        EXPECT_LE(range.first, range.last) << value;
        EXPECT_LT(range.last, size) << value;
    }
    return {result.verdict, out};
}

void expect_ranges(std::string_view value, std::uint64_t size,
                   const std::vector<ByteRange>& ranges) {
    auto answer = ask(value, size);
    EXPECT_EQ(answer.verdict, RangeVerdict::partial) << value;
    EXPECT_EQ(answer.ranges, ranges) << value;
}

TEST(Range, One) {
    expect_ranges("bytes=0-0", 10, {{0, 0}});
    expect_ranges("bytes=0-9", 10, {{0, 9}});
    expect_ranges("bytes=0-", 10, {{0, 9}});
    expect_ranges("bytes=9-", 10, {{9, 9}});
    expect_ranges("bytes=3-5", 10, {{3, 5}});
    expect_ranges("bytes=-1", 10, {{9, 9}});
    expect_ranges("bytes=-10", 10, {{0, 9}});
    expect_ranges("BYTES=0-1", 10, {{0, 1}});
    expect_ranges("bytes= 0-1 ", 10, {{0, 1}});
    expect_ranges("bytes=00-01", 10, {{0, 1}});
}

TEST(Range, Clipped) {
    expect_ranges("bytes=5-10", 10, {{5, 9}});
    expect_ranges("bytes=-11", 10, {{0, 9}});
    expect_ranges("bytes=0-18446744073709551615", 10, {{0, 9}});
    expect_ranges("bytes=0-99999999999999999999999", 10, {{0, 9}});
    expect_ranges("bytes=-99999999999999999999999", 10, {{0, 9}});
}

TEST(Range, SeveralKeepOrderAndOverlap) {
    expect_ranges("bytes=5-6,0-1, 5-6 ,\t0-9", 10,
                  {{5, 6}, {0, 1}, {5, 6}, {0, 9}});
    expect_ranges("bytes=0-0,20-30,-1", 10, {{0, 0}, {9, 9}});
    expect_ranges("bytes=,0-0,,1-1,", 10, {{0, 0}, {1, 1}});
}

TEST(Range, NothingInside) {
    for (auto value : {"bytes=10-", "bytes=10-20", "bytes=-0", "bytes=5-4",
                       "bytes=99999999999999999999-", "bytes=10-,11-,-0"}) {
        EXPECT_EQ(ask(value, 10).verdict, RangeVerdict::unsatisfiable) << value;
    }
    for (auto value : {"bytes=0-", "bytes=-1", "bytes=0-0"}) {
        EXPECT_EQ(ask(value, 0).verdict, RangeVerdict::unsatisfiable) << value;
    }
}

TEST(Range, OtherUnitsAndBadSyntaxAreIgnored) {
    for (auto value : {"",
                       "bytes",
                       "bytes=",
                       "bytes=,",
                       "bytes= , ,",
                       "bytes 0-1",
                       "bytes =0-1",
                       "byte=0-1",
                       "bytess=0-1",
                       "items=0-1",
                       "bytes=-",
                       "bytes=a-b",
                       "bytes=0",
                       "bytes=0-1-2",
                       "bytes=--1",
                       "bytes=+0-1",
                       "bytes=0- 1",
                       "bytes=0 -1",
                       "bytes=0x0-1",
                       "bytes=0-1;2-3",
                       "bytes=0-1,x",
                       "bytes=-1-",
                       "0-1"}) {
        EXPECT_EQ(ask(value, 10).verdict, RangeVerdict::whole) << value;
    }
    std::string nul = "bytes=0-1";
    nul += '\0';
    EXPECT_EQ(ask(nul, 10).verdict, RangeVerdict::whole);
}

std::string many(std::size_t count) {
    std::string value = "bytes=0-0";
    for (std::size_t i = 1; i < count; ++i) {
        value += "," + std::to_string(2 * i) + "-" + std::to_string(2 * i);
    }
    return value;
}

TEST(Range, AsManyAsThereIsRoom) {
    auto full = ask(many(1024), 4096);
    EXPECT_EQ(full.verdict, RangeVerdict::partial);
    ASSERT_EQ(full.ranges.size(), 1024u);
    EXPECT_EQ(full.ranges[1023], (ByteRange{2046, 2046}));
    EXPECT_EQ(ask(many(1025), 4096).verdict, RangeVerdict::too_many);
    // Those beyond the end take no room.
    EXPECT_EQ(ask(many(1025), 2048).ranges.size(), 1024u);
    EXPECT_EQ(ask("bytes=0-0", 1, 0).verdict, RangeVerdict::too_many);
    EXPECT_EQ(ask("bytes=1-1", 1, 0).verdict, RangeVerdict::unsatisfiable);
    EXPECT_GE(count_ranges(many(1024)), 1024u);
    EXPECT_EQ(count_ranges("bytes=0-1"), 1u);
}

TEST(Range, EveryNumberAtItsEdges) {
    const std::vector<std::string> numbers = {"0",
                                              "9",
                                              "10",
                                              "11",
                                              "2147483647",
                                              "2147483648",
                                              "4294967295",
                                              "4294967296",
                                              "9223372036854775807",
                                              "9223372036854775808",
                                              "18446744073709551614",
                                              "18446744073709551615",
                                              "18446744073709551616"};
    for (std::uint64_t size :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10},
          std::uint64_t{1} << 31, std::uint64_t{1} << 63, kMax}) {
        for (const auto& first : numbers) {
            ask("bytes=" + first + "-", size);
            ask("bytes=-" + first, size);
            for (const auto& last : numbers) {
                ask("bytes=" + first + "-" + last, size);
            }
        }
    }
    auto all = ask("bytes=0-18446744073709551616", kMax);
    ASSERT_EQ(all.ranges.size(), 1u);
    EXPECT_EQ(all.ranges[0].size(), kMax);
}

TEST(ContentRange, AsChunksCarryIt) {
    EXPECT_EQ(parse_content_range("0-0"), (ByteRange{0, 0}));
    EXPECT_EQ(parse_content_range("5-9"), (ByteRange{5, 9}));
    EXPECT_EQ(parse_content_range("bytes 5-9/10"), (ByteRange{5, 9}));
    EXPECT_EQ(parse_content_range("bytes 5-9/*"), (ByteRange{5, 9}));
    EXPECT_EQ(parse_content_range("0-18446744073709551614"),
              (ByteRange{0, kMax - 1}));
}

TEST(ContentRange, Malformed) {
    for (auto value : {"",
                       "-",
                       "0",
                       "0-",
                       "-0",
                       "1-0",
                       "a-b",
                       "0-1-2",
                       " 0-1",
                       "0-1 ",
                       "0 - 1",
                       "+0-1",
                       "0--1",
                       "0-18446744073709551615",
                       "0-18446744073709551616",
                       "18446744073709551616-0",
                       "bytes 0-1",
                       "bytes=0-1",
                       "bytes=0-1/2",
                       "bytes 0-1/",
                       "bytes 0-1/x",
                       "bytes 0-1/-1",
                       "bytes */10",
                       "bytes 0-9/9",
                       "bytes 0-9/0",
                       "bytes  0-1/2",
                       "0-1/2"}) {
        EXPECT_FALSE(parse_content_range(value)) << value;
    }
}

TEST(Decimal, Edges) {
    EXPECT_EQ(parse_decimal("0"), 0u);
    EXPECT_EQ(parse_decimal("000"), 0u);
    EXPECT_EQ(parse_decimal("2147483648"), std::uint64_t{1} << 31);
    EXPECT_EQ(parse_decimal("9223372036854775808"), std::uint64_t{1} << 63);
    EXPECT_EQ(parse_decimal("18446744073709551615"), kMax);
    for (auto text : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3",
                      "18446744073709551616", "18446744073709551620",
                      "99999999999999999999", "184467440737095516150"}) {
        EXPECT_FALSE(parse_decimal(text)) << text;
    }
}

}  // namespace
}  // namespace longshore
