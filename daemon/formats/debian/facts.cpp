#include "formats/debian/facts.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace longshore::debian {
namespace {

// What the index says itself.
constexpr std::string_view kOurs[] = {"Filename", "Size",           "MD5sum",
                                      "SHA1",     "SHA256",         "SHA512",
                                      "Status",   "Description-md5"};

std::string text_of(const nlohmann::json& json, const char* name) {
    auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string();
}

}  // namespace

bool Facts::is_in(const Place& place) const {
    return std::find(places.begin(), places.end(), place) != places.end();
}

Facts facts_of(const DebFile& deb) {
    Facts facts;
    facts.architecture = deb.architecture;
    facts.section = deb.control.get("Section");
    facts.contents = deb.contents;
    facts.description = deb.control.get("Description");
    auto stanza = deb.control;
    for (auto name : kOurs) {
        stanza.remove(name);
    }
    if (!facts.description.empty()) {
        facts.description_md5 = description_md5(facts.description);
        std::string_view all = facts.description;
        stanza.set("Description", all.substr(0, all.find('\n')));
        stanza.add("Description-md5", facts.description_md5);
    }
    facts.stanza = write_stanza(stanza);
    return facts;
}

std::string write_facts(const Facts& facts) {
    auto places = nlohmann::json::array();
    for (const auto& place : facts.places) {
        places.push_back({place.suite, place.component});
    }
    nlohmann::json json = {{"in", std::move(places)},
                           {"architecture", facts.architecture}};
    auto add = [&](const char* name, const std::string& text) {
        if (!text.empty()) {
            json[name] = text;
        }
    };
    add("stanza", facts.stanza);
    add("description", facts.description);
    add("description_md5", facts.description_md5);
    add("section", facts.section);
    add("contents", facts.contents);
    return json.dump();
}

Facts read_facts(std::string_view data) {
    Facts facts;
    auto json = nlohmann::json::parse(data, nullptr, false);
    if (!json.is_object()) {
        return facts;
    }
    if (auto places = json.find("in"); places != json.end()) {
        for (const auto& one : *places) {
            if (one.is_array() && one.size() == 2 && one[0].is_string() &&
                one[1].is_string()) {
                facts.places.push_back(
                    {one[0].get<std::string>(), one[1].get<std::string>()});
            }
        }
    }
    facts.architecture = text_of(json, "architecture");
    facts.stanza = text_of(json, "stanza");
    facts.description = text_of(json, "description");
    facts.description_md5 = text_of(json, "description_md5");
    facts.section = text_of(json, "section");
    facts.contents = text_of(json, "contents");
    return facts;
}

}  // namespace longshore::debian
