#include "formats/npm/body.hpp"

#include <array>

#include "common/byte_source.hpp"
#include "syntax/base64_stream.hpp"
#include "syntax/json_split.hpp"

namespace longshore::npm {
namespace {

constexpr std::uint8_t kDigests = Extra::sha1 | Extra::sha512;
// Base64 is turned into bytes that much at a time.
constexpr std::size_t kPiece = std::size_t{48} << 10;

const std::array<JsonPattern, 3> kApart = {
    JsonPattern{"_attachments", "*", "data"},
    JsonPattern{"readme"},
    JsonPattern{"versions", "*", "readme"},
};

// Where the strings go that are not kept in the document.
class Attachments : public JsonTextReceiver {
public:
    Attachments(Blobs& blobs, Body& body) : blobs_(blobs), body_(body) {}

    Result<ByteSink> begin_text(const JsonPath& path) override {
        current_ = nullptr;
        if (path.front().key != "_attachments") {
            return ByteSink([](std::string_view) { return Result<void>{}; });
        }
        const auto& name = path[1].key;
        if (name.ends_with(".sigstore")) {
            if (!body_.bundle.empty()) {
                return Error{Code::invalid_argument,
                             "a version has one provenance at most"};
            }
            return ByteSink(
                [this](std::string_view text) { return add_to_bundle(text); });
        }
        if (writer_ || body_.tarball) {
            return Error{Code::invalid_argument,
                         "a version is one package, not several"};
        }
        LS_TRY(writer, blobs_.writer(kDigests));
        writer_.emplace(std::move(writer));
        current_ = &*writer_;
        body_.tarball_name = name;
        return ByteSink([this](std::string_view text) { return decode(text); });
    }

    Result<void> end_text(const JsonPath&) override {
        if (current_ == nullptr) {
            return {};
        }
        current_ = nullptr;
        LS_CHECK(base64_.finish());
        LS_CHECK(flush());
        LS_TRY(blob, writer_->finish());
        writer_.reset();
        body_.tarball.emplace(std::move(blob));
        return {};
    }

private:
    Result<void> add_to_bundle(std::string_view text) {
        if (text.size() > kMaxBundle - body_.bundle.size()) {
            return Error{Code::too_large, "provenance has at most " +
                                              std::to_string(kMaxBundle) +
                                              " bytes"};
        }
        body_.bundle += text;
        return {};
    }

    Result<void> decode(std::string_view text) {
        LS_CHECK(base64_.add(text, bytes_));
        return bytes_.size() < kPiece ? Result<void>() : flush();
    }

    Result<void> flush() {
        LS_CHECK(writer_->write(bytes_));
        bytes_.clear();
        return {};
    }

    Blobs& blobs_;
    Body& body_;
    std::optional<BlobWriter> writer_;
    BlobWriter* current_ = nullptr;  // of the string that is being read
    Base64Stream base64_;
    std::string bytes_;
};

// versions.<version>.deprecated and _rev, of documents of any number of
// versions.
class ChangeReader : public JsonReceiver {
public:
    explicit ChangeReader(Changes& out) : out_(out) {}

    Result<ByteSink> begin_text(const JsonPath&) override { return ByteSink{}; }
    Result<void> end_text(const JsonPath&) override { return {}; }

    Result<void> token(const JsonPath& path, JsonToken token,
                       std::string_view text) override {
        bool is_text = token == JsonToken::text;
        if (path.size() == 1 && path[0].key == "_rev" && is_text) {
            out_.revision = text;
        }
        bool version = path.size() >= 2 && path[0].key == "versions";
        if (version && path.size() == 2 && token == JsonToken::object) {
            out_.versions.push_back({path[1].key, std::nullopt});
        }
        if (version && path.size() == 3 && path[2].key == "deprecated" &&
            is_text) {
            out_.versions.back().deprecated = text;
        }
        return {};
    }

private:
    Changes& out_;
};

}  // namespace

Result<Body> read_body(Context& ctx, const Request& request) {
    Body body;
    LS_TRY(source, ctx.blobs.open(request));
    Attachments attachments(ctx.blobs, body);
    JsonLimits limits;
    limits.repair_surrogates = true;
    LS_TRY(document,
           split_json(*source, kApart, &attachments, kMaxDocument, limits));
    body.document = std::move(document);
    if (body.tarball && body.document.size() > kMaxPublished) {
        return Error{Code::too_large, "what describes a version has at most " +
                                          std::to_string(kMaxPublished) +
                                          " bytes"};
    }
    return body;
}

Result<Changes> read_changes(std::string_view document) {
    Changes changes;
    ChangeReader reader(changes);
    MemorySource source(document);
    LS_CHECK(read_json(source, reader));
    return changes;
}

Result<nlohmann::json> read_object(std::string_view text) {
    MemorySource source(text);
    JsonLimits limits;
    limits.repair_surrogates = true;
    LS_TRY(clean, split_json(source, {}, nullptr, text.size() * 3, limits));
    auto json = nlohmann::json::parse(clean, nullptr, false);
    if (!json.is_object()) {
        return Error{Code::invalid_argument, "a JSON object was expected"};
    }
    return json;
}

}  // namespace longshore::npm
