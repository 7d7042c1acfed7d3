// registryctl: what an operator does to the accounts, rights and data of a
// registry.
#include <cstdio>
#include <exception>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "ctl/output.hpp"
#include "ctl/tree.hpp"

namespace longshore {
namespace {

int start(int argc, char** argv) {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("registryctl"));
    spdlog::set_pattern("registryctl: %v");
    Context context;
    CommandTree tree(context);
    if (int status = tree.parse(argc, argv); status >= 0) {
        return status;
    }
    auto status = tree.run();
    if (!status) {
        return say_error(status.error(), context.json());
    }
    // A token that could not be printed is lost: say so.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        return say_error({Code::unavailable, "standard output is closed"},
                         context.json());
    }
    return *status;
}

}  // namespace
}  // namespace longshore

int main(int argc, char** argv) {
    try {
        return longshore::start(argc, argv);
    } catch (const std::exception& error) {
        return longshore::say_error({longshore::Code::internal, error.what()},
                                    false);
    }
}
