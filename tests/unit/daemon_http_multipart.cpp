#include "http/multipart.hpp"

#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "http/header_value.hpp"

namespace longshore {
namespace {

// What came, one line per part: name, file name, type, how, bytes.
class Heard : public MultipartReceiver {
public:
    Result<ByteSink> begin(const PartHead& head) override {
        bytes_.clear();
        if (!head.filename) {
            return ByteSink{};
        }
        return ByteSink([this](std::string_view bytes) {
            EXPECT_FALSE(bytes.empty());
            bytes_ += bytes;
            return Result<void>{};
        });
    }
    Result<void> field(const PartHead& head, std::string value) override {
        parts.push_back(head.name + "|" + head.content_type + "|" + value);
        return {};
    }
    Result<void> end(const PartHead& head) override {
        parts.push_back(head.name + "|" + *head.filename + "|" +
                        head.content_type + "|" + bytes_);
        return {};
    }

    std::vector<std::string> parts;

private:
    std::string bytes_;
};

using Parts = std::vector<std::string>;

Parts read(std::string_view body, const MultipartLimits& limits = {},
           std::string_view boundary = "b") {
    Heard heard;
    auto done = read_multipart(MemorySource(body), boundary, heard, limits);
    if (!done) {
        return {std::string(code_name(done.error().code))};
    }
    return heard.parts;
}

std::string head(std::string_view name) {
    return "Content-Disposition: form-data; name=\"" + std::string(name) +
           "\"\r\n\r\n";
}

// As requests and twine send it.
TEST(Multipart, FieldsAndFiles) {
    const std::string body =
        "--f00\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\n"
        "file_upload\r\n--f00\r\n"
        "Content-Disposition: form-data; name=\"content\"; "
        "filename=\"a-1.0.tar.gz\"\r\n"
        "Content-Type: application/octet-stream\r\n\r\n"
        "\x1f\x8b\r\n--f0\r\n\r\n--f000\r\n\r\n--f00\r\n"
        "content-disposition: form-data; name=empty\r\n\r\n\r\n"
        "--f00--\r\n";
    EXPECT_EQ(read(body, {}, "f00"),
              (Parts{":action||file_upload",
                     "content|a-1.0.tar.gz|application/octet-stream|"
                     "\x1f\x8b\r\n--f0\r\n\r\n--f000\r\n",
                     "empty||"}));
}

TEST(Multipart, PreambleEpiloguePaddingAndNoLastLineEnd) {
    const auto part = "--b \t\r\n" + head("a") + "1\r\n--b--";
    const Parts one = {"a||1"};
    EXPECT_EQ(read(part), one);
    EXPECT_EQ(read(part + " \t"), one);
    EXPECT_EQ(read(part + "\r\n"), one);
    EXPECT_EQ(read("any\r\nthing --b\r\n" + part), one);
    EXPECT_EQ(read("\r\n" + part), one);
    EXPECT_EQ(read(part + "\r\nepilogue\r\n--b\r\n"), one);
    EXPECT_EQ(read("--b--"), Parts{});
    EXPECT_EQ(read("--b\r\n" + head("a") + "--b--"), Parts{"a||"});
}

// Each byte of a delimiter is once the last one of what was read at a time.
TEST(Multipart, ABoundaryAcrossEveryReadsEnd) {
    const std::string boundary(70, 'x');
    const std::string near(69, 'x');
    for (std::size_t window : {1U, 2U, 7U, 64U, 512U}) {
        MultipartLimits limits;
        limits.window = window;
        for (std::size_t size = 0; size < 600; size += window < 64 ? 41 : 1) {
            const auto data = std::string(size, '\r') + "\r\n--" + near;
            const auto body = "--" + boundary + "\r\n" + head("a") + data +
                              "\r\n--" + boundary + "\r\n" + head("b") + "2" +
                              "\r\n--" + boundary + "--";
            ASSERT_EQ(read(body, limits, boundary),
                      (Parts{"a||" + data, "b||2"}))
                << window << " " << size;
        }
    }
}

TEST(Multipart, WhatIsCutOffIsRefused) {
    const auto whole =
        "--b\r\n" + head("a") + "1\r\n--b\r\n" + head("b") + "2\r\n--b--";
    ASSERT_EQ(read(whole).size(), 2U);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_EQ(read(whole.substr(0, size)), Parts{"invalid_argument"})
            << size;
    }
}

TEST(Multipart, WhatOthersReadOtherwiseIsRefused) {
    const std::string end = "1\r\n--b--";
    for (const std::string& head :
         {std::string("\r\n"), std::string("Content-Type: text/plain\r\n\r\n"),
          std::string("Content-Disposition: form-data\r\n\r\n"),
          std::string("Content-Disposition: attachment; name=a\r\n\r\n"),
          std::string("Content-Disposition: form-data; name=a; name=b\r\n\r\n"),
          std::string("Content-Disposition: form-data; name=\"a\r\n\r\n"),
          std::string("Content-Disposition: form-data; name=a\n\r\n\r\n"),
          std::string("Content-Disposition: form-data; name=\"\xff\"\r\n\r\n"),
          "Content-Disposition: form-data; name=a\r\n" +
              ("no colon\r\n" + std::string("\r\n")),
          std::string("Content-Disposition: form-data; name=a\r\n"
                      "Content-Disposition: form-data; name=b\r\n\r\n")}) {
        EXPECT_EQ(read("--b\r\n" + head + end), Parts{"invalid_argument"})
            << head;
    }
    const auto part = head("a") + "1";
    for (const std::string& body :
         {"--b\n" + part + "\r\n--b--", "--b\r\n" + part + "\n--b--",
          "--b\r\n" + part + "\r\n--b--x", "--b\r\n" + part + "\r\n--b x",
          "--b" + std::string(200, ' ') + "\r\n" + part + "\r\n--b--"}) {
        EXPECT_EQ(read(body), Parts{"invalid_argument"}) << body;
    }
    EXPECT_EQ(read("--b\r\nContent-Transfer-Encoding: base64\r\n" + part +
                   "\r\n--b--"),
              Parts{"unsupported"});
    EXPECT_EQ(read("--b\r\nContent-Transfer-Encoding: Binary\r\n" + part +
                   "\r\n--b--"),
              Parts{"a||1"});
    EXPECT_EQ(read("--b\r\n" + part + "\r\n--b--", {}, ""),
              Parts{"invalid_argument"});
}

TEST(Multipart, EveryLimitHolds) {
    const auto two = "--b\r\n" + head("a") + "12345\r\n--b\r\n" + head("b") +
                     "67890\r\n--b--";
    const auto with = [&](auto set) {
        MultipartLimits limits;
        set(limits);
        return read(two, limits).at(0);
    };
    EXPECT_EQ(with([](auto& l) { l.parts = 2; }), "a||12345");
    EXPECT_EQ(with([](auto& l) { l.parts = 1; }), "too_large");
    EXPECT_EQ(with([](auto& l) { l.field = 5; }), "a||12345");
    EXPECT_EQ(with([](auto& l) { l.field = 4; }), "too_large");
    EXPECT_EQ(with([](auto& l) { l.fields = 10; }), "a||12345");
    EXPECT_EQ(with([](auto& l) { l.fields = 9; }), "too_large");
    const auto size = head("a").size();
    EXPECT_EQ(with([&](auto& l) { l.header = size - 3; }), "a||12345");
    EXPECT_EQ(with([&](auto& l) { l.header = size - 4; }), "too_large");
    // A header that never ends is not read to the end of the body.
    EXPECT_EQ(read("--b\r\n" + std::string(100'000, 'x')), Parts{"too_large"});
}

TEST(Multipart, TheReceiversErrorEndsIt) {
    class Refusing : public Heard {
    public:
        Result<ByteSink> begin(const PartHead&) override {
            return ByteSink([](std::string_view) {
                return Result<void>(Error{Code::quota_exceeded, "full"});
            });
        }
    } refusing;
    const auto done = read_multipart(
        MemorySource("--b\r\n" + head("a") + "1\r\n--b--"), "b", refusing);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::quota_exceeded);
    EXPECT_TRUE(refusing.parts.empty());
}

std::string boundary(std::string_view type) {
    auto found = multipart_boundary(type);
    return found ? *found : std::string(code_name(found.error().code));
}

TEST(Multipart, BoundariesOfContentTypes) {
    EXPECT_EQ(boundary("multipart/form-data; boundary=f00"), "f00");
    EXPECT_EQ(boundary("Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b'\""),
              "a b'");
    for (auto bad : {"multipart/form-data", "multipart/form-data; boundary=",
                     "multipart/form-data; boundary=\"\"",
                     "multipart/form-data; boundary=\"a \"",
                     "multipart/form-data; boundary=a; boundary=b",
                     "multipart/form-data; boundary=\"a\\\"\""}) {
        EXPECT_EQ(boundary(bad), "invalid_argument") << bad;
    }
    EXPECT_EQ(boundary("multipart/form-data; boundary=" + std::string(70, 'b')),
              std::string(70, 'b'));
    EXPECT_EQ(boundary("multipart/form-data; boundary=" + std::string(71, 'b')),
              "invalid_argument");
    EXPECT_EQ(boundary("multipart/mixed; boundary=b"), "unsupported");
    EXPECT_EQ(boundary(""), "unsupported");
}

std::string filename(std::string_view text) {
    auto value = parse_header_value("form-data; " + std::string(text));
    return value ? value->parameter("filename").value_or("none") : "refused";
}

TEST(HeaderValue, NamesOfFilesAsClientsSendThem) {
    EXPECT_EQ(filename("filename=\"a b.zip\""), "a b.zip");
    EXPECT_EQ(filename("filename=a.nupkg"), "a.nupkg");
    EXPECT_EQ(filename("filename=a b.nupkg ; x=y"), "a b.nupkg");
    EXPECT_EQ(filename("filename = \"a\" ;"), "a");
    EXPECT_EQ(filename(R"(filename="q\"b\\c")"), R"(q"b\c)");
    EXPECT_EQ(filename(R"(filename="C:\new\a.zip")"), R"(C:\new\a.zip)");
    EXPECT_EQ(filename("filename=\"a%22b;c\""), "a%22b;c");
    EXPECT_EQ(filename("filename=\"ä.zip\""), "ä.zip");
    EXPECT_EQ(filename("filename*=utf-8''%C3%A4%20b"), "ä b");
    EXPECT_EQ(filename("filename=x; filename*=UTF-8'de'%e2%82%ac"), "€");
    EXPECT_EQ(filename("filename*=ISO-8859-1''%e4"), "ä");
    EXPECT_EQ(filename("name=a"), "none");
    for (auto bad :
         {"filename", "filename=", "=a", "filename=\"a", "filename=\"a\"b",
          "filename=a\"b", "filename=a; FILENAME=b", "filename*=a",
          "filename*=koi8-r''a", "filename*=utf-8''%ff", "filename*=utf-8''%4",
          "filename*=utf-8''a%0ab", "filename=\"a\tb\"", "filename=\"\xe4\""}) {
        EXPECT_EQ(filename(bad), "refused") << bad;
    }
}

}  // namespace
}  // namespace longshore
