#include "syntax/json_split.hpp"

#include <algorithm>
#include <string_view>

#include "common/oci_error.hpp"

namespace longshore {
namespace {

class Splitter : public JsonReceiver {
public:
    Splitter(std::span<const JsonPattern> left_out, JsonTextReceiver* texts,
             std::size_t limit)
        : left_out_(left_out), texts_(texts), limit_(limit) {}

    Result<ByteSink> begin_text(const JsonPath& path) override {
        handed_on_ = false;
        if (hidden_ == 0 && !is_left_out(path)) {
            return ByteSink{};
        }
        if (hidden_ == 0 && texts_ != nullptr) {
            LS_TRY(sink, texts_->begin_text(path));
            if (sink) {
                handed_on_ = true;
                return sink;
            }
        }
        return ByteSink([](std::string_view) { return Result<void>{}; });
    }

    Result<void> end_text(const JsonPath& path) override {
        return handed_on_ ? texts_->end_text(path) : Result<void>{};
    }

    Result<void> token(const JsonPath& path, JsonToken token,
                       std::string_view text) override {
        const bool opens =
            token == JsonToken::object || token == JsonToken::array;
        const bool closes =
            token == JsonToken::object_end || token == JsonToken::array_end;
        if (hidden_ > 0 || is_left_out(path)) {
            hidden_ += opens ? 1 : 0;
            hidden_ -= closes ? 1 : 0;
            return {};
        }
        switch (token) {
            case JsonToken::object:
                return put(path, "{");
            case JsonToken::array:
                return put(path, "[");
            case JsonToken::object_end:
                return end("}");
            case JsonToken::array_end:
                return end("]");
            case JsonToken::text:
                return put(path, json_quote(text));
            default:
                return put(path, text);
        }
    }

    std::string take() { return std::move(out_); }

private:
    bool is_left_out(const JsonPath& path) const noexcept {
        return std::any_of(
            left_out_.begin(), left_out_.end(),
            [&](const auto& pattern) { return matches(pattern, path); });
    }

    // A value with what stands before it.
    Result<void> put(const JsonPath& path, std::string_view value) {
        if (!out_.empty() && out_.back() != '{' && out_.back() != '[') {
            out_ += ',';
        }
        if (!path.empty() && !path.back().in_array) {
            out_ += json_quote(path.back().key);
            out_ += ':';
        }
        return end(value);
    }

    Result<void> end(std::string_view text) {
        if (out_.size() > limit_ || text.size() > limit_ - out_.size()) {
            return Error{Code::too_large, "JSON: a document longer than " +
                                              std::to_string(limit_)};
        }
        out_ += text;
        return {};
    }

    std::span<const JsonPattern> left_out_;
    JsonTextReceiver* texts_;
    std::size_t limit_;
    std::string out_;
    std::size_t hidden_ = 0;  // containers open within what is left out
    bool handed_on_ = false;
};

}  // namespace

bool matches(const JsonPattern& pattern, const JsonPath& path) noexcept {
    return std::equal(pattern.begin(), pattern.end(), path.begin(), path.end(),
                      [](const std::string& wanted, const JsonStep& step) {
                          return wanted == "*" ||
                                 (!step.in_array && wanted == step.key);
                      });
}

Result<std::string> split_json(const ByteSource& source,
                               std::span<const JsonPattern> left_out,
                               JsonTextReceiver* texts, std::size_t document,
                               const JsonLimits& limits) {
    Splitter splitter(left_out, texts, document);
    LS_CHECK(read_json(source, splitter, limits));
    return splitter.take();
}

}  // namespace longshore
