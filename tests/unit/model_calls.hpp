// The system calls of the code under test: each that looks at a path or
// changes one is a point (model_fibers.hpp), none waits for the disk, and
// after kill_all() none has an effect. The definitions are this program's own
// and come before those of libc, as in system_calls.hpp.
#pragma once

#include <functional>
#include <string>

namespace longshore::model {

/// Called after a file whose name is `data` went away from a path: renamed or
/// unlinked, by anybody but main.
void on_gone(std::function<void(const std::string& path)> told);

}  // namespace longshore::model
