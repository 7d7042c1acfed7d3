// A document from anybody. The first byte is how much is read at a time. What
// is taken is what another reader of JSON takes, and it says the same to it.
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "fuzz.hpp"
#include "syntax/base64_stream.hpp"
#include "syntax/json_split.hpp"

namespace longshore {
namespace {

using fuzz::require;
using Json = nlohmann::json;

class Data : public JsonTextReceiver {
public:
    Result<ByteSink> begin_text(const JsonPath& path) override {
        require(path.size() == 1 && path[0].key == "data", "what was chosen");
        return ByteSink([this](std::string_view bytes) {
            require(!bytes.empty(), "a piece");
            text += bytes;
            return Result<void>{};
        });
    }
    Result<void> end_text(const JsonPath&) override { return {}; }

    std::string text;
};

void check_base64(std::string_view text) {
    const auto whole = base64_decode(text);
    Base64Stream stream;
    std::string out;
    const auto half = text.size() / 2;
    const bool taken = stream.add(text.substr(0, half), out) &&
                       stream.add(text.substr(half), out) && stream.finish();
    require(taken == static_cast<bool>(whole), "the same in two pieces");
    if (whole) {
        require(out == *whole && base64_encode(out) == text, "one spelling");
    }
}

}  // namespace
}  // namespace longshore

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    if (size == 0) {
        return 0;
    }
    const auto text = fuzz::text(data + 1, size - 1);
    JsonLimits limits;
    limits.depth = 16;
    limits.window = data[0] + std::size_t{1};
    const std::vector<JsonPattern> left_out = {{"data"}};
    Data kept;
    const auto all =
        split_json(MemorySource(text), {}, nullptr, 1 << 20, limits);
    const auto rest =
        split_json(MemorySource(text), left_out, &kept, 1 << 20, limits);
    fuzz::require(static_cast<bool>(all) == static_cast<bool>(rest),
                  "what is left out changes nothing");
    auto other = Json::parse(text, nullptr, false);
    if (!all) {
        // The other reader takes NUL for the end, and a mark before the text.
        const auto& why = all.error();
        fuzz::require(other.is_discarded() || why.code == Code::too_large ||
                          why.message.find("twice") != std::string::npos ||
                          text.find('\0') != std::string_view::npos ||
                          text.substr(0, 3) == "\xef\xbb\xbf",
                      "nothing is refused without a reason");
        return 0;
    }
    const auto again = split_json(MemorySource(*all), {}, nullptr, 1 << 20);
    fuzz::require(again && *again == *all, "compact is as compact as it gets");
    if (other.is_discarded()) {  // a number that no double holds
        fuzz::require(
            text.find_first_of("eE") != std::string_view::npos || size > 300,
            "the other reader takes it");
        return 0;
    }
    fuzz::require(Json::parse(*all) == other, "the same document");
    if (other.is_object() && other.contains("data")) {
        if (other["data"].is_string()) {
            fuzz::require(kept.text == other["data"], "the same string");
            check_base64(kept.text);
        }
        other.erase("data");
    }
    fuzz::require(Json::parse(*rest) == other, "the same without it");
    return 0;
}
