#include "api/schema.hpp"

#include <algorithm>
#include <string>

namespace longshore::api {
namespace {

Error wrong(std::string_view name, const std::string& what) {
    return {Code::invalid_argument,
            "\"" + std::string(name) + "\" " + what,
            {},
            "/" + std::string(name)};
}

bool is_word(const Field& field, const Json& value) {
    return value.is_string() &&
           std::find(field.words.begin(), field.words.end(),
                     value.get_ref<const std::string&>()) != field.words.end();
}

std::string word_list(const Field& field) {
    std::string out;
    for (auto word : field.words) {
        out += out.empty() ? "" : ", ";
        out += word;
    }
    return out;
}

Result<void> check_list(const Field& field, const Json& value) {
    bool words = field.kind == FieldKind::words;
    if (!value.is_array() || value.size() > field.max) {
        return wrong(field.name, "is to be a list of at most " +
                                     std::to_string(field.max) + " texts");
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (words && !is_word(field, value[i])) {
            return wrong(field.name, "may have: " + word_list(field));
        }
        if (!value[i].is_string()) {
            return wrong(field.name, "is to be a list of texts");
        }
        if (words && std::count(value.begin(), value.end(), value[i]) > 1) {
            return wrong(field.name, "has a word twice");
        }
    }
    return {};
}

Result<void> check_objects(const Field& field, const Json& value) {
    if (!value.is_array() || value.size() > field.max) {
        return wrong(field.name, "is to be a list of at most " +
                                     std::to_string(field.max) + " objects");
    }
    for (const auto& one : value) {
        LS_CHECK(check(one, *field.of));
    }
    return {};
}

Result<void> check_value(const Field& field, const Json& value) {
    if (field.nullable && value.is_null()) {
        return {};
    }
    switch (field.kind) {
        case FieldKind::text:
        case FieldKind::secret:
        case FieldKind::time:
            if (!value.is_string()) {
                return wrong(field.name, "is to be a text");
            }
            if (value.get_ref<const std::string&>().size() > field.max) {
                return wrong(
                    field.name,
                    "is longer than " + std::to_string(field.max) + " bytes");
            }
            return {};
        case FieldKind::word:
            return is_word(field, value)
                       ? Result<void>()
                       : wrong(field.name, "is one of: " + word_list(field));
        case FieldKind::flag:
            return value.is_boolean()
                       ? Result<void>()
                       : wrong(field.name, "is to be true or false");
        case FieldKind::number:
            return value.is_number_integer() && value.get<std::int64_t>() >= 0
                       ? Result<void>()
                       : wrong(field.name, "is to be a number");
        case FieldKind::texts:
        case FieldKind::words:
            return check_list(field, value);
        case FieldKind::objects:
            return check_objects(field, value);
        case FieldKind::free:
            return value.is_object() ? Result<void>()
                                     : wrong(field.name, "is to be an object");
        case FieldKind::object:
            break;
    }
    return wrong(field.name, "cannot be given");
}

Json reference(const Schema& schema) {
    return {{"$ref", "#/components/schemas/" + std::string(schema.name)}};
}

Json words_json(const Field& field) {
    Json words = Json::array();
    for (auto word : field.words) {
        words.push_back(word);
    }
    return words;
}

Json kind_json(const Field& field) {
    Json out;
    switch (field.kind) {
        case FieldKind::word:
            return {{"type", "string"}, {"enum", words_json(field)}};
        case FieldKind::flag:
            return {{"type", "boolean"}};
        case FieldKind::number:
            return {{"type", "integer"}, {"minimum", 0}};
        case FieldKind::words:
            return {
                {"type", "array"},
                {"uniqueItems", true},
                {"items", {{"type", "string"}, {"enum", words_json(field)}}}};
        case FieldKind::object:
            return reference(*field.of);
        case FieldKind::objects:
            out = {{"type", "array"}, {"items", reference(*field.of)}};
            if (field.max != 0) {
                out["maxItems"] = field.max;
            }
            return out;
        case FieldKind::free:
            return {{"type", "object"}};
        case FieldKind::texts:
            out = {{"type", "array"}, {"items", {{"type", "string"}}}};
            if (field.max != 0) {
                out["maxItems"] = field.max;
            }
            return out;
        case FieldKind::text:
        case FieldKind::secret:
        case FieldKind::time:
            break;
    }
    out = {{"type", "string"}};
    if (field.kind == FieldKind::time) {
        out["format"] = "date-time";
        return out;
    }
    if (field.kind == FieldKind::secret) {
        out["format"] = "password";
    }
    if (field.max != 0) {
        out["maxLength"] = field.max;
    }
    if (!field.format.empty()) {
        out["pattern"] = field.format;
    }
    return out;
}

Json example_value(const Field& field) {
    if (field.kind == FieldKind::object) {
        return example_of(*field.of);
    }
    if (field.kind == FieldKind::objects) {
        return Json::array({example_of(*field.of)});
    }
    return Json::parse(field.example);
}

}  // namespace

Result<void> check(const Json& body, const Schema& schema) {
    if (!body.is_object()) {
        return Error{Code::invalid_argument, "the body is to be an object"};
    }
    for (const auto& [name, value] : body.items()) {
        const auto* field = std::find_if(
            schema.fields.data(), schema.fields.data() + schema.fields.size(),
            [&, &wanted = name](const Field& one) {
                return one.name == wanted;
            });
        if (field == schema.fields.data() + schema.fields.size()) {
            // The name may be anything; it is not repeated.
            return Error{Code::invalid_argument,
                         "there is a member that is not known here"};
        }
        LS_CHECK(check_value(*field, value));
    }
    for (const auto& field : schema.fields) {
        if (field.required && !body.contains(field.name)) {
            return wrong(field.name, "is missing");
        }
    }
    return {};
}

Json field_json(const Field& field) {
    auto out = kind_json(field);
    if (field.nullable) {
        if (out.contains("$ref")) {
            out = {{"anyOf", Json::array({out, {{"type", "null"}}})}};
        } else {
            out["type"] = Json::array({out["type"], "null"});
        }
    }
    if (!field.description.empty()) {
        out["description"] = field.description;
    }
    return out;
}

Json schema_json(const Schema& schema, bool closed) {
    Json properties = Json::object();
    Json required = Json::array();
    for (const auto& field : schema.fields) {
        properties[std::string(field.name)] = field_json(field);
        if (field.required) {
            required.push_back(field.name);
        }
    }
    Json out = {{"type", "object"},
                {"description", schema.description},
                {"properties", properties}};
    if (closed) {
        out["additionalProperties"] = false;
    }
    if (!required.empty()) {
        out["required"] = required;
    }
    return out;
}

Json example_of(const Schema& schema) {
    Json out = Json::object();
    for (const auto& field : schema.fields) {
        out[std::string(field.name)] = example_value(field);
    }
    return out;
}

}  // namespace longshore::api
