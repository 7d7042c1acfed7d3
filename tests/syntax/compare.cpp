// What registryd makes of versions, for the tests beside this file: lines
// `SCHEME<tab>A<tab>B` from standard input, and for each of them a line
// `ORDER<tab>TEXT<tab>KEY<tab>PRERELEASE<tab>TEXT<tab>KEY<tab>PRERELEASE`,
// ORDER as -1, 0 or 1 of the keys, TEXT "!" for what is no version.
#include <iostream>
#include <string>

#include "syntax/version.hpp"

namespace {

std::string take_field(std::string& line) {
    auto end = std::min(line.find('\t'), line.size());
    auto field = line.substr(0, end);
    line.erase(0, end + 1);
    return field;
}

std::string describe(longshore::VersionScheme scheme, std::string_view text,
                     std::string& key) {
    auto version = longshore::parse_version(scheme, text);
    auto sort_key = longshore::version_sort_key(scheme, text);
    key = sort_key ? *sort_key : "";
    return "\t" + (version ? version->text : "!") + "\t" + key + "\t" +
           (version && version->prerelease ? "1" : "0");
}

}  // namespace

int main() {
    std::ios::sync_with_stdio(false);
    std::string line;
    while (std::getline(std::cin, line)) {
        auto scheme = longshore::version_scheme(take_field(line));
        if (!scheme) {
            std::cerr << "no such scheme\n";
            return 1;
        }
        std::string keys[2];
        auto a = describe(*scheme, take_field(line), keys[0]);
        auto b = describe(*scheme, take_field(line), keys[1]);
        std::cout << (keys[0] < keys[1]   ? -1
                      : keys[0] > keys[1] ? 1
                                          : 0)
                  << a << b << '\n';
    }
    return 0;
}
