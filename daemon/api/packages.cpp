// What repositories hold: packages, versions, files, properties.
#include <array>

#include "api/documents.hpp"
#include "api/package_documents.hpp"
#include "api/route.hpp"
#include "registry/package_changes.hpp"
#include "registry/package_publisher.hpp"
#include "registry/repositories.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::array kPackagesFields = {
    Field{.name = "packages", .kind = K::objects, .of = &kPackage},
};
constexpr std::array kFilesFields = {
    Field{.name = "files", .kind = K::objects, .of = &kFile},
};
constexpr std::array kPropertiesFields = {
    Field{
        .name = "properties", .kind = K::objects, .max = 100, .of = &kProperty},
};
constexpr std::array kStateFields = {
    kVersionStateField,
    Field{.name = "reason",
          .kind = K::text,
          .description = "why, for people",
          .example = "\"broken on 32 bits\"",
          .required = false,
          .max = 1024},
};
const Schema kPackages{"Packages", "Packages, by key.", kPackagesFields};
const Schema kFiles{"PackageFiles", "Files, by path.", kFilesFields};
const Schema kProperties{"Properties", "All properties of one thing.",
                         kPropertiesFields};
const Schema kNewProperties{"NewProperties",
                            "All properties of one thing; those that it had "
                            "are gone.",
                            kPropertiesFields};
const Schema kVersionChange{"PackageVersionChange",
                            "What of a version can be changed.", kStateFields};

constexpr Field kPrefix{.name = "prefix",
                        .kind = K::text,
                        .description = "only those that begin so",
                        .example = "\"a\"",
                        .required = false,
                        .max = 1024};
constexpr Field kLongLast = [] {
    auto field = kLastParameter;
    field.max = 4096;
    return field;
}();
constexpr std::array kPackagesParameters = {
    kPageSizeParameter,
    kLongLast,
    kPrefix,
    Field{.name = "property",
          .kind = K::text,
          .description = "name=value: only packages that have it, or of which "
                         "a version or file has it",
          .example = "\"stage=released\"",
          .required = false,
          .max = 2100},
};
constexpr std::array kFilesParameters = {kPageSizeParameter, kLongLast,
                                         kPrefix};

Result<const Format*> format_of(const Access& access, Packages& packages) {
    LS_TRY(repository, packages.repositories.find(access));
    const auto* format = find_format(packages.formats, repository.format);
    if (format == nullptr) {
        return Error{Code::internal, "repository " + repository.key +
                                         " is of a format that this program "
                                         "has not"};
    }
    return format;
}

// The package, or version, that the path names.
Result<PackagePlace> place_of(const Access& access, Packages& packages,
                              const Call& call) {
    LS_TRY(format, format_of(access, packages));
    return PackagePlace{access, *format, call.in_path("package"),
                        call.in_path("version"), call.request_id};
}

Result<Page<StoredPackage>> find_packages(const Access& access,
                                          Packages& packages, const Call& call,
                                          std::size_t n) {
    auto property = call.in_query("property");
    auto prefix = call.in_query("prefix");
    auto last = call.in_query("last");
    if (property.empty()) {
        return packages.catalog.packages(access, prefix, n, last);
    }
    auto equals = property.find('=');
    if (equals == std::string::npos || equals == 0 || !prefix.empty()) {
        return Error{Code::invalid_argument,
                     "\"property\" is name=value, and without \"prefix\"",
                     {},
                     "/property"};
    }
    return packages.catalog.packages_with(
        access, {property.substr(0, equals), property.substr(equals + 1)}, n,
        last);
}

Result<Answer> list(const Access& access, Packages& packages,
                    const Call& call) {
    LS_TRY(n, page_size(call));
    LS_TRY(page, find_packages(access, packages, call, n));
    Answer answer;
    Json documents = Json::array();
    for (const auto& one : page.items) {
        documents.push_back(package_json(one));
    }
    answer.body = {{"packages", documents}};
    if (page.more) {
        answer.next = next_page(call, n, page.items.back().key);
    }
    return answer;
}

Result<Answer> show(const Access& access, Packages& packages,
                    const Call& call) {
    LS_TRY(place, place_of(access, packages, call));
    LS_TRY(found, packages.catalog.package(access, place.package_key()));
    return Answer{.body = package_details_json(found)};
}

Result<Answer> show_version(const Access& access, Packages& packages,
                            const Call& call) {
    LS_TRY(place, place_of(access, packages, call));
    LS_TRY(found, packages.catalog.package(access, place.package_key()));
    const auto* version = found.find(place.version_key());
    if (version == nullptr) {
        return Error{Code::not_found, "package " + found.name +
                                          " has no version " +
                                          call.in_path("version")};
    }
    return Answer{.body = version_details_json(*version)};
}

Result<Answer> remove(const Access& access, Packages& packages,
                      const Call& call) {
    LS_TRY(place, place_of(access, packages, call));
    LS_TRY(written, remove_package(packages.publisher, place));
    return Answer{.drops = std::move(written.drops)};
}

Result<Answer> change_version(const Access& access, Packages& packages,
                              const Call& call) {
    LS_TRY(place, place_of(access, packages, call));
    LS_TRY(state, parse_version_state(call.text("state")));
    LS_TRY(written,
           set_state(packages.publisher, place, state, call.text("reason")));
    LS_TRY(answer, show_version(access, packages, call));
    answer.drops = std::move(written.drops);
    return answer;
}

Result<Answer> list_files(const Access& access, Packages& packages,
                          const Call& call) {
    LS_TRY(n, page_size(call));
    LS_TRY(page, packages.catalog.files(access, call.in_query("prefix"), n,
                                        call.in_query("last")));
    Answer answer;
    Json documents = Json::array();
    for (const auto& one : page.items) {
        documents.push_back(file_json(one));
    }
    answer.body = {{"files", documents}};
    if (page.more) {
        answer.next = next_page(call, n, page.items.back().path);
    }
    return answer;
}

Result<Answer> show_file(const Access& access, Packages& packages,
                         const Call& call) {
    LS_TRY(found, packages.catalog.file(access, call.in_path("path")));
    return Answer{.body = file_json(found)};
}

Result<Answer> remove_file(const Access& access, Packages& packages,
                           const Call& call) {
    const auto& path = call.in_path("path");
    LS_TRY(found, packages.catalog.file(access, path));
    if (found.file.version_id != 0) {
        return Error{Code::conflict, "the file belongs to version " +
                                         found.version_key + " of package " +
                                         found.package_key +
                                         ": remove that version"};
    }
    LS_TRY(written,
           packages.publisher.remove_loose(access, path, call.request_id));
    return Answer{.drops = std::move(written.drops)};
}

// What the properties are of, by its keys.
struct Subject {
    std::string package;
    std::string version;
    std::string path;
};

Result<Subject> subject_of(const Access& access, Packages& packages,
                           const Call& call) {
    Subject subject;
    subject.path = call.in_path("path");
    if (!subject.path.empty()) {
        LS_TRY(entry, packages.catalog.file(access, subject.path));
        subject.package = std::move(entry.package_key);
        return subject;
    }
    LS_TRY(place, place_of(access, packages, call));
    subject.package = place.package_key();
    subject.version = place.version_key();
    return subject;
}

Result<Answer> properties(const Access& access, Packages& packages,
                          const Call& call) {
    LS_TRY(subject, subject_of(access, packages, call));
    LS_TRY(found, packages.catalog.properties(access, subject.package,
                                              subject.version, subject.path));
    return Answer{.body = {{"properties", properties_json(found)}}};
}

Result<Answer> set_properties(const Access& access, Packages& packages,
                              const Call& call) {
    LS_TRY(subject, subject_of(access, packages, call));
    std::vector<Property> wanted;
    for (const auto& one : call.body.at("properties")) {
        wanted.push_back({one.at("name").get<std::string>(),
                          one.at("value").get<std::string>()});
    }
    LS_TRY(written, packages.publisher.set_properties(
                        access, subject.package, subject.version, subject.path,
                        wanted, call.request_id));
    return Answer{.drops = std::move(written.drops)};
}

constexpr Route row(Method method, std::string_view pattern, Action action,
                    RepositoryHandler handle, std::string_view summary) {
    Route route;
    route.method = method;
    route.pattern = pattern;
    route.right = Right::repository;
    route.action = action;
    route.handle = handle;
    route.status = 204;
    route.summary = summary;
    route.without_auth = true;
    return route;
}

constexpr Route reading(std::string_view pattern, RepositoryHandler handle,
                        const Schema& response, std::string_view summary,
                        std::span<const Field> query = {}) {
    auto route = row(Method::get, pattern, Action::pull, handle, summary);
    route.status = 200;
    route.response = &response;
    route.query = query;
    return route;
}

constexpr Route taking(Route route, const Schema& request) {
    route.request = &request;
    return route;
}

#define LS_PACKAGES "/repositories/{repository}/packages"
#define LS_VERSIONS LS_PACKAGES "/{package}/versions/{version}"
#define LS_FILES "/repositories/{repository}/files"

constexpr Route changing_version() {
    auto route = row(Method::patch, LS_VERSIONS, Action::push, &change_version,
                     "yank or deprecate a version, or undo that");
    route.request = &kVersionChange;
    route.response = &kVersionDetails;
    route.status = 200;
    return route;
}

const std::array kRoutes = {
    reading(LS_PACKAGES, &list, kPackages, "list packages",
            kPackagesParameters),
    reading(LS_PACKAGES "/{package}", &show, kPackageDetails,
            "a package with its versions and tags"),
    row(Method::remove, LS_PACKAGES "/{package}", Action::remove, &remove,
        "remove a package with all its versions"),
    reading(LS_VERSIONS, &show_version, kVersionDetails,
            "a version with its files"),
    changing_version(),
    row(Method::remove, LS_VERSIONS, Action::remove, &remove,
        "remove a version with its files"),
    reading(LS_FILES, &list_files, kFiles, "list files", kFilesParameters),
    reading(LS_FILES "/{path}", &show_file, kFile, "a file"),
    row(Method::remove, LS_FILES "/{path}", Action::remove, &remove_file,
        "remove a file that belongs to no version"),
    reading(LS_PACKAGES "/{package}/properties", &properties, kProperties,
            "properties of a package"),
    taking(row(Method::put, LS_PACKAGES "/{package}/properties", Action::push,
               &set_properties, "set the properties of a package"),
           kNewProperties),
    reading(LS_VERSIONS "/properties", &properties, kProperties,
            "properties of a version"),
    taking(row(Method::put, LS_VERSIONS "/properties", Action::push,
               &set_properties, "set the properties of a version"),
           kNewProperties),
    reading(LS_FILES "/{path}/properties", &properties, kProperties,
            "properties of a file"),
    taking(row(Method::put, LS_FILES "/{path}/properties", Action::push,
               &set_properties, "set the properties of a file"),
           kNewProperties),
};

}  // namespace

std::span<const Route> package_routes() {
    return kRoutes;
}

}  // namespace longshore::api
