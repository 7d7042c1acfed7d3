#include "formats/oci/manifest_parse.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/hash.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;
using Kind = ManifestReference::Kind;

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxValues = 500'000;
constexpr std::size_t kMaxTypeLength = 255;  // RFC 6838 section 4.2: 127/127

// What the registry reads of a manifest. A reader that ignores case (Go's)
// would take "Layers" for "layers", so no other spelling may stand beside.
constexpr std::array<std::string_view, 9> kKnownKeys = {
    "schemaVersion", "mediaType", "artifactType", "config",     "layers",
    "manifests",     "blobs",     "subject",      "annotations"};

enum class Shape : std::uint8_t { image, index, artifact, unknown, refused };

struct TypeRow {
    std::string_view media_type;
    Shape shape;
};

constexpr std::array kTypes = {
    TypeRow{"application/vnd.oci.image.manifest.v1+json", Shape::image},
    TypeRow{kImageIndexType, Shape::index},
    TypeRow{"application/vnd.docker.distribution.manifest.v2+json",
            Shape::image},
    TypeRow{"application/vnd.docker.distribution.manifest.list.v2+json",
            Shape::index},
    TypeRow{"application/vnd.oci.artifact.manifest.v1+json", Shape::artifact},
    TypeRow{"application/vnd.docker.distribution.manifest.v1+json",
            Shape::refused},
    TypeRow{"application/vnd.docker.distribution.manifest.v1+prettyjws",
            Shape::refused},
};

Error invalid(std::string message) {
    return Error{Code::invalid_argument, std::move(message),
                 "MANIFEST_INVALID"};
}

Shape shape_of(std::string_view media_type) noexcept {
    for (const auto& row : kTypes) {
        if (row.media_type == media_type) {
            return row.shape;
        }
    }
    return Shape::unknown;
}

std::string to_lower(std::string text) {
    for (auto& c : text) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return text;
}

// First pass: refuses what two readers could read differently (a key twice in
// one object) and what would cost too much to keep, before a tree is built.
class Bounds : public nlohmann::json_sax<Json> {
public:
    bool null() override { return count(); }
    bool boolean(bool) override { return count(); }
    bool number_integer(std::int64_t) override { return count(); }
    bool number_unsigned(std::uint64_t) override { return count(); }
    bool number_float(double, const std::string&) override { return count(); }
    bool string(std::string&) override { return count(); }
    bool binary(Json::binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(); }
    bool end_array() override { return close(); }
    bool key(std::string& name) override {
        if (!keys_.back().insert(name).second) {
            problem_ = "the same key twice in one object";
            return false;
        }
        return count();
    }
    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception&) override {
        problem_ = "not JSON at byte " + std::to_string(position);
        return false;
    }

    const std::string& problem() const { return problem_; }

private:
    bool count() {
        if (++values_ > kMaxValues) {
            problem_ = "too many values";
            return false;
        }
        return true;
    }
    bool open() {
        if (keys_.size() >= kMaxDepth) {
            problem_ = "nested too deeply";
            return false;
        }
        keys_.emplace_back();
        return count();
    }
    bool close() {
        keys_.pop_back();
        return true;
    }

    std::vector<std::set<std::string>> keys_;
    std::size_t values_ = 0;
    std::string problem_;
};

// A member that is absent or null, which Go writes for an empty slice.
const Json* member(const Json& object, const char* name) {
    auto found = object.find(name);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool is_type_text(const std::string& text) {
    return text.size() <= kMaxTypeLength &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return c > 0x20 && c < 0x7f; });
}

Result<std::string> type_member(const Json& object, const char* name) {
    const auto* value = member(object, name);
    if (!value) {
        return std::string();
    }
    if (!value->is_string() ||
        !is_type_text(value->get_ref<const std::string&>())) {
        return invalid(std::string(name) + " is not a media type");
    }
    return value->get<std::string>();
}

// Standard base64 with padding, RFC 4648 section 4.
std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    std::size_t padding = text.ends_with("==")  ? 2
                          : text.ends_with('=') ? 1
                                                : 0;
    std::string out;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                    : c >= 'a' && c <= 'z' ? c - 'a' + 26
                    : c >= '0' && c <= '9' ? c - '0' + 52
                    : c == '+'             ? 62
                    : c == '/'             ? 63
                                           : -1;
        if (i >= text.size() - padding) {
            value = 0;
        }
        if (value < 0) {
            return std::nullopt;
        }
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        if (i % 4 == 3) {
            out += static_cast<char>(bits >> 16);
            out += static_cast<char>(bits >> 8);
            out += static_cast<char>(bits);
        }
    }
    out.resize(out.size() - padding);
    return out;
}

Result<void> check_data(const Json& data, const Descriptor& descriptor) {
    if (!data.is_string()) {
        return invalid("data of a descriptor is not a string");
    }
    auto bytes = base64_decode(data.get_ref<const std::string&>());
    if (!bytes) {
        return invalid("data of a descriptor is not base64");
    }
    if (bytes->size() != descriptor.size_bytes ||
        digest_of(descriptor.digest.algorithm(), *bytes) != descriptor.digest) {
        return invalid("data of a descriptor does not match its digest");
    }
    return {};
}

Result<bool> has_urls(const Json& object) {
    const auto* urls = member(object, "urls");
    if (!urls) {
        return false;
    }
    if (!urls->is_array()) {
        return invalid("urls of a descriptor is not a list");
    }
    for (const auto& url : *urls) {
        if (!url.is_string()) {
            return invalid("urls of a descriptor holds no string");
        }
    }
    return !urls->empty();
}

Result<void> check_annotations(const Json& object) {
    const auto* annotations = member(object, "annotations");
    if (!annotations) {
        return {};
    }
    if (!annotations->is_object()) {
        return invalid("annotations is not an object");
    }
    for (const auto& value : *annotations) {
        if (!value.is_string()) {
            return invalid("annotations holds a value that is no string");
        }
    }
    return {};
}

// Content that stays with its owner: "nondistributable" and Docker's
// "foreign" layers.
bool is_foreign(const std::string& media_type) {
    return media_type.starts_with(
               "application/vnd.oci.image.layer.nondistributable.v1.") ||
           media_type ==
               "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}

Result<ManifestReference> parse_descriptor(const Json& object, Kind kind,
                                           const char* where) {
    if (!object.is_object()) {
        return invalid(std::string(where) + " holds no descriptor");
    }
    ManifestReference reference;
    reference.kind = kind;
    auto& descriptor = reference.descriptor;
    LS_TRY(media_type, type_member(object, "mediaType"));
    if (media_type.empty()) {
        return invalid(std::string(where) + " has no mediaType");
    }
    descriptor.media_type = std::move(media_type);
    const auto* digest = member(object, "digest");
    if (!digest || !digest->is_string()) {
        return invalid(std::string(where) + " has no digest");
    }
    LS_TRY(parsed, Digest::parse(digest->get_ref<const std::string&>()));
    descriptor.digest = parsed;
    // nlohmann keeps what is not negative as unsigned.
    const auto* size = member(object, "size");
    constexpr auto kMaxSize =
        std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    if (!size || !size->is_number_unsigned() ||
        size->get<std::uint64_t>() > kMaxSize) {
        return invalid(std::string(where) + " has no valid size");
    }
    descriptor.size_bytes = size->get<std::uint64_t>();
    LS_TRY(urls, has_urls(object));
    LS_CHECK(check_annotations(object));
    if (const auto* data = member(object, "data")) {
        LS_CHECK(check_data(*data, descriptor));
    }
    reference.must_exist =
        kind != Kind::layer || !(urls || is_foreign(descriptor.media_type));
    return reference;
}

Result<void> add_list(const Json& body, const char* name, Kind kind,
                      ManifestFacts& facts) {
    const auto* list = member(body, name);
    if (!list) {
        return {};
    }
    if (!list->is_array()) {
        return invalid(std::string(name) + " is not a list");
    }
    for (const auto& item : *list) {
        LS_TRY(reference, parse_descriptor(item, kind, name));
        facts.references.push_back(std::move(reference));
    }
    return {};
}

Result<void> check_keys(const Json& body) {
    for (const auto& item : body.items()) {
        auto folded = to_lower(item.key());
        for (auto known : kKnownKeys) {
            if (item.key() != known && folded == to_lower(std::string(known))) {
                return invalid("key " + folded + " is not written " +
                               std::string(known));
            }
        }
    }
    return {};
}

// One document must not be an image to one reader and an index to another.
Result<void> check_confusion(const Json& body, Shape shape) {
    bool image = body.contains("layers") || body.contains("config") ||
                 body.contains("fsLayers") || body.contains("history");
    bool index = body.contains("manifests");
    if (index && (body.contains("layers") || body.contains("blobs") ||
                  body.contains("fsLayers") || shape == Shape::image ||
                  shape == Shape::artifact)) {
        return invalid("the manifest is both an index and not an index");
    }
    if (shape == Shape::index && image) {
        return invalid("the index has members of an image manifest");
    }
    return {};
}

Shape shape_of_body(const Json& body) {
    if (body.contains("manifests")) {
        return Shape::index;
    }
    return body.contains("config") && body.contains("layers") ? Shape::image
                                                              : Shape::unknown;
}

// The media type under which the manifest is kept, and that all sides agree
// on it.
Result<std::string> agree_on_type(const Json& body,
                                  std::string_view content_type) {
    auto pushed = content_type.substr(0, content_type.find(';'));
    while (pushed.ends_with(' ') || pushed.ends_with('\t')) {
        pushed.remove_suffix(1);
    }
    LS_TRY(own, type_member(body, "mediaType"));
    if (!pushed.empty() && !own.empty() && pushed != own) {
        return invalid("mediaType is " + own + " but Content-Type is " +
                       std::string(pushed));
    }
    std::string type = own.empty() ? std::string(pushed) : own;
    if (!type.empty()) {
        // Parameters are no part of the type: served with them as its
        // Content-Type, the manifest would contradict its own mediaType.
        if (!is_type_text(type) || type.find(';') != std::string::npos) {
            return invalid("the manifest's type is not a media type");
        }
        return type;
    }
    switch (shape_of_body(body)) {
        case Shape::image:
            return std::string(kTypes[0].media_type);
        case Shape::index:
            return std::string(kImageIndexType);
        default:
            return invalid("the manifest has no media type");
    }
}

Result<void> check_schema_version(const Json& body, Shape shape) {
    const auto* version = member(body, "schemaVersion");
    if (version && version->is_number_unsigned() &&
        version->get<std::uint64_t>() == 1) {
        return invalid("schema 1 manifests are not supported");
    }
    bool needed = shape == Shape::image || shape == Shape::index;
    if (needed && (!version || !version->is_number_unsigned() ||
                   version->get<std::uint64_t>() != 2)) {
        return invalid("schemaVersion is not 2");
    }
    return {};
}

Result<void> add_subject(const Json& body, ManifestFacts& facts) {
    if (const auto* subject = member(body, "subject")) {
        LS_TRY(reference, parse_descriptor(*subject, Kind::child, "subject"));
        facts.subject = reference.descriptor.digest;
    }
    return {};
}

Result<void> add_references(const Json& body, Shape shape,
                            ManifestFacts& facts) {
    if (const auto* config = member(body, "config")) {
        LS_TRY(reference, parse_descriptor(*config, Kind::config, "config"));
        if (shape == Shape::image && facts.artifact_type.empty()) {
            facts.artifact_type = reference.descriptor.media_type;
        }
        facts.references.push_back(std::move(reference));
    } else if (shape == Shape::image) {
        return invalid("the image manifest has no config");
    }
    LS_CHECK(add_list(body, "layers", Kind::layer, facts));
    LS_CHECK(add_list(body, "blobs", Kind::layer, facts));
    return add_list(body, "manifests", Kind::child, facts);
}

}  // namespace

Result<ManifestFacts> parse_manifest(std::string_view bytes,
                                     std::string_view content_type) {
    Bounds bounds;
    if (!Json::sax_parse(bytes.begin(), bytes.end(), &bounds)) {
        return invalid("the manifest cannot be read: " + bounds.problem());
    }
    auto body = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
    if (!body.is_object()) {
        return invalid("the manifest is not a JSON object");
    }
    LS_CHECK(check_keys(body));
    ManifestFacts facts;
    LS_TRY(media_type, agree_on_type(body, content_type));
    facts.media_type = std::move(media_type);
    auto shape = shape_of(facts.media_type);
    if (shape == Shape::refused) {
        return invalid("schema 1 manifests are not supported");
    }
    LS_CHECK(check_schema_version(body, shape));
    LS_CHECK(check_confusion(body, shape));
    LS_TRY(artifact_type, type_member(body, "artifactType"));
    facts.artifact_type = std::move(artifact_type);
    LS_CHECK(check_annotations(body));
    if (const auto* annotations = member(body, "annotations")) {
        facts.annotations = annotations->dump();
    }
    LS_CHECK(add_subject(body, facts));
    auto added = add_references(body, shape, facts);
    if (shape == Shape::unknown) {
        // Its members may mean anything: keep what can be read.
        for (auto& reference : facts.references) {
            reference.must_exist = false;
        }
    } else {
        LS_CHECK(added);
    }
    return facts;
}

}  // namespace longshore
