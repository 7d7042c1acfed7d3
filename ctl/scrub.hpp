// Scrub: everything read now, and what is damaged. As commands.hpp.
#pragma once

#include "common/result.hpp"
#include "ctl/context.hpp"

namespace longshore {

/// A pass by the daemon, or here if there is none.
Result<int> run_scrub(Context& context, bool only_database);
/// What is damaged, and the last passes.
Result<int> show_scrub(Context& context);

}  // namespace longshore
