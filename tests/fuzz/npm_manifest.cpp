// A package.json, and after a line feed what a client says of it. Whatever
// they hold, what is kept is JSON, taken apart as it was put together, and
// what clients read is JSON with the links of who asks.
#include <nlohmann/json.hpp>

#include "formats/npm/body.hpp"
#include "formats/npm/manifest.hpp"
#include "formats/npm/name.hpp"
#include "formats/npm/provenance.hpp"
#include "fuzz.hpp"

namespace longshore {
namespace {

using fuzz::require;
using nlohmann::json;

void look(std::string_view text, const StoredVersion& version,
          const std::string& name) {
    std::string out;
    npm::append_manifest(out, text, name, version, "http://h/npm/r");
    auto read = json::parse(out, nullptr, false);
    require(read.is_object(), "what clients read is an object");
    require(read["dist"]["tarball"] == "http://h/npm/r/x.tgz", "its link");
    require(read["deprecated"] == "why", "its deprecation");
}

void publish(const json& package, json said) {
    auto text = [&](const char* name) {
        auto found = package.find(name);
        return found != package.end() && found->is_string()
                   ? found->get<std::string>()
                   : std::string();
    };
    npm::TarballFacts facts;
    facts.manifest = package;
    facts.has_binding_gyp = said.contains("gypfile");
    auto name = text("name");
    auto version = text("version");
    if (!npm::check_name(name) || !npm::version_order(version) ||
        !npm::settle_manifest(said, facts, name, version, "who")) {
        return;
    }
    require(said["name"] == name && said["version"] == version, "its name");
    StoredVersion stored;
    stored.version = stored.key = version;
    stored.data = npm::version_data(said);
    require(json::accept(stored.data), "what is kept is JSON");
    require(json::parse(npm::manifest_text(stored.data))["name"] == name,
            "the manifest is found again");
    stored.state = VersionState::deprecated;
    stored.reason = "why";
    StoredFile file;
    file.role = npm::kTarballRole;
    file.path = "x.tgz";
    stored.files.push_back(file);
    look(npm::manifest_text(stored.data), stored, name);
    look(npm::abbreviated_text(stored.data), stored, name);
    StoredPackage row;
    row.name = name;
    row.versions.push_back(stored);
    npm::settle_latest(row);
    require(json::accept(row.data), "the summary is JSON");
    require(row.summary.size() <= 1024, "the summary is short");
}

}  // namespace
}  // namespace longshore

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    auto input = fuzz::text(data, size);
    auto line = input.find('\n');
    auto package = npm::read_object(input.substr(0, line));
    auto said = npm::read_object(line == input.npos ? std::string_view("{}")
                                                    : input.substr(line + 1));
    if (package && said) {
        publish(*package, *said);
    }
    static_cast<void>(npm::read_changes(input));
    static_cast<void>(npm::read_provenance(input, "a", "1.0.0", "00"));
    static_cast<void>(npm::read_place(input));
    static_cast<void>(npm::check_tag(input));
    return 0;
}
