// go.mod files and names of modules from anybody.
#include <string>

#include "formats/go/go_mod.hpp"
#include "formats/go/module_path.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    const auto text = fuzz::text(data, size);
    const auto mod = go::read_go_mod(text);
    if (mod) {
        fuzz::require(!mod->module.empty(), "a module has a path");
        fuzz::require(text.find(mod->module) != text.npos,
                      "the path stands in the file");
        fuzz::require(mod->retractions.size() <= go::kMaxRetractions,
                      "no more retractions than allowed");
    }
    const auto line = text.substr(0, text.find('\n'));
    if (go::check_module_path(line)) {
        fuzz::require(static_cast<bool>(go::check_file_path(line)),
                      "a module's path is one of files");
        const auto read = go::unescape(go::escape(line));
        fuzz::require(read && *read == line, "the escape can be undone");
    }
    if (const auto read = go::unescape(line)) {
        fuzz::require(go::escape(*read) == line, "one spelling");
    }
    return 0;
}
