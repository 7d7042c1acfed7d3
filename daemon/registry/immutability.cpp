#include "registry/immutability.hpp"

#include <string>

#include "db/retention.hpp"

namespace longshore {
namespace {

Error refusal(std::string_view name, std::string_view tag,
              std::string_view what) {
    std::string message("tag ");
    message += tag;
    message += " of ";
    message += name;
    message += " is immutable: ";
    message += what;
    return Error{Code::conflict, std::move(message), "DENIED"};
}

}  // namespace

Result<void> check_tag_mutable(Transaction& t, std::string_view name,
                               std::string_view tag, std::string_view what) {
    LS_TRY(rules, db::list_immutable_tags(t));
    if (immutable_by(rules, name, tag) != nullptr) {
        return refusal(name, tag, what);
    }
    return {};
}

Result<void> check_removable(Transaction& t, std::string_view name,
                             db::Id name_id, db::Id blob) {
    LS_TRY(rules, db::list_immutable_tags(t));
    std::erase_if(rules, [&](const ImmutableTags& rule) {
        return !rule.pattern.matches(name);
    });
    if (rules.empty()) {
        return {};
    }
    LS_TRY(tags, db::tags_leading_to(t, name_id, blob));
    for (const auto& tag : tags) {
        if (immutable_by(rules, name, tag) != nullptr) {
            return refusal(name, tag, "what it leads to is not deleted");
        }
    }
    return {};
}

}  // namespace longshore
