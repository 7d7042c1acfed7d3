// What is compressed comes back, is the same each time, and can be joined.
#include <gtest/gtest.h>

#include <array>
#include <string_view>

#include "daemon_archive_maker.hpp"

namespace longshore::archives {
namespace {

using namespace std::string_view_literals;

constexpr std::array kEncodings = {Encoding::gzip, Encoding::bzip2,
                                   Encoding::xz, Encoding::zstd};
constexpr std::uint64_t kMuch = 1U << 30;

/// Bytes that compress, but not to nothing.
std::string sample(std::size_t size) {
    std::string text;
    std::uint32_t state = 1;
    while (text.size() < size) {
        state = state * 1664525 + 1013904223;
        text += "Package: p" + std::to_string(state >> 20) + "\n";
    }
    text.resize(size);
    return text;
}

TEST(Compress, ThereAndBack) {
    for (auto encoding : kEncodings) {
        for (std::size_t size : {0U, 1U, 65536U, 65537U, 1000000U}) {
            auto text = sample(size);
            auto packed = compress(encoding, text);
            auto back = decompress(encoding, packed, size);
            ASSERT_TRUE(back) << back.error().message;
            EXPECT_TRUE(*back == text) << size;
            EXPECT_LT(packed.size(), size / 2 + 100);
        }
    }
}

TEST(Compress, TheSameHoweverItIsCut) {
    auto text = sample(400000);
    for (auto encoding : kEncodings) {
        std::string out;
        Compressor compressor(encoding, [&](std::string_view piece) {
            out += piece;
            return Result<void>();
        });
        for (std::size_t at = 0, step = 1; at < text.size(); at += step) {
            step = step * 3 % 70001 + 1;
            ASSERT_TRUE(
                compressor.update(std::string_view(text).substr(at, step)));
        }
        ASSERT_TRUE(compressor.finish());
        EXPECT_TRUE(out == compress(encoding, text));
    }
    // No time, no name, no system but Unix: RFC 1952.
    EXPECT_EQ(compress(Encoding::gzip, "x").substr(0, 10),
              std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10));
}

TEST(Compress, PartsCanBeJoined) {
    auto first = sample(100000);
    for (auto encoding : kEncodings) {
        auto joined = compress(encoding, first) + compress(encoding, "") +
                      compress(encoding, "second");
        auto back = decompress(encoding, joined, kMuch);
        ASSERT_TRUE(back);
        EXPECT_TRUE(*back == first + "second");
        // One compressor makes them as well.
        std::string out;
        Compressor compressor(encoding, [&](std::string_view piece) {
            out += piece;
            return Result<void>();
        });
        for (std::string_view part :
             {std::string_view(first), std::string_view(), "second"sv}) {
            ASSERT_TRUE(compressor.update(part));
            ASSERT_TRUE(compressor.finish());
        }
        EXPECT_TRUE(out == joined);
    }
}

TEST(Compress, LevelsBeyondTheLastAreTheLast) {
    auto text = sample(50000);
    for (auto encoding : kEncodings) {
        int last = encoding == Encoding::zstd ? 19
                   : encoding == Encoding::xz ? 6
                                              : 9;
        EXPECT_TRUE(compress(encoding, text, 1000) ==
                    compress(encoding, text, last));
        EXPECT_TRUE(compress(encoding, text, -5) ==
                    compress(encoding, text, 1));
    }
}

TEST(Compress, TheSinksErrorIsGivenBack) {
    for (auto encoding : kEncodings) {
        Compressor compressor(encoding, [](std::string_view) -> Result<void> {
            return Error{Code::unavailable, "full"};
        });
        auto done = compressor.update("x");
        if (done) {
            done = compressor.finish();
        }
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().message, "full");
    }
}

TEST(Decompress, NothingBeyondTheLimit) {
    for (auto encoding : kEncodings) {
        auto packed = compress(encoding, sample(1000));
        EXPECT_TRUE(decompress(encoding, packed, 1000));
        auto cut = decompress(encoding, packed, 999);
        ASSERT_FALSE(cut);
        EXPECT_EQ(cut.error().code, Code::too_large);
    }
}

TEST(Decompress, EveryCutIsSeen) {
    for (auto encoding : kEncodings) {
        auto packed = compress(encoding, sample(300));
        for (std::size_t size = 0; size < packed.size(); ++size) {
            auto part = decompress(
                encoding, std::string_view(packed).substr(0, size), kMuch);
            ASSERT_FALSE(part) << size;
            EXPECT_EQ(part.error().code, Code::invalid_argument);
        }
    }
}

TEST(Decompress, EveryChangedByteOfTheDataIsSeen) {
    for (auto encoding : kEncodings) {
        auto text = sample(300);
        auto packed = compress(encoding, text);
        // Of gzip's header and xz's padding some bits have no meaning.
        for (std::size_t at = 0; at < packed.size(); ++at) {
            auto bent = packed;
            bent[at] = static_cast<char>(bent[at] ^ 0x40);
            auto back = decompress(encoding, bent, kMuch);
            EXPECT_TRUE(!back || *back == text) << at;
        }
    }
}

TEST(Decompress, WhatFollowsIsSeen) {
    for (auto encoding : kEncodings) {
        auto packed = compress(encoding, "x");
        EXPECT_FALSE(decompress(encoding, packed + "more", kMuch));
        EXPECT_FALSE(
            decompress(encoding, packed + std::string(9, '\0') + "m", kMuch));
    }
    // gzip pads to whole records on tapes, xz to words.
    EXPECT_TRUE(decompress(
        Encoding::gzip, compress(Encoding::gzip, "x") + std::string(1000, '\0'),
        kMuch));
}

TEST(Decompress, OfASourceInPieces) {
    auto text = sample(300000);
    auto packed = compress(Encoding::xz, text);
    MemorySource source(packed);
    std::string out;
    auto take = [&](std::string_view piece) {
        out += piece;
        return Result<void>();
    };
    ASSERT_TRUE(decompress(Encoding::xz, source, {}, take));
    EXPECT_TRUE(out == text);
    ArchiveLimits limits;
    limits.max_total_bytes = 200000;
    auto cut = decompress(Encoding::xz, source, limits, take);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, Code::too_large);
}

TEST(Decompress, GzipMembers) {
    auto first = compress(Encoding::gzip, sample(200000));
    auto second = compress(Encoding::gzip, "");
    auto third = compress(Encoding::gzip, "x");
    auto bytes = first + second + third;
    MemorySource source(bytes);
    auto ends = gzip_members(source, {});
    ASSERT_TRUE(ends);
    EXPECT_EQ(*ends,
              (std::vector<std::uint64_t>{
                  first.size(), first.size() + second.size(), bytes.size()}));
    ArchiveLimits limits;
    limits.max_entries = 3;
    EXPECT_TRUE(gzip_members(source, limits));
    limits.max_entries = 2;
    auto many = gzip_members(source, limits);
    ASSERT_FALSE(many);
    EXPECT_EQ(many.error().code, Code::too_large);
}

}  // namespace
}  // namespace longshore::archives
