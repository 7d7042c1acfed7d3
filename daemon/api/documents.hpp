// Documents: accounts and rights as JSON, the same for the API and for
// registryctl, and the schemas that say so. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/schema.hpp"
#include "auth/accounts.hpp"

namespace longshore::api {

extern const Schema kPrincipal;  // user or service account
extern const Schema kGroup;
extern const Schema kToken;
extern const Schema kCertificate;
extern const Schema kGrant;
extern const Schema kVisibility;
extern const Schema kIssuer;
extern const Schema kIssuerRule;
extern const Schema kProblem;

// Fields that several schemas and parameters have.
inline constexpr std::array<std::string_view, 4> kActionWords = {
    "pull", "push", "delete", "admin"};
inline constexpr std::array<std::string_view, 2> kVisibilityWords = {"public",
                                                                     "private"};
inline constexpr Field kActionsField{.name = "actions",
                                     .kind = FieldKind::words,
                                     .description = "admin implies the others",
                                     .example = R"(["pull","push"])",
                                     .max = 4,
                                     .words = kActionWords};
inline constexpr Field kVisibilityField{
    .name = "visibility",
    .kind = FieldKind::word,
    .description = "public: everybody may pull",
    .example = R"("public")",
    .words = kVisibilityWords};
inline constexpr Field kPatternField{
    .name = "pattern",
    .kind = FieldKind::text,
    .description = "repositories: * is any text without /, ** any text",
    .example = R"("team/**")",
    .max = 255,
    .format = "^[a-z0-9._/*-]+$"};
inline constexpr Field kNameField{
    .name = "name",
    .kind = FieldKind::text,
    .description = "letters, digits and . _ - @ +",
    .example = R"("alice")",
    .max = 128,
    .format = "^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$"};

/// The same under another name, and needed or not.
constexpr Field renamed(Field field, std::string_view name,
                        std::string_view description, bool required) {
    field.name = name;
    field.description = description;
    field.required = required;
    return field;
}

Json principal_json(const PrincipalInfo& info);
Json token_json(const ApiTokenInfo& token, std::int64_t now_ms);
Json certificate_json(const CertificateInfo& certificate);
Json grant_json(const std::string& principal, const std::string& pattern,
                ActionSet actions);
Json visibility_json(const VisibilityInfo& rule);

/// RFC 3339 in UTC, of whole seconds; null for 0.
Json time_json(std::int64_t ms);
/// The time of such a text ("2027-12-31T00:00:00Z"); also with a fraction,
/// which is dropped. @errors invalid_argument
Result<std::int64_t> parse_time(std::string_view text);

Json actions_json(ActionSet actions);
/// From a list of words that was checked. @errors invalid_argument (none)
Result<ActionSet> read_actions(const Json& words);

}  // namespace longshore::api
