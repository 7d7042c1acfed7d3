// Puts packages into the pool, lists them in suites, and takes them out. Any
// thread; a call is one transaction for each package.
// @errors of all functions here: already_exists (the name, version and
// architecture are there with other bytes), conflict, unavailable, corrupt
#pragma once

#include <string>
#include <vector>

#include "formats/debian/deb_file.hpp"
#include "formats/debian/facts.hpp"
#include "formats/debian/upload_list.hpp"
#include "registry/format.hpp"

namespace longshore::debian {

/// What an upload changed.
struct Published {
    std::vector<std::string> paths;
    std::vector<std::string> drops;
};

/// `extension`: ".deb", ".udeb" or ".ddeb"
Result<void> add_deb(Context& ctx, const Request& request, const DebFile& deb,
                     std::string_view extension,
                     const std::vector<Place>& places, StagedBlob blob,
                     Published& out);

/// A source package. Its files were sent before, or are in the pool.
struct SourceUpload {
    UploadList list;
    ListedFile dsc;
    StagedBlob blob;
};
/// @errors invalid_argument (a file is not there, a bad name)
Result<void> add_source(Context& ctx, const Request& request,
                        SourceUpload source, const std::vector<Place>& places,
                        Published& out);

/// Takes it out of one place; what is in no place any more goes. An empty
/// `architecture`: all of the version. @errors not_found
Result<Written> remove_from(Context& ctx, const Request& request,
                            const Place& place, std::string_view name,
                            std::string_view version,
                            std::string_view architecture);

/// "incoming/<user>/<file>"
std::string incoming_path(const Context& ctx, std::string_view file);

}  // namespace longshore::debian
