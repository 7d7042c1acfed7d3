#include "model/access.hpp"

#include <cassert>

#include "common/oci_path.hpp"

namespace longshore {

std::string_view action_name(Action action) noexcept {
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
            return "admin";
    }
    return "admin";
}

RepositoryName::RepositoryName(std::string_view text) : text_(text) {
    assert(is_repository_name(text));
}

}  // namespace longshore
