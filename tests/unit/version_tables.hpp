// Tables of versions for daemon_version_*.cpp.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "syntax/version.hpp"

namespace longshore::tables {

inline Version version_of(VersionScheme scheme, std::string_view text) {
    auto version = parse_version(scheme, text);
    EXPECT_TRUE(version) << text << ": " << version.error().message;
    return version ? *version : Version{};
}

inline std::string text_of(VersionScheme scheme, std::string_view text) {
    return version_of(scheme, text).text;
}

/// Each is older than all that follow it.
inline void expect_ascending(VersionScheme scheme,
                             std::initializer_list<std::string_view> texts) {
    std::vector<Version> versions;
    for (auto text : texts) {
        versions.push_back(version_of(scheme, text));
    }
    for (std::size_t a = 0; a < versions.size(); ++a) {
        for (std::size_t b = 0; b < versions.size(); ++b) {
            EXPECT_EQ(compare(versions[a], versions[b]), a <=> b)
                << versions[a].text << " and " << versions[b].text;
        }
    }
}

inline void expect_equal(VersionScheme scheme,
                         std::initializer_list<std::string_view> texts) {
    for (auto text : texts) {
        EXPECT_EQ(version_of(scheme, text).key,
                  version_of(scheme, *texts.begin()).key)
            << text;
    }
}

inline void expect_refused(VersionScheme scheme,
                           std::initializer_list<std::string_view> texts) {
    for (auto text : texts) {
        auto version = parse_version(scheme, text);
        ASSERT_FALSE(version) << text;
        EXPECT_EQ(version.error().code, Code::invalid_argument) << text;
    }
}

}  // namespace longshore::tables
