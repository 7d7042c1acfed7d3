#include "model/access.hpp"

#include <cassert>

#include "common/oci_path.hpp"

namespace longshore {

RepositoryName::RepositoryName(std::string_view text) : text_(text) {
    assert(is_repository_name(text));
}

}  // namespace longshore
