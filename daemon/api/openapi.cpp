// The OpenAPI document, from the table of routes alone.
// Specification: OpenAPI 3.1.
#include <map>
#include <string>

#include "api/documents.hpp"
#include "api/route.hpp"

namespace longshore::api {
namespace {

std::string lower(std::string_view text) {
    std::string out;
    for (char c : text) {
        out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return out;
}

std::string operation_id(const Route& route) {
    auto id = lower(method_name(route.method));
    for (char c : route.pattern) {
        bool plain = (c >= 'a' && c <= 'z') || c == '.';
        if (plain) {
            id += c == '.' ? '_' : c;
        } else if (id.back() != '_') {
            id += '_';
        }
    }
    if (id.back() == '_') {
        id.pop_back();
    }
    return id;
}

std::string_view right_word(Right right) {
    switch (right) {
        case Right::everybody:
            return "everybody";
        case Right::self:
            return "self";
        case Right::administrator:
            return "administrator";
        case Right::reader:
            return "reader";
        case Right::repository:
            return "repository";
        case Right::none:
            break;
    }
    return "none";
}

Json problem(std::string_view description) {
    return {{"description", description},
            {"content",
             {{"application/problem+json",
               {{"schema", {{"$ref", "#/components/schemas/Problem"}}}}}}}};
}

Json parameters(const Route& route) {
    Json list = Json::array();
    for (auto name : path_parameters(route.pattern)) {
        list.push_back({{"name", name},
                        {"in", "path"},
                        {"required", true},
                        {"schema", {{"type", "string"}}}});
    }
    for (const auto& field : route.query) {
        auto schema = field_json(field);
        schema.erase("description");
        list.push_back({{"name", field.name},
                        {"in", "query"},
                        {"required", field.required},
                        {"description", field.description},
                        {"schema", schema},
                        {"example", Json::parse(field.example)}});
    }
    if (route.conditional && route.method != Method::get) {
        list.push_back({{"name", "If-Match"},
                        {"in", "header"},
                        {"required", false},
                        {"description",
                         "the ETag of what was looked at; 412 if anything of "
                         "the policy was changed since"},
                        {"schema", {{"type", "string"}}}});
    }
    return list;
}

Json content(const Schema& schema) {
    return {{"application/json",
             {{"schema",
               {{"$ref", "#/components/schemas/" + std::string(schema.name)}}},
              {"example", example_of(schema)}}}};
}

Json responses(const Route& route) {
    Json success = {{"description", route.status == 201   ? "made"
                                    : route.status == 204 ? "done"
                                                          : "the answer"}};
    if (route.response != nullptr) {
        success["content"] = content(*route.response);
    } else if (route.status == 200) {
        success["content"] = {
            {"application/json", {{"schema", {{"type", "object"}}}}}};
    }
    Json all = Json::object();
    all[std::to_string(route.status)] = success;
    if (route.conditional && route.method == Method::get) {
        all["304"] = {{"description", "as If-None-Match says"}};
    }
    all["401"] = problem("no credential, or not a good one");
    if (route.right != Right::everybody) {
        all["403"] = problem("no such right, or not with this credential");
    }
    if (!path_parameters(route.pattern).empty()) {
        all["404"] = problem("there is no such thing");
    }
    if (route.conditional && route.method != Method::get) {
        all["412"] = problem("something was changed since it was looked at");
    }
    if (route.request != nullptr) {
        all["400"] = problem("the body is no JSON");
        all["413"] = problem("the body is too large");
        all["415"] = problem("the body is not application/json");
    }
    if (route.request != nullptr || !route.query.empty() ||
        !path_parameters(route.pattern).empty()) {
        all["422"] = problem("a member or parameter is wrong; see pointer");
    }
    all["default"] = problem("429, 503 … with Retry-After");
    return all;
}

Json operation(const Route& route) {
    auto tag = route.pattern.substr(1);
    tag = tag.substr(0, tag.find('/'));
    Json out = {{"operationId", operation_id(route)},
                {"summary", route.summary},
                {"tags", Json::array({tag})},
                {"x-right", right_word(route.right)}};
    if (route.action != Action::none) {
        out["x-action"] = action_name(route.action);
    }
    if (route.right == Right::everybody) {
        out["security"] = Json::array();
    }
    if (auto list = parameters(route); !list.empty()) {
        out["parameters"] = list;
    }
    if (route.request != nullptr) {
        out["requestBody"] = {{"required", true},
                              {"content", content(*route.request)}};
    }
    out["responses"] = responses(route);
    return out;
}

void add_schemas(const Schema* schema, bool closed,
                 std::map<std::string, Json>& all) {
    if (schema == nullptr) {
        return;
    }
    all.emplace(schema->name, schema_json(*schema, closed));
    for (const auto& field : schema->fields) {
        add_schemas(field.of, closed, all);
    }
}

}  // namespace

Json openapi(std::span<const Route> table, std::string_view base,
             std::string_view version) {
    std::map<std::string, Json> schemas;
    add_schemas(&kProblem, false, schemas);
    Json paths = Json::object();
    for (const auto& route : table) {
        add_schemas(route.request, true, schemas);
        add_schemas(route.response, false, schemas);
        paths[std::string(route.pattern)][lower(method_name(route.method))] =
            operation(route);
    }
    return {
        {"openapi", "3.1.0"},
        {"info",
         {{"title", "Longshore"},
          {"version", version},
          {"description",
           "Accounts and rights of a registry, and its repositories of "
           "packages. x-right says who may: everybody, whoever has logged in "
           "(self), who has admin on ** (administrator), everybody for what "
           "it may pull from (reader), or who may do x-action on the "
           "repository (repository)."}}},
        {"servers", Json::array({{{"url", base}}})},
        {"security", Json::array({{{"basic", Json::array()}},
                                  {{"token", Json::array()}},
                                  {{"certificate", Json::array()}}})},
        {"paths", paths},
        {"components",
         {{"schemas", schemas},
          {"securitySchemes",
           {{"basic", {{"type", "http"}, {"scheme", "basic"}}},
            {"token", {{"type", "http"}, {"scheme", "bearer"}}},
            {"certificate", {{"type", "mutualTLS"}}}}}}},
    };
}

}  // namespace longshore::api
