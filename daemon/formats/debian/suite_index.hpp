// The documents of one suite: dists/<suite>/… . Used by one thread.
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"
#include "registry/index_context.hpp"

namespace longshore::debian {

/// Switches of a repository; what its settings do not say has these values.
struct SuiteSettings {
    std::string origin;  // "": the repository's key
    std::string label;
    std::string description;
    std::vector<std::string> architectures;  // beside those that have packages
    std::int64_t valid_for_days = 14;        // 0: for ever
};

/// @errors invalid_argument
Result<SuiteSettings> read_settings(std::string_view json);

/// After that time a Release is made anew although nothing changed; 0: never.
std::int64_t renew_after_ms(const SuiteSettings& settings);

/// The document that is there while some indexes of a large suite lag behind,
/// since when; and how long that may last.
std::string late_path(std::string_view suite);
inline constexpr std::int64_t kMaxLateMs = 3'600'000;

/// "dists/<suite>/<name>"
std::string document_path(std::string_view suite, std::string_view name);

/// @errors those of the IndexContext and its Signer; unavailable without one
Result<void> make_suite(IndexContext& ctx, std::string_view suite);

}  // namespace longshore::debian
