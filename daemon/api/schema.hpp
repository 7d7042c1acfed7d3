// Schemas: what a document has, said once. Requests are checked against them,
// and the OpenAPI document is made of them. Constant data; pure functions.
// Specification: JSON Schema 2020-12, as OpenAPI 3.1 takes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "api/body.hpp"
#include "common/result.hpp"

namespace longshore::api {

enum class FieldKind : std::uint8_t {
    text,
    secret,  // text that no answer ever has, but once
    word,    // one of `words`
    flag,
    number,   // integer, not negative
    time,     // RFC 3339 in UTC
    texts,    // array of text
    words,    // array of `words`, each once
    object,   // as `of`
    objects,  // array of those
    free      // an object that is somebody else's
};

struct Schema;

struct Field {
    std::string_view name = {};
    FieldKind kind = FieldKind::text;
    std::string_view description = {};
    std::string_view example = {};  // JSON; of an object that of its schema
    bool required = true;
    bool nullable = false;
    std::size_t max = 0;           // bytes of a text, entries of an array
    std::string_view format = {};  // a regular expression, for the document
    std::span<const std::string_view> words = {};
    const Schema* of = nullptr;
};

struct Schema {
    std::string_view name;
    std::string_view description;
    std::span<const Field> fields;
};

/// Whether a request's body is as the schema says, without anything else.
/// @errors invalid_argument (`detail` is the JSON pointer of the member)
Result<void> check(const Json& body, const Schema& schema);

/// As JSON Schema, with references to `#/components/schemas/…`. `closed`: of
/// a request, which may have nothing else; answers get more members later.
Json schema_json(const Schema& schema, bool closed);
/// Of one field alone, as for a parameter.
Json field_json(const Field& field);
/// A document that is as the schema says.
Json example_of(const Schema& schema);

}  // namespace longshore::api
