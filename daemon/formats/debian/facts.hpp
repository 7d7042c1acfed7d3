// What is remembered of a file in the pool: all that an index says of it. It
// is the file's `data`. Pure values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/debian/deb_file.hpp"
#include "formats/debian/names.hpp"
#include "model/package.hpp"

namespace longshore::debian {

// Roles of files.
inline constexpr std::string_view kDeb = "deb";
inline constexpr std::string_view kUdeb = "udeb";
inline constexpr std::string_view kDsc = "dsc";
inline constexpr std::string_view kSource = "source";  // a part of one

struct Facts {
    std::vector<Place> places;  // where it is listed
    std::string architecture;   // "source" of a .dsc
    /// The stanza as far as it does not depend on where the file lies, with
    /// the first line of the description.
    std::string stanza;
    std::string description;  // all of it
    std::string description_md5;
    std::string section;
    std::string contents;

    bool is_in(const Place& place) const;
};

Facts facts_of(const DebFile& deb);

std::string write_facts(const Facts& facts);
/// Of a file that is none of ours: without places.
Facts read_facts(std::string_view data);

}  // namespace longshore::debian
