// Packages and lists of files as anybody uploads them: an archive, a .dsc or
// a .changes.
#include <string>

#include "formats/debian/deb_file.hpp"
#include "formats/debian/facts.hpp"
#include "formats/debian/names.hpp"
#include "formats/debian/upload_list.hpp"
#include "fuzz.hpp"

namespace longshore::debian {
namespace {

using fuzz::require;

void check_list(std::string_view text) {
    auto list = read_upload_list(text);
    if (!list) {
        return;
    }
    require(!list->files.empty(), "a list has files");
    for (const auto& file : list->files) {
        require(is_file_name(file.name), "a name that leaves no folder");
        require(file.digest.encoded().size() == 64, "a digest");
    }
    auto dsc = list->files.front();
    dsc.name = "x_1.dsc";
    auto written = source_stanza(*list, dsc, "pool/x/xx/1");
    auto again = read_stanza(written, kDebianControl);
    require(static_cast<bool>(again), "what is written is one stanza");
    require(again->get("Directory") == "pool/x/xx/1", "in our folder");
    require(lines(again->get("Files")).size() == list->files.size() + 1,
            "and all of its files");
}

void check_package(std::string_view bytes) {
    const MemorySource source(bytes);
    auto deb = read_deb(source);
    if (!deb) {
        return;
    }
    require(is_package(deb->name) && is_architecture(deb->architecture),
            "names that leave no folder");
    auto facts = facts_of(*deb);
    auto stanza = read_stanza(facts.stanza, kDebianControl);
    require(stanza && stanza->get("Package") == deb->name, "one stanza");
    auto same = read_facts(write_facts(facts));
    require(same.stanza == facts.stanza && same.contents == facts.contents,
            "what is remembered is read");
    auto path =
        pool_path(deb->name, deb->version.text, deb->architecture, ".deb");
    require(path.find("..") == path.npos || path.find("/..") == path.npos,
            "below the pool");
}

}  // namespace
}  // namespace longshore::debian

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    longshore::debian::check_list(input);
    longshore::debian::check_package(input);
    return 0;
}
