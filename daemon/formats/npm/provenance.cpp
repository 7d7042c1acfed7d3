#include "formats/npm/provenance.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/encoding.hpp"
#include "common/oci_error.hpp"
#include "common/text.hpp"
#include "formats/npm/body.hpp"
#include "syntax/base64_stream.hpp"

namespace longshore::npm {
namespace {

using nlohmann::json;

// Null if it is not there.
json member(const json& object, const char* name) {
    return object.is_object() ? object.value(name, json()) : json();
}

std::string text_member(const json& object, const char* name) {
    auto value = member(object, name);
    return value.is_string() ? value.get<std::string>() : std::string();
}

// "pkg:npm/%40scope/name@1.0.0"
std::string package_url(std::string_view name, std::string_view version) {
    return "pkg:npm/" + percent_encode(name, "/") + "@" +
           percent_encode(version);
}

bool is_about(const json& subject, std::string_view url,
              std::string_view sha512_hex) {
    auto name = percent_decode(text_member(subject, "name"));
    return name && *name == percent_decode(url) &&
           equal_ignoring_case(text_member(member(subject, "digest"), "sha512"),
                               sha512_hex);
}

}  // namespace

Result<Provenance> read_provenance(std::string_view bundle,
                                   std::string_view name,
                                   std::string_view version,
                                   std::string_view sha512_hex) {
    LS_TRY(outer, read_object(bundle));
    auto envelope = member(outer, "dsseEnvelope");
    LS_TRY(payload, base64_decode(text_member(envelope, "payload")));
    LS_TRY(statement, read_object(payload));
    auto type = text_member(statement, "predicateType");
    auto subjects = member(statement, "subject");
    auto url = package_url(name, version);
    bool about = subjects.is_array() && subjects.size() == 1 &&
                 is_about(subjects[0], url, sha512_hex);
    if (!about || type.empty()) {
        return Error{Code::invalid_argument,
                     "the provenance is not about these bytes of " +
                         std::string(name) + " " + std::string(version)};
    }
    Provenance out;
    out.document = "{\"attestations\":[{\"predicateType\":" + json_quote(type);
    out.document.append(",\"bundle\":").append(bundle).append("}]}");
    out.predicate_type = std::move(type);
    return out;
}

}  // namespace longshore::npm
