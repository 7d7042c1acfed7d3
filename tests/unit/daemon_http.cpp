// Requests, paging, entity tags, routes of OCI.
#include <gtest/gtest.h>

#include "http/page.hpp"
#include "http/request.hpp"
#include "registry/format.hpp"

namespace longshore {
namespace {

Request with_query(std::string_view query) {
    Request request;
    request.query = query;
    return request;
}

std::string page_text(std::string_view query) {
    auto page = parse_page(with_query(query), 1000);
    if (!page) {
        return std::string(page.error().reason);
    }
    return std::to_string(page->n) + "|" + page->last;
}

TEST(Request, MethodsKeepTheirNames) {
    for (auto text : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}) {
        EXPECT_EQ(method_name(parse_method(text)), text);
    }
    EXPECT_EQ(parse_method("get"), Method::other);
    EXPECT_EQ(parse_method("OPTIONS"), Method::other);
}

TEST(Request, HeadersIgnoreCaseAndRepeatedArgumentsKeepOrder) {
    Request request = with_query("tag=a&x=1&tag=b%2Bc&tag=&tag");
    request.headers = {{"If-Match", "1"}, {"if-match", "2"}};
    EXPECT_EQ(request.header("IF-MATCH"), "1");
    EXPECT_FALSE(request.header("If-Matc"));
    EXPECT_EQ(request.arguments("tag"),
              (std::vector<std::string>{"a", "b+c", "", ""}));
}

TEST(Page, NumbersAreDecimalAndCapped) {
    EXPECT_EQ(page_text(""), "1000|");
    EXPECT_EQ(page_text("n=5&last=a%2Fb"), "5|a/b");
    EXPECT_EQ(page_text("n=0"), "0|");
    EXPECT_EQ(page_text("n=1001"), "1000|");
    EXPECT_EQ(page_text("n=99999999999999999999999999"), "1000|");
    for (auto bad : {"n=-1", "n=", "n", "n=+1", "n=1e2", "n=0x1", "n=%201",
                     "n=1%20", "n=%zz"}) {
        EXPECT_EQ(page_text(bad), "PAGINATION_NUMBER_INVALID") << bad;
    }
}

TEST(EntityTags, ListsStarsAndWeakOnes) {
    auto tags = parse_entity_tags(R"("a", W/"b" ,"c,d")");
    EXPECT_FALSE(tags.any);
    EXPECT_EQ(tags.tags, (std::vector<std::string>{"a", "c,d"}));
    EXPECT_TRUE(parse_entity_tags(" * ").any);
    EXPECT_TRUE(parse_entity_tags("\"open").tags.empty());
    EXPECT_FALSE(parse_entity_tags(", ,").any);
}

class OciRoutes : public ::testing::Test {
protected:
    const Format& format() {
        auto formats = all_formats();
        for (const auto* found : formats) {
            if (found->info().key == "oci") {
                return *found;
            }
        }
        throw std::logic_error("no format oci");
    }

    std::string match(std::string_view method, std::string_view target) {
        scratch_.assign(target.size(), '\0');
        auto match = format().match(parse_method(method), target, scratch_);
        if (match.route) {
            return std::string(method_name(match.route->method)) + " " +
                   std::string(match.route->pattern);
        }
        auto reply = format().render(*match.error);
        auto text =
            std::to_string(reply.status) + " " + std::string(reply.error);
        return match.allow.empty() ? text : text + " " + match.allow;
    }

    std::string scratch_;
};

TEST_F(OciRoutes, FindHandlers) {
    auto digest = "sha256:" + std::string(64, '0');
    EXPECT_EQ(match("GET", "/v2/"), "GET /v2/");
    EXPECT_EQ(match("HEAD", "/v2"), "GET /v2/");
    EXPECT_EQ(match("PUT", "/v2/a/b/manifests/v1"),
              "PUT /v2/{name}/manifests/{reference}");
    EXPECT_EQ(match("HEAD", "/v2/a/manifests/" + digest),
              "GET /v2/{name}/manifests/{reference}");
    EXPECT_EQ(match("POST", "/v2/a/blobs/uploads/?mount=x"),
              "POST /v2/{name}/blobs/uploads/");
    EXPECT_EQ(match("DELETE",
                    "/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000"),
              "DELETE /v2/{name}/blobs/uploads/{id}");
    EXPECT_EQ(match("GET", "/v2/blobs/uploads/tags/list"),
              "GET /v2/{name}/tags/list");
}

TEST_F(OciRoutes, SayWhatIsWrong) {
    EXPECT_EQ(match("GET", "/v2/a/nothing"), "404 NAME_UNKNOWN");
    EXPECT_EQ(match("GET", "/v2/A/tags/list"), "400 NAME_INVALID");
    EXPECT_EQ(match("GET", "/v2/a/%2e%2e/tags/list"), "400 NAME_INVALID");
    EXPECT_EQ(match("GET", "/v2/a/manifests/.bad"), "404 MANIFEST_UNKNOWN");
    EXPECT_EQ(match("PUT", "/v2/a/manifests/.bad"), "400 TAG_INVALID");
    EXPECT_EQ(match("GET", "/v2/a/manifests/sha256:bad"), "400 DIGEST_INVALID");
    EXPECT_EQ(match("GET", "/v2/a/blobs/sha256:bad"), "400 DIGEST_INVALID");
    EXPECT_EQ(match("GET", "/v2/a/referrers/x"), "400 DIGEST_INVALID");
    EXPECT_EQ(match("PATCH", "/v2/a/blobs/uploads/x"),
              "404 BLOB_UPLOAD_UNKNOWN");
}

TEST_F(OciRoutes, RefuseMethodsWithAllow) {
    EXPECT_EQ(match("POST", "/v2/"), "405 UNSUPPORTED GET, HEAD");
    EXPECT_EQ(match("OPTIONS", "/v2/a/manifests/v1"),
              "405 UNSUPPORTED GET, HEAD, PUT, DELETE");
    EXPECT_EQ(match("GET", "/v2/a/blobs/uploads/"), "405 UNSUPPORTED POST");
}

TEST_F(OciRoutes, EachMissingBlobIsOneEntry) {
    auto reply = format().render(Error{Code::not_found, "blob unknown",
                                       "MANIFEST_BLOB_UNKNOWN",
                                       R"(["sha256:a","sha256:b"])"});
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(std::get<InlineBody>(reply.body).bytes,
              R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":)"
              R"("blob unknown","detail":{"digest":"sha256:a"}},)"
              R"({"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown",)"
              R"("detail":{"digest":"sha256:b"}}]})"
              "\n");
}

TEST_F(OciRoutes, InternalErrorsKeepTheirTextForTheLog) {
    auto reply = format().render(Error{Code::internal, "secret path"});
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(std::get<InlineBody>(reply.body).bytes.find("secret"),
              std::string::npos);
}

TEST_F(OciRoutes, UnavailableSaysWhenAndOnlyWhatIsMeantForClients) {
    auto full = format().render(Error{Code::unavailable, "secret path"});
    EXPECT_EQ(full.status, 503);
    EXPECT_EQ(full.error, "UNAVAILABLE");
    EXPECT_EQ(full.headers.at(0).first, "Retry-After");
    EXPECT_EQ(std::get<InlineBody>(full.body).bytes.find("secret"),
              std::string::npos);
    auto busy =
        format().render(Error{Code::unavailable, "busy", "UNAVAILABLE"});
    EXPECT_EQ(busy.status, 503);
    EXPECT_EQ(busy.headers.at(0).first, "Retry-After");
    EXPECT_NE(std::get<InlineBody>(busy.body).bytes.find("busy"),
              std::string::npos);
    auto limited = format().render(Error{Code::rate_limited, "slow down"});
    EXPECT_EQ(limited.status, 429);
    EXPECT_EQ(limited.headers.at(0).first, "Retry-After");
}

}  // namespace
}  // namespace longshore
