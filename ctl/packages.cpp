// Repositories of packages and what they hold. Documents are those of the API.
// registryd makes what is derived from a change anew, and nginx hears of it
// within a second.
#include <optional>

#include "api/package_documents.hpp"
#include "auth/authorizer.hpp"
#include "common/oci_path.hpp"
#include "ctl/commands.hpp"
#include "db/database.hpp"
#include "registry/format_info.hpp"
#include "registry/package_changes.hpp"
#include "registry/package_publisher.hpp"
#include "registry/repositories.hpp"

namespace longshore {
namespace {

constexpr std::size_t kPage = 1000;

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

// What every command here works with.
struct Desk {
    explicit Desk(Database& database)
        : repositories(database, all_formats(), true),
          catalog(database),
          publisher(database, all_formats()) {}

    Repositories repositories;
    PackageCatalog catalog;
    PackagePublisher publisher;
};

Result<Desk> open_desk(Context& context) {
    LS_TRY(database, context.database());
    return Desk(*database);
}

// Whoever may write to the data folder may do everything.
Result<Access> access_to(const Context& context, const std::string& name,
                         Action action) {
    if (!is_repository_name(name)) {
        return bad("\"" + name + "\" is no name of a repository");
    }
    Caller caller;
    caller.actor = std::make_shared<const Actor>(context.actor());
    return Authorizer().authorize(caller, RepositoryName(name), action);
}

Result<const Format*> format_of(Desk& desk, const Access& access) {
    LS_TRY(repository, desk.repositories.find(access));
    const auto* format = find_format(all_formats(), repository.format);
    if (format == nullptr) {
        return Error{Code::unsupported,
                     "this program has no format " + repository.format};
    }
    return format;
}

int say_repository(const Context& context, const char* done,
                   const Repository& repository) {
    return say_done(context, done, "repository " + repository.key + " " + done,
                    api::repository_json(repository));
}

std::string number(std::uint64_t value) {
    return std::to_string(value);
}

// All pages of a list, or those that --limit and --last ask for.
template <typename T, typename Next, typename Key>
Result<std::vector<T>> collect(const Context& context, const Next& next,
                               const Key& key) {
    std::vector<T> all;
    auto wanted = context.args.limit == 0 ? SIZE_MAX : context.args.limit;
    auto last = context.args.last;
    while (all.size() < wanted) {
        LS_TRY(page, next(std::min(kPage, wanted - all.size()), last));
        for (auto& one : page.items) {
            last = key(one);
            all.push_back(std::move(one));
        }
        if (!page.more) {
            break;
        }
    }
    return all;
}

template <typename T, typename F>
Json documents(const std::vector<T>& all, const F& document) {
    Json list = Json::array();
    for (const auto& one : all) {
        list.push_back(document(one));
    }
    return list;
}

Result<Property> parse_property(const std::string& text) {
    auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        return bad("\"" + text + "\" is no property: NAME=VALUE");
    }
    return Property{text.substr(0, equals), text.substr(equals + 1)};
}

void print_packages(const std::vector<StoredPackage>& all) {
    Table table({"PACKAGE", "DOWNLOADS", "UPDATED", "SUMMARY"});
    for (const auto& one : all) {
        table.add({one.name, number(one.downloads),
                   time_text(one.updated_at_ms, ""), one.summary});
    }
    table.print();
}

void print_files(const std::vector<StoredFile>& files) {
    Table table({"PATH", "SIZE", "DOWNLOADS", "SHA256"});
    for (const auto& file : files) {
        table.add({file.path, number(file.size_bytes), number(file.downloads),
                   std::string(file.digest.encoded())});
    }
    table.print();
}

void print_versions(const StoredPackage& package) {
    print_line("package " + package.name +
               (package.summary.empty() ? "" : ": " + package.summary));
    Table table({"VERSION", "STATE", "PUBLISHED", "PUBLISHER", "FILES", "TAGS",
                 "REASON"});
    for (const auto& version : package.versions) {
        std::vector<std::string> tags;
        for (const auto& tag : package.tags) {
            if (tag.version_key == version.key) {
                tags.push_back(tag.tag);
            }
        }
        table.add({version.version, std::string(state_name(version.state)),
                   time_text(version.published_at_ms, ""), version.publisher,
                   number(version.files.size()), join(tags, " "),
                   version.reason});
    }
    table.print();
}

Result<int> change_state(Context& context, VersionState state,
                         const char* done) {
    const auto& args = context.args;
    LS_TRY(access, access_to(context, args.repository, Action::push));
    LS_TRY(desk, open_desk(context));
    LS_TRY(format, format_of(desk, access));
    PackagePlace place{access, *format, args.name, args.version};
    LS_TRY(written, set_state(desk.publisher, place, state, args.reason));
    static_cast<void>(written);
    return say_done(context, done, args.name + " " + args.version + " " + done,
                    {{"repository", args.repository},
                     {"package", place.package_key()},
                     {"version", place.version_key()},
                     {"state", state_name(state)}});
}

// What --package, --version and --file name, by its keys.
struct Subject {
    std::string package;
    std::string version;
    std::string path;
};

Result<Subject> subject_of(const Context& context, Desk& desk,
                           const Access& access) {
    const auto& args = context.args;
    if (args.path.empty() == args.package.empty()) {
        return bad("--package or --file is wanted");
    }
    Subject subject;
    if (!args.path.empty()) {
        LS_TRY(entry, desk.catalog.file(access, args.path));
        subject.path = args.path;
        subject.package = std::move(entry.package_key);
        return subject;
    }
    LS_TRY(format, format_of(desk, access));
    PackagePlace place{access, *format, args.package, args.version};
    subject.package = place.package_key();
    subject.version = place.version_key();
    return subject;
}

}  // namespace

Result<int> create_repository(Context& context) {
    const auto& args = context.args;
    NewRepository wanted;
    wanted.format = args.format;
    wanted.description = args.description.value_or("");
    wanted.settings = args.settings.value_or("{}");
    LS_TRY(access, access_to(context, args.name, Action::admin));
    LS_TRY(desk, open_desk(context));
    LS_TRY(made, desk.repositories.create(access, wanted));
    return say_repository(context, "made", made);
}

Result<int> list_repositories(Context& context) {
    LS_TRY(desk, open_desk(context));
    LS_TRY(all, collect<Repository>(
                    context,
                    [&](std::size_t n, const std::string& last) {
                        return desk.repositories.list(n, last);
                    },
                    [](const Repository& one) { return one.key; }));
    if (context.json()) {
        print_json({{"repositories", documents(all, api::repository_json)}});
        return kDone;
    }
    Table table({"NAME", "FORMAT", "KIND", "CREATED", "DESCRIPTION"});
    for (const auto& one : all) {
        table.add({one.key, one.format, std::string(kind_name(one.kind)),
                   time_text(one.created_at_ms, ""), one.description});
    }
    table.print();
    return kDone;
}

Result<int> show_repository(Context& context) {
    LS_TRY(access, access_to(context, context.args.name, Action::pull));
    LS_TRY(desk, open_desk(context));
    LS_TRY(found, desk.repositories.find(access));
    if (context.json()) {
        print_json(api::repository_json(found));
        return kDone;
    }
    print_line("name         " + found.key);
    print_line("format       " + found.format);
    print_line("kind         " + std::string(kind_name(found.kind)));
    print_line("description  " + found.description);
    print_line("settings     " + found.settings);
    print_line("created      " + time_text(found.created_at_ms, "-"));
    return kDone;
}

Result<int> change_repository(Context& context) {
    const auto& args = context.args;
    if (!args.description && !args.settings) {
        return bad("--description or --settings is wanted");
    }
    LS_TRY(access, access_to(context, args.name, Action::admin));
    LS_TRY(desk, open_desk(context));
    LS_TRY(now, desk.repositories.find(access));
    LS_TRY(changed, desk.repositories.change(
                        access, args.description.value_or(now.description),
                        args.settings.value_or(now.settings)));
    return say_repository(context, "changed", changed);
}

Result<int> delete_repository(Context& context) {
    LS_TRY(access, access_to(context, context.args.name, Action::admin));
    LS_TRY(desk, open_desk(context));
    LS_TRY(found, desk.repositories.find(access));
    auto gone = desk.repositories.remove(access, context.args.with_packages);
    if (!gone && gone.error().code == Code::conflict) {
        auto error = std::move(gone).error();
        error.code = Code::precondition_failed;
        error.message += "; --with-packages deletes them too";
        return error;
    }
    LS_CHECK(std::move(gone));
    return say_repository(context, "deleted", found);
}

Result<int> list_packages(Context& context) {
    const auto& args = context.args;
    LS_TRY(access, access_to(context, args.repository, Action::pull));
    LS_TRY(desk, open_desk(context));
    std::optional<Property> property;
    if (!args.property.empty()) {
        LS_TRY(parsed, parse_property(args.property));
        property = std::move(parsed);
    }
    LS_TRY(all, collect<StoredPackage>(
                    context,
                    [&](std::size_t n, const std::string& last) {
                        return property ? desk.catalog.packages_with(
                                              access, *property, n, last)
                                        : desk.catalog.packages(
                                              access, args.prefix, n, last);
                    },
                    [](const StoredPackage& one) { return one.key; }));
    if (context.json()) {
        print_json({{"packages", documents(all, api::package_json)}});
    } else {
        print_packages(all);
    }
    return kDone;
}

Result<int> show_package(Context& context) {
    const auto& args = context.args;
    LS_TRY(access, access_to(context, args.repository, Action::pull));
    LS_TRY(desk, open_desk(context));
    LS_TRY(format, format_of(desk, access));
    PackagePlace place{access, *format, args.name, args.version};
    LS_TRY(package, desk.catalog.package(access, place.package_key()));
    const StoredVersion* version = nullptr;
    if (!args.version.empty()) {
        version = package.find(place.version_key());
        if (version == nullptr) {
            return Error{
                Code::not_found,
                "package " + package.name + " has no version " + args.version};
        }
    }
    if (context.json()) {
        print_json(version != nullptr ? api::version_details_json(*version)
                                      : api::package_details_json(package));
    } else if (version != nullptr) {
        print_files(version->files);
    } else {
        print_versions(package);
    }
    return kDone;
}

Result<int> delete_package(Context& context) {
    const auto& args = context.args;
    LS_TRY(access, access_to(context, args.repository, Action::remove));
    LS_TRY(desk, open_desk(context));
    LS_TRY(format, format_of(desk, access));
    PackagePlace place{access, *format, args.name, args.version};
    LS_TRY(written, remove_package(desk.publisher, place));
    static_cast<void>(written);
    auto what = args.name + (args.version.empty() ? "" : " " + args.version);
    return say_done(
        context, "deleted", what + " deleted",
        {{"repository", args.repository},
         {"package", place.package_key()},
         {"version",
          args.version.empty() ? Json(nullptr) : Json(place.version_key())}});
}

Result<int> yank_package(Context& context) {
    return change_state(context, VersionState::yanked, "yanked");
}

Result<int> unyank_package(Context& context) {
    return change_state(context, VersionState::active, "restored");
}

Result<int> deprecate_package(Context& context) {
    return change_state(context, VersionState::deprecated, "deprecated");
}

Result<int> search_packages(Context& context) {
    const auto& args = context.args;
    LS_TRY(desk, open_desk(context));
    std::vector<Access> accesses;
    if (!args.repository.empty()) {
        LS_TRY(access, access_to(context, args.repository, Action::pull));
        accesses.push_back(std::move(access));
    } else {
        std::string last;
        for (bool more = true; more;) {
            LS_TRY(page, desk.repositories.list(kPage, last));
            for (const auto& one : page.items) {
                LS_TRY(access, access_to(context, one.key, Action::pull));
                accesses.push_back(std::move(access));
                last = one.key;
            }
            more = page.more;
        }
    }
    PackageQuery query;
    query.text = args.text;
    query.n = args.limit == 0 ? 100 : std::min(args.limit, kPage);
    LS_TRY(found, desk.catalog.search(accesses, query));
    if (context.json()) {
        print_json(
            {{"total", found.total}, {"packages", api::found_json(found)}});
        return kDone;
    }
    Table table({"REPOSITORY", "PACKAGE", "DOWNLOADS", "SUMMARY"});
    for (std::size_t i = 0; i < found.packages.size(); ++i) {
        const auto& one = found.packages[i];
        table.add({found.repositories[i], one.name, number(one.downloads),
                   one.summary});
    }
    table.print();
    return kDone;
}

Result<int> list_package_files(Context& context) {
    const auto& args = context.args;
    LS_TRY(access, access_to(context, args.repository, Action::pull));
    LS_TRY(desk, open_desk(context));
    LS_TRY(all, collect<StoredFile>(
                    context,
                    [&](std::size_t n, const std::string& last) {
                        return desk.catalog.files(access, args.prefix, n, last);
                    },
                    [](const StoredFile& one) { return one.path; }));
    if (context.json()) {
        print_json({{"files", documents(all, [](const StoredFile& file) {
                         return api::file_json(file);
                     })}});
    } else {
        print_files(all);
    }
    return kDone;
}

Result<int> get_properties(Context& context) {
    LS_TRY(access, access_to(context, context.args.repository, Action::pull));
    LS_TRY(desk, open_desk(context));
    LS_TRY(subject, subject_of(context, desk, access));
    LS_TRY(all, desk.catalog.properties(access, subject.package,
                                        subject.version, subject.path));
    if (context.json()) {
        print_json({{"properties", api::properties_json(all)}});
        return kDone;
    }
    for (const auto& one : all) {
        print_line(one.name + "=" + one.value);
    }
    return kDone;
}

Result<int> set_properties(Context& context) {
    std::vector<Property> wanted;
    for (const auto& text : context.args.properties) {
        LS_TRY(property, parse_property(text));
        wanted.push_back(std::move(property));
    }
    LS_TRY(access, access_to(context, context.args.repository, Action::push));
    LS_TRY(desk, open_desk(context));
    LS_TRY(subject, subject_of(context, desk, access));
    LS_TRY(written, desk.publisher.set_properties(access, subject.package,
                                                  subject.version, subject.path,
                                                  wanted, ""));
    static_cast<void>(written);
    return say_done(context, "set",
                    std::to_string(wanted.size()) + " properties set",
                    {{"properties", api::properties_json(wanted)}});
}

Result<int> list_formats(Context& context) {
    if (context.json()) {
        Json list = Json::array();
        for (const auto* format : all_formats()) {
            list.push_back(api::format_json(*format));
        }
        print_json({{"formats", list}});
        return kDone;
    }
    Table table({"FORMAT", "TITLE", "SPECIFICATION"});
    for (const auto* format : all_formats()) {
        const auto& info = info_of(*format);
        table.add({std::string(info.key), std::string(info.title),
                   std::string(info.specification)});
    }
    table.print();
    return kDone;
}

}  // namespace longshore
