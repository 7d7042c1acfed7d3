#include "auth/login_counts.hpp"

#include "auth/authorizer.hpp"

namespace longshore {
namespace {

constexpr std::array kKinds = {
    CredentialKind::password,       CredentialKind::api_token,
    CredentialKind::access_token,   CredentialKind::certificate,
    CredentialKind::external_token, CredentialKind::malformed};
constexpr std::array<std::pair<LoginOutcome, std::string_view>, 5> kOutcomes = {
    {{LoginOutcome::accepted, "accepted"},
     {LoginOutcome::refused, "refused"},
     {LoginOutcome::locked, "locked"},
     {LoginOutcome::limited, "limited"},
     {LoginOutcome::busy, "busy"}}};

void family(std::string& out, std::string_view name, std::string_view help) {
    out += "# TYPE registryd_" + std::string(name) + " counter\n";
    out += "# HELP registryd_" + std::string(name) + " " + std::string(help) +
           "\n";
}

}  // namespace

std::string LoginCounts::open_metrics() const {
    std::string out;
    family(out, "logins",
           "Credentials looked at, by kind and by what became of them.");
    for (auto kind : kKinds) {
        for (const auto& [outcome, word] : kOutcomes) {
            auto count = counts_[static_cast<std::size_t>(kind)]
                                [static_cast<std::size_t>(outcome)]
                                    .load(std::memory_order_relaxed);
            out += "registryd_logins_total{credential=\"" +
                   std::string(credential_name(kind)) + "\",outcome=\"" +
                   std::string(word) + "\"} " + std::to_string(count) + "\n";
        }
    }
    family(out, "rate_limited", "Requests refused because of their rate.");
    for (std::size_t i = 0; i < rate_limited_.size(); ++i) {
        out += std::string("registryd_rate_limited_total{by=\"") +
               (i == 1 ? "principal" : "address") + "\"} " +
               std::to_string(rate_limited_[i].load()) + "\n";
    }
    family(out, "tokens_issued", "Access tokens made.");
    out += "registryd_tokens_issued_total " + std::to_string(issued_.load()) +
           "\n";
    return out;
}

}  // namespace longshore
