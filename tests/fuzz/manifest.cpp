// Input: Content-Type of the push, a line; then the manifest's bytes.
#include "formats/oci/manifest_parse.hpp"

#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include "fuzz.hpp"

using namespace longshore;
using fuzz::require;
using Json = nlohmann::json;
using Kind = ManifestReference::Kind;

namespace {

bool is_header_safe(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c > 0x20 && c < 0x7f; });
}

std::size_t count_of(const ManifestFacts& facts, Kind kind) {
    return static_cast<std::size_t>(
        std::count_if(facts.references.begin(), facts.references.end(),
                      [kind](const auto& r) { return r.kind == kind; }));
}

void check_good(const ManifestFacts& facts, std::string_view bytes) {
    require(!facts.media_type.empty() && is_header_safe(facts.media_type),
            "media type can be a header");
    require(is_header_safe(facts.artifact_type), "so can the artifact type");
    require(facts.annotations.empty() ||
                Json::parse(facts.annotations, nullptr, false).is_object(),
            "annotations are an object");
    for (const auto& reference : facts.references) {
        require(is_header_safe(reference.descriptor.media_type),
                "descriptor's media type");
        Digest digest;
        require(Digest::parse(reference.descriptor.digest.text(), digest),
                "descriptor's digest");
        require(reference.descriptor.size_bytes <=
                    static_cast<std::uint64_t>(INT64_MAX),
                "descriptor's size fits a database");
    }
    // CVE-2021-41190: what one reader takes for an image and another for an
    // index. A known type has references of one sort only.
    auto body = Json::parse(bytes, nullptr, false);
    require(body.is_object(), "body is an object");
    if (body.contains("mediaType") && body["mediaType"].is_string() &&
        !body["mediaType"].get_ref<const std::string&>().empty()) {
        require(body["mediaType"] == facts.media_type, "body's type holds");
    }
    bool index = facts.media_type == kImageIndexType;
    require(!index || (count_of(facts, Kind::layer) == 0 &&
                       count_of(facts, Kind::config) == 0),
            "an index has no layers");
    bool image =
        facts.media_type == "application/vnd.oci.image.manifest.v1+json";
    require(!image || (count_of(facts, Kind::child) == 0 &&
                       count_of(facts, Kind::config) == 1),
            "an image has one config and no children");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    const std::string input(fuzz::text(data, size));
    const std::string_view all(input);
    auto type = all.substr(0, all.find('\n'));
    auto bytes = all.substr(std::min(type.size() + 1, all.size()));
    auto facts = parse_manifest(bytes, type);
    if (!facts) {
        require(facts.error().code == Code::invalid_argument, "client's fault");
        require(facts.error().reason == "MANIFEST_INVALID" ||
                    facts.error().reason == "DIGEST_INVALID",
                "has a reason of the protocol");
        return 0;
    }
    check_good(*facts, bytes);
    auto again = parse_manifest(bytes, facts->media_type);
    require(again && again->media_type == facts->media_type &&
                again->references.size() == facts->references.size(),
            "served under its type it is read the same");
    return 0;
}
