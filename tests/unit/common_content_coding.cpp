#include "common/content_coding.hpp"

#include <gtest/gtest.h>

#include "common/package_error.hpp"

namespace longshore {
namespace {

TEST(ContentCoding, WhatIsAccepted) {
    struct Case {
        std::string_view value;
        ContentCodings codings;
    };
    for (const auto& c : {
             Case{"", {false, false}},
             Case{"identity", {false, false}},
             Case{"gzip", {true, false}},
             Case{"GZip", {true, false}},
             Case{"x-gzip", {true, false}},
             Case{"gzip, zstd", {true, true}},
             Case{"br;q=1.0 , zstd ; q=0.5", {false, true}},
             Case{"gzip;q=0", {false, false}},
             Case{"gzip;q=0.000,zstd;q=0.001", {false, true}},
             Case{"*", {true, true}},
             Case{"*;q=0", {false, false}},
             Case{"*, gzip;q=0", {false, true}},
             Case{"gzip; Q=0, *;q=1", {false, true}},
             Case{"gzipped, azstd", {false, false}},
             Case{",, ,gzip,", {true, false}},
             Case{"gzip;level=9;q=0", {false, false}},
             Case{"gzip;q=", {true, false}},
         }) {
        EXPECT_EQ(accepted_codings(c.value), c.codings) << c.value;
    }
}

TEST(PackageError, IsReadByAll) {
    EXPECT_EQ(package_error_body("SIZE_INVALID", "too \"large\""),
              "{\"error\":\"too \\\"large\\\"\",\"reason\":\"too "
              "\\\"large\\\"\",\"errors\":[{\"code\":\"SIZE_INVALID\","
              "\"message\":\"too \\\"large\\\"\",\"detail\":\"too "
              "\\\"large\\\"\"}]}\n");
}

}  // namespace
}  // namespace longshore
