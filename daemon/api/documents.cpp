#include "api/documents.hpp"

#include <array>
#include <ctime>

#include "common/range.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::array<std::string_view, 2> kLogsIn = {"user", "service"};
constexpr std::array<std::string_view, 1> kGroups = {"group"};
constexpr std::array<std::string_view, 3> kTokenStates = {"active", "expired",
                                                          "revoked"};
constexpr std::string_view kTime = "\"2027-01-31T09:30:00Z\"";
constexpr std::string_view kFingerprint =
    "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";

constexpr Field kCreated{"created", K::time, "when it was made",
                         kTime,     true,    true};

constexpr std::array kPrincipalFields = {
    Field{.name = "kind",
          .kind = K::word,
          .description = "what it is",
          .example = "\"user\"",
          .words = kLogsIn},
    Field{"name", K::text, "its name", "\"alice\""},
    Field{"disabled", K::flag, "no credential of it is taken", "false"},
    kCreated,
    Field{"source", K::text, "where it comes from: local, htpasswd …",
          "\"local\""},
    Field{"password", K::flag, "whether it has one", "true"},
    Field{"groups", K::texts, "groups that it is a member of", "[\"devs\"]"},
};

constexpr std::array kGroupFields = {
    Field{.name = "kind",
          .kind = K::word,
          .description = "what it is",
          .example = "\"group\"",
          .words = kGroups},
    Field{"name", K::text, "its name", "\"devs\""},
    Field{"disabled", K::flag, "its members have nothing by it", "false"},
    kCreated,
    Field{"members", K::texts, "users and service accounts", "[\"alice\"]"},
};

constexpr std::array kTokenFields = {
    Field{"id", K::text, "its public part", "\"Ab12Cd34\""},
    Field{"principal", K::text, "whose it is", "\"alice\""},
    Field{"name", K::text, "what it is for", "\"ci of team/app\""},
    Field{.name = "state",
          .kind = K::word,
          .description = "only an active one is good for anything",
          .example = "\"active\"",
          .words = kTokenStates},
    kActionsField,
    Field{"repositories", K::texts, "patterns; none: every repository",
          "[\"team/**\"]"},
    kCreated,
    Field{"expires", K::time, "null: never", kTime, true, true},
    Field{"used", K::time, "when it was used last, to some seconds", "null",
          true, true},
    Field{"revoked", K::time, "when it was revoked", "null", true, true},
};

constexpr std::array kCertificateFields = {
    Field{"fingerprint", K::text, "SHA-256 of the certificate, hex",
          kFingerprint},
    Field{"principal", K::text, "who logs in by it", "\"alice\""},
    kCreated,
};

constexpr std::array kGrantFields = {
    Field{"principal", K::text,
          "a user, service account or group, anonymous or authenticated",
          "\"devs\""},
    Field{"pattern", K::text, "repositories", "\"team/**\""},
    kActionsField,
};

constexpr std::array kVisibilityFields = {
    Field{"pattern", K::text, "repositories", "\"public/**\""},
    kVisibilityField,
};

constexpr std::array kProblemFields = {
    Field{"type", K::text, "always about:blank", "\"about:blank\""},
    Field{"title", K::text, "the status in words", "\"Not Found\""},
    Field{"status", K::number, "the status", "404"},
    Field{"detail", K::text, "what is wrong",
          "\"there is no principal \\\"bob\\\"\""},
    Field{"code", K::text, "the same for programs", "\"not_found\""},
    Field{.name = "pointer",
          .kind = K::text,
          .description = "JSON pointer of the member that is wrong",
          .example = "\"/name\"",
          .required = false},
};

const char* token_state(const ApiTokenInfo& token, std::int64_t now_ms) {
    if (token.revoked_at_ms != 0) {
        return "revoked";
    }
    bool over = token.expires_at_ms != 0 && token.expires_at_ms <= now_ms;
    return over ? "expired" : "active";
}

}  // namespace

const Schema kPrincipal{"Principal", "A user or service account.",
                        kPrincipalFields};
const Schema kGroup{"Group", "Its members have what it is granted.",
                    kGroupFields};
const Schema kToken{"Token", "An API token, without its secret.", kTokenFields};
const Schema kCertificate{"Certificate", "A client certificate.",
                          kCertificateFields};
const Schema kGrant{"Grant", "Actions on repositories for a principal.",
                    kGrantFields};
const Schema kVisibility{"Visibility", "Who may pull without any grant.",
                         kVisibilityFields};
const Schema kProblem{"Problem", "What went wrong (RFC 9457).", kProblemFields};

Json principal_json(const PrincipalInfo& info) {
    Json body = {{"kind", kind_name(info.kind)},
                 {"name", info.name},
                 {"disabled", info.disabled},
                 {"created", time_json(info.created_at_ms)}};
    if (info.kind == PrincipalKind::group) {
        body["members"] = info.members;
    } else {
        body["source"] = info.source;
        body["password"] = info.has_password;
        body["groups"] = info.groups;
    }
    return body;
}

Json token_json(const ApiTokenInfo& token, std::int64_t now_ms) {
    return {{"id", token.id},
            {"principal", token.principal},
            {"name", token.name},
            {"state", token_state(token, now_ms)},
            {"actions", actions_json(token.actions)},
            {"repositories", token.patterns},
            {"created", time_json(token.created_at_ms)},
            {"expires", time_json(token.expires_at_ms)},
            {"used", time_json(token.used_at_ms)},
            {"revoked", time_json(token.revoked_at_ms)}};
}

Json certificate_json(const CertificateInfo& certificate) {
    return {{"fingerprint", certificate.fingerprint},
            {"principal", certificate.principal},
            {"created", time_json(certificate.created_at_ms)}};
}

Json grant_json(const std::string& principal, const std::string& pattern,
                ActionSet actions) {
    return {{"principal", principal},
            {"pattern", pattern},
            {"actions", actions_json(actions)}};
}

Json visibility_json(const VisibilityInfo& rule) {
    return {{"pattern", rule.pattern},
            {"visibility", rule.is_public ? "public" : "private"}};
}

Json time_json(std::int64_t ms) {
    auto seconds = static_cast<std::time_t>(ms / 1000);
    std::tm parts{};
    std::array<char, 32> text{};
    if (ms == 0 || ::gmtime_r(&seconds, &parts) == nullptr) {
        return nullptr;
    }
    auto length = std::strftime(text.data(), text.size(), "%FT%TZ", &parts);
    return std::string(text.data(), length);
}

Result<std::int64_t> parse_time(std::string_view text) {
    constexpr std::string_view kForm = "0000-00-00T00:00:00";
    Error bad{Code::invalid_argument,
              "a time is RFC 3339 in UTC, such as 2027-12-31T00:00:00Z"};
    auto head = text.substr(0, kForm.size());
    auto rest = text.substr(head.size());
    if (rest.size() > 1 && rest.front() == '.') {
        rest.remove_prefix(1);
        rest.remove_prefix(
            std::min(rest.find_first_not_of("0123456789"), rest.size()));
    }
    if (head.size() != kForm.size() || rest != "Z") {
        return bad;
    }
    for (std::size_t i = 0; i < kForm.size(); ++i) {
        bool digit = head[i] >= '0' && head[i] <= '9';
        if (kForm[i] == '0' ? !digit : head[i] != kForm[i]) {
            return bad;
        }
    }
    auto number = [&](std::size_t at, std::size_t n) {
        return static_cast<int>(parse_decimal(head.substr(at, n)).value_or(0));
    };
    std::tm wanted{};
    wanted.tm_year = number(0, 4) - 1900;
    wanted.tm_mon = number(5, 2) - 1;
    wanted.tm_mday = number(8, 2);
    wanted.tm_hour = number(11, 2);
    wanted.tm_min = number(14, 2);
    wanted.tm_sec = number(17, 2);
    auto given = wanted;
    auto seconds = ::timegm(&wanted);
    // The 31st of February is no day, and 25 o'clock no hour.
    if (seconds <= 0 || wanted.tm_mon != given.tm_mon ||
        wanted.tm_mday != given.tm_mday || wanted.tm_hour != given.tm_hour ||
        wanted.tm_min != given.tm_min || wanted.tm_sec != given.tm_sec) {
        return bad;
    }
    return static_cast<std::int64_t>(seconds) * 1000;
}

Json actions_json(ActionSet actions) {
    Json list = Json::array();
    for (auto action :
         {Action::pull, Action::push, Action::remove, Action::admin}) {
        if ((actions.bits() & ActionSet(action).bits()) != 0) {
            list.push_back(action_name(action));
        }
    }
    return list;
}

Result<ActionSet> read_actions(const Json& words) {
    std::string text;
    for (const auto& word : words) {
        text += text.empty() ? "" : ",";
        text += word.get_ref<const std::string&>();
    }
    return ActionSet::parse(text);
}

}  // namespace longshore::api
