#include "auth/claim_rule.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "common/oci_path.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    });
}

bool is_path(std::string_view path) {
    return !path.empty() && is_printable(path) &&
           path.find_first_of("={}*") == std::string_view::npos;
}

// A claim's value as text; nullopt for what has none.
std::optional<std::string> value_text(const Json& value) {
    if (value.is_string()) {
        return value.get<std::string>();
    }
    if (value.is_boolean()) {
        return value.get<bool>() ? "true" : "false";
    }
    if (value.is_number_unsigned()) {
        return std::to_string(value.get<std::uint64_t>());
    }
    if (value.is_number_integer()) {
        return std::to_string(value.get<std::int64_t>());
    }
    return std::nullopt;
}

bool value_matches(const Json& value, std::string_view pattern) {
    auto text = value_text(value);
    return text && text->size() <= kMaxCondition &&
           text_matches(pattern, *text);
}

}  // namespace

// Which beginnings of the text the pattern so far can have taken, as a set:
// each character of the pattern makes the next set, so no pattern takes long.
bool text_matches(std::string_view pattern, std::string_view text) {
    auto literal = std::min(pattern.find('*'), pattern.size());
    if (pattern.substr(0, literal) != text.substr(0, literal)) {
        return false;
    }
    if (literal == pattern.size()) {
        return text.size() == literal;
    }
    text.remove_prefix(literal);
    std::vector<char> taken(text.size() + 1);
    taken[0] = 1;
    for (auto at = literal; at < pattern.size(); ++at) {
        std::vector<char> next(text.size() + 1);
        if (pattern[at] != '*') {
            for (std::size_t i = 0; i < text.size(); ++i) {
                next[i + 1] = taken[i] != 0 && text[i] == pattern[at];
            }
        } else {
            bool any = at + 1 < pattern.size() && pattern[at + 1] == '*';
            at += any ? 1 : 0;
            for (std::size_t i = 0; i <= text.size(); ++i) {
                bool onward =
                    i > 0 && next[i - 1] != 0 && (any || text[i - 1] != '/');
                next[i] = taken[i] != 0 || onward;
            }
        }
        taken.swap(next);
    }
    return taken[text.size()] != 0;
}

const Json* find_claim(const Json& claims, std::string_view path) {
    const auto* at = &claims;
    while (!path.empty()) {
        if (!at->is_object()) {
            return nullptr;
        }
        const Json* next = nullptr;
        auto end = path.size();
        while (next == nullptr) {
            auto found = at->find(std::string(path.substr(0, end)));
            if (found != at->end()) {
                next = &*found;
            } else if (auto dot = path.rfind('.', end - 1);
                       end > 0 && dot != std::string_view::npos && dot > 0) {
                end = dot;
            } else {
                return nullptr;
            }
        }
        at = next;
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return at;
}

// Condition

Result<Condition> Condition::parse(std::string_view text) {
    auto equals = std::min(text.find('='), text.size());
    auto path = text.substr(0, equals);
    auto pattern = text.substr(std::min(equals + 1, text.size()));
    if (text.size() > kMaxCondition || !is_path(path) || path.back() == '.' ||
        pattern.empty() || !is_printable(pattern)) {
        return bad(
            "a condition is CLAIM=PATTERN, such as repository=acme/*; members "
            "of a claim with dots between");
    }
    if (pattern.find("***") != std::string_view::npos) {
        return bad("in a pattern * is any text without \"/\", ** any text");
    }
    return Condition(std::string(path), std::string(pattern));
}

bool Condition::holds(const Json& claims) const {
    const auto* value = find_claim(claims, path_);
    if (value == nullptr) {
        return false;
    }
    if (value->is_array()) {
        return std::any_of(value->begin(), value->end(), [&](const Json& each) {
            return value_matches(each, pattern_);
        });
    }
    return value_matches(*value, pattern_);
}

// ClaimPattern

Result<ClaimPattern> ClaimPattern::parse(std::string_view text) {
    ClaimPattern made;
    made.text_ = text;
    std::string sample;  // as if every claim were "x"
    std::size_t deep = 0;
    bool more = true;
    while (more) {
        auto end = std::min(text.find('/'), text.size());
        // A claim's path may have a "/" in it.
        if (text.starts_with('{')) {
            end = std::min(text.find('}'), text.size() - 1) + 1;
        }
        auto part = text.substr(0, end);
        more = end < text.size();
        if (more && text[end] != '/') {
            return bad(
                "a claim takes a whole part of a repository's name: "
                "ci/{claim}/**");
        }
        text.remove_prefix(std::min(end + 1, text.size()));
        if (part.empty()) {
            return bad("a part of the pattern is empty");
        }
        Segment segment{std::string(part)};
        if (part.starts_with('{')) {
            auto path = part.substr(1, part.size() - 2);
            segment.claim = part.ends_with('}');
            segment.deep = path.starts_with("**");
            path.remove_prefix(segment.deep ? 2 : 0);
            deep += segment.deep ? 1 : 0;
            segment.text = path;
            if (!segment.claim || !is_path(path) || deep > 1) {
                return bad(
                    "a claim is inserted as {claim} (one part of a name) or "
                    "once as {**claim} (one or more)");
            }
        }
        sample += sample.empty() ? "" : "/";
        sample += segment.claim ? std::string_view("x") : part;
        made.segments_.push_back(std::move(segment));
    }
    LS_TRY(pattern, Pattern::parse(sample));
    static_cast<void>(pattern);
    if (made.text_.size() > kMaxCondition ||
        made.text_.find(' ') != made.text_.npos) {
        return bad("a pattern has no space, and at most 1024 characters");
    }
    return made;
}

std::optional<Pattern> ClaimPattern::insert(const Json& claims) const {
    std::string out;
    for (const auto& segment : segments_) {
        auto part = std::optional(segment.text);
        if (segment.claim) {
            const auto* value = find_claim(claims, segment.text);
            part = value != nullptr ? value_text(*value) : std::nullopt;
            // A name has neither `*` nor anything else that a pattern reads.
            if (!part || !is_repository_name(*part) ||
                (!segment.deep && part->find('/') != std::string::npos)) {
                return std::nullopt;
            }
        }
        out += out.empty() ? "" : "/";
        out += *part;
    }
    auto pattern = Pattern::parse(out);
    return pattern ? std::optional(std::move(*pattern)) : std::nullopt;
}

// Issuers open to everybody

namespace {

struct Owner {
    std::string_view path;
    std::string_view before;  // what the text begins with
};
constexpr std::array<Owner, 5> kGitHub = {{{"repository", ""},
                                           {"repository_owner", ""},
                                           {"repository_owner_id", ""},
                                           {"repository_id", ""},
                                           {"sub", "repo:"}}};
constexpr std::array<Owner, 5> kGitLab = {{{"project_path", ""},
                                           {"namespace_path", ""},
                                           {"namespace_id", ""},
                                           {"project_id", ""},
                                           {"sub", "project_path:"}}};

struct OpenIssuer {
    std::string_view url;
    std::span<const Owner> owners;
};
constexpr std::array<OpenIssuer, 2> kOpen = {
    {{"https://token.actions.githubusercontent.com", kGitHub},
     {"https://gitlab.com", kGitLab}}};

// The first part of the owner's name stands there in full.
bool names_owner(const Condition& condition, const Owner& owner) {
    std::string_view pattern = condition.pattern();
    if (condition.path() != owner.path || !pattern.starts_with(owner.before)) {
        return false;
    }
    pattern.remove_prefix(owner.before.size());
    auto first = pattern.substr(0, pattern.find('/'));
    return !first.empty() && first.find('*') == std::string_view::npos;
}

}  // namespace

Result<void> check_conditions(std::string_view issuer_url,
                              const std::vector<Condition>& conditions) {
    if (conditions.empty()) {
        return bad("a rule needs a condition (--when CLAIM=PATTERN)");
    }
    if (conditions.size() > kMaxConditions) {
        return bad("a rule has at most 16 conditions");
    }
    for (const auto& issuer : kOpen) {
        // GitHub gives enterprises an address below its own.
        bool same = issuer_url == issuer.url ||
                    issuer_url.starts_with(std::string(issuer.url) + "/");
        if (!same) {
            continue;
        }
        for (const auto& condition : conditions) {
            for (const auto& owner : issuer.owners) {
                if (names_owner(condition, owner)) {
                    return {};
                }
            }
        }
        std::string names;
        for (const auto& owner : issuer.owners) {
            names += (names.empty() ? "" : ", ") + std::string(owner.path);
        }
        return bad("everybody can have a token of " + std::string(issuer_url) +
                   ": a rule needs a condition on one of " + names +
                   " that names the owner without a *");
    }
    return {};
}

}  // namespace longshore
