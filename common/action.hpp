// What somebody may do with a repository, and the words for it: one list for
// the daemon that decides and the module that keeps what was decided.
#pragma once

#include <cstdint>
#include <string_view>

namespace longshore {

/// `none` is what a route has that was given no action, or that belongs to no
/// repository; nobody may do it.
enum class Action : std::uint8_t { none, pull, push, remove, admin };

/// "pull" "push" "delete" "admin", the words of scopes and logs; "" for none.
constexpr std::string_view action_name(Action action) noexcept {
    switch (action) {
        case Action::none:
            return "";
        case Action::pull:
            return "pull";
        case Action::push:
            return "push";
        case Action::remove:
            return "delete";
        case Action::admin:
            break;
    }
    return "admin";
}

}  // namespace longshore
