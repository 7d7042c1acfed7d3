#include "auth/scope.hpp"

#include <algorithm>
#include <array>

namespace longshore {
namespace {

constexpr std::size_t kMaxScopeName = 255;
constexpr std::size_t kMaxScopeType = 64;
constexpr std::size_t kMaxScopeActions = 16;
constexpr std::size_t kMaxHost = 300;

bool is_word(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxScopeType &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '*' || c == '-' || c == '_';
           });
}

bool is_name(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxScopeName &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return c > ' ' && c < 0x7f && c != '"' && c != '\\';
           });
}

// repository, repository(plugin)
std::string_view without_class(std::string_view type) noexcept {
    auto open = type.find('(');
    return open != std::string_view::npos && type.ends_with(')')
               ? type.substr(0, open)
               : type;
}

std::optional<Scope> parse_scope(std::string_view text) {
    // A name may hold a colon (host:port/name), so the ends are looked for.
    auto first = text.find(':');
    auto last = text.rfind(':');
    if (first == std::string_view::npos || first == last) {
        return std::nullopt;
    }
    Scope scope;
    auto type = without_class(text.substr(0, first));
    auto name = text.substr(first + 1, last - first - 1);
    auto actions = text.substr(last + 1);
    if (!is_word(type) || !is_name(name)) {
        return std::nullopt;
    }
    scope.type = type;
    scope.name = name;
    while (!actions.empty()) {
        auto end = std::min(actions.find(','), actions.size());
        auto action = actions.substr(0, end);
        bool known = std::find(scope.actions.begin(), scope.actions.end(),
                               action) != scope.actions.end();
        if (is_word(action) && !known) {
            if (scope.actions.size() == kMaxScopeActions) {
                return std::nullopt;
            }
            scope.actions.emplace_back(action);
        }
        actions.remove_prefix(std::min(end + 1, actions.size()));
    }
    return scope;
}

}  // namespace

Result<void> parse_scopes(std::string_view text, std::vector<Scope>& out) {
    while (!text.empty()) {
        auto end = std::min(text.find(' '), text.size());
        if (auto scope = parse_scope(text.substr(0, end))) {
            if (out.size() == kMaxScopes) {
                return Error{
                    Code::too_large,
                    "more than " + std::to_string(kMaxScopes) + " scopes"};
            }
            out.push_back(std::move(*scope));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return {};
}

std::string_view scope_actions(Action action) noexcept {
    return action == Action::push ? "pull,push" : action_name(action);
}

std::string scope_text(std::string_view name, Action action) {
    std::string text = "repository:";
    text += name;
    text += ':';
    text += scope_actions(action);
    return text;
}

std::string bearer_challenge(const Challenge& challenge) {
    std::string out = "Bearer realm=\"" + std::string(challenge.realm) +
                      "\",service=\"" + std::string(challenge.service) + '"';
    if (!challenge.scope.empty()) {
        out += ",scope=\"" + std::string(challenge.scope) + '"';
    }
    if (!challenge.error.empty()) {
        out += ",error=\"" + std::string(challenge.error) + '"';
    }
    return out;
}

std::string basic_challenge(std::string_view service) {
    return "Basic realm=\"" + std::string(service) + "\", charset=\"UTF-8\"";
}

std::optional<std::string> base_url(std::string_view scheme,
                                    std::string_view host,
                                    std::string_view prefix) {
    bool good = !host.empty() && host.size() <= kMaxHost &&
                std::all_of(host.begin(), host.end(), [](char c) {
                    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                           c == ':' || c == '[' || c == ']' || c == '_';
                });
    if (!good || (scheme != "http" && scheme != "https")) {
        return std::nullopt;
    }
    std::string url(scheme);
    url += "://";
    url += host;
    url += prefix;
    return url;
}

}  // namespace longshore
