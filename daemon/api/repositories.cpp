// Repositories of packages, formats, and search over all that may be read.
#include <array>

#include "api/documents.hpp"
#include "api/package_documents.hpp"
#include "api/route.hpp"
#include "common/oci_path.hpp"
#include "common/protocol.hpp"
#include "common/range.hpp"
#include "registry/repositories.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::array kListFields = {
    Field{.name = "repositories", .kind = K::objects, .of = &kRepository},
};
constexpr std::array kNewFields = {
    kRepositoryNameField,
    Field{.name = "format",
          .kind = K::text,
          .description = "see /formats",
          .example = "\"generic\"",
          .max = 64},
    renamed(kDescriptionField, "description", "for people", false),
    renamed(kSettingsField, "settings", "switches of the format", false),
};
constexpr std::array kChangeFields = {
    renamed(kDescriptionField, "description", "for people", false),
    renamed(kSettingsField, "settings", "switches of the format, all of them",
            false),
};
constexpr std::array kFormatsFields = {
    Field{.name = "formats", .kind = K::objects, .of = &kFormat},
};
constexpr std::array kFoundFields = {
    Field{"total", K::number, "how many there are; no more than 10000", "1"},
    Field{.name = "packages",
          .kind = K::objects,
          .description = "the most downloaded first",
          .of = &kFoundPackage},
};
const Schema kList{"Repositories", "Repositories, by name.", kListFields};
const Schema kNew{"NewRepository", "A repository of packages.", kNewFields};
const Schema kChange{"RepositoryChange", "What of a repository can be changed.",
                     kChangeFields};
const Schema kFormats{"Formats", "All formats, by key.", kFormatsFields};
const Schema kFound{"FoundPackages", "What a search found.", kFoundFields};

constexpr std::array<std::string_view, 1> kTrue = {"true"};
constexpr std::array kRemoveParameters = {
    Field{.name = "packages",
          .kind = K::word,
          .description = "true: also one that holds some, with them",
          .example = "\"true\"",
          .required = false,
          .words = kTrue},
};
constexpr std::array kSearchParameters = {
    Field{.name = "q",
          .kind = K::text,
          .description = "words that each begin a word of name, summary or "
                         "keywords; without it all packages",
          .example = "\"web\"",
          .required = false,
          .max = 512},
    kPageSizeParameter,
    Field{.name = "skip",
          .kind = K::text,
          .description = "so many of the best are left out, as Link says",
          .example = "\"100\"",
          .required = false,
          .max = 8},
};

// One list after another, until there are enough that may be seen.
Result<std::vector<Repository>> visible(const Reader& reader,
                                        Packages& packages, std::size_t n,
                                        std::string last) {
    std::vector<Repository> out;
    for (bool more = true; more && out.size() < n;) {
        auto from = reader.list_from(last);
        if (!from) {
            break;
        }
        LS_TRY(page, packages.repositories.list(kMaxPage, *from));
        for (auto& one : page.items) {
            last = one.key;
            if (reader.may_list(one.key) && out.size() < n) {
                out.push_back(std::move(one));
            }
        }
        more = page.more;
    }
    return out;
}

Result<Answer> list(const Reader& reader, Packages& packages,
                    const Call& call) {
    LS_TRY(n, page_size(call));
    LS_TRY(found, visible(reader, packages, n + 1, call.in_query("last")));
    Answer answer;
    if (found.size() > n) {
        found.resize(n);
        answer.next = next_page(call, n, found.back().key);
    }
    Json documents = Json::array();
    for (const auto& one : found) {
        documents.push_back(repository_json(one));
    }
    answer.body = {{"repositories", documents}};
    return answer;
}

std::string settings_of(const Call& call, const std::string& otherwise) {
    auto found = call.body.find("settings");
    return found == call.body.end() ? otherwise : found->dump();
}

Result<Answer> create(const Access& access, Packages& packages,
                      const Call& call) {
    NewRepository wanted;
    wanted.format = call.text("format");
    wanted.description = call.text("description");
    wanted.settings = settings_of(call, "{}");
    LS_TRY(made, packages.repositories.create(access, wanted));
    return Answer{.body = repository_json(made),
                  .location = "/repositories/" + made.key};
}

Result<Answer> show(const Access& access, Packages& packages, const Call&) {
    LS_TRY(found, packages.repositories.find(access));
    return Answer{.body = repository_json(found)};
}

Result<Answer> change(const Access& access, Packages& packages,
                      const Call& call) {
    LS_TRY(now, packages.repositories.find(access));
    auto description = call.body.contains("description")
                           ? call.text("description")
                           : now.description;
    LS_TRY(changed, packages.repositories.change(
                        access, description, settings_of(call, now.settings)));
    return Answer{.body = repository_json(changed),
                  .drops = {key::repository(changed.key)}};
}

Result<Answer> remove(const Access& access, Packages& packages,
                      const Call& call) {
    LS_CHECK(packages.repositories.remove(access,
                                          call.in_query("packages") == "true"));
    return Answer{.drops = {key::repository(access.name().text())}};
}

Result<Answer> formats(const Reader&, Packages& packages, const Call&) {
    Json documents = Json::array();
    for (const auto* format : packages.formats) {
        documents.push_back(format_json(*format));
    }
    return Answer{.body = {{"formats", documents}}};
}

// What is ranked has no key to go on by.
Result<PackageQuery> query_of(const Call& call) {
    PackageQuery query;
    query.text = call.in_query("q");
    LS_TRY(n, page_size(call));
    query.n = n;
    auto skip = call.in_query("skip");
    auto number = parse_decimal(skip.empty() ? "0" : skip);
    if (!number || *number > kMostCounted) {
        return Error{
            Code::invalid_argument,
            "\"skip\" is a number up to " + std::to_string(kMostCounted),
            {},
            "/skip"};
    }
    query.skip = static_cast<std::size_t>(*number);
    return query;
}

Answer search_answer(const Call& call, const PackageQuery& query,
                     const PackagesFound& found) {
    Answer answer;
    answer.body = {{"total", found.total}, {"packages", found_json(found)}};
    auto end = query.skip + found.packages.size();
    if (end < found.total && end < kMostCounted && !found.packages.empty()) {
        answer.next = next_result(call, query.n, end);
    }
    return answer;
}

Result<Answer> search(const Reader& reader, Packages& packages,
                      const Call& call) {
    LS_TRY(query, query_of(call));
    std::vector<Access> accesses;
    LS_TRY(all, visible(reader, packages, SIZE_MAX, ""));
    for (const auto& one : all) {
        // A token may be for less than its owner may see.
        if (auto access = reader.pull_from(one.key)) {
            accesses.push_back(std::move(*access));
        }
    }
    LS_TRY(found, packages.catalog.search(accesses, query));
    return search_answer(call, query, found);
}

Result<Answer> search_one(const Access& access, Packages& packages,
                          const Call& call) {
    LS_TRY(query, query_of(call));
    LS_TRY(found, packages.catalog.search(access, query));
    return search_answer(call, query, found);
}

constexpr Route reading(std::string_view pattern, ReaderHandler handle,
                        std::string_view summary, const Schema& response) {
    Route route;
    route.method = Method::get;
    route.pattern = pattern;
    route.right = Right::reader;
    route.handle = handle;
    route.response = &response;
    route.summary = summary;
    route.without_auth = true;
    return route;
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

constexpr Route answering(Route route, int status, const Schema& response) {
    route.status = status;
    route.response = &response;
    return route;
}

constexpr Route taking(Route route, const Schema& request) {
    route.request = &request;
    return route;
}

constexpr Route with(Route route, std::span<const Field> query) {
    route.query = query;
    return route;
}

constexpr Route named_by(Route route, std::string_view member) {
    route.named_by = member;
    return route;
}

const std::array kRoutes = {
    reading("/formats", &formats, "what there can be repositories of",
            kFormats),
    with(reading("/repositories", &list,
                 "list the repositories of packages that one may pull from",
                 kList),
         kPageParameters),
    named_by(answering(taking(row(Method::post, "/repositories", Action::admin,
                                  &create, "make a repository"),
                              kNew),
                       201, kRepository),
             "name"),
    answering(row(Method::get, "/repositories/{repository}", Action::pull,
                  &show, "what is known of a repository"),
              200, kRepository),
    answering(
        taking(row(Method::patch, "/repositories/{repository}", Action::admin,
                   &change, "change description or settings"),
               kChange),
        200, kRepository),
    with(row(Method::remove, "/repositories/{repository}", Action::admin,
             &remove, "remove a repository"),
         kRemoveParameters),
    with(reading("/search", &search, "search what one may pull from, by words",
                 kFound),
         kSearchParameters),
    with(answering(
             row(Method::get, "/repositories/{repository}/search", Action::pull,
                 &search_one, "search one repository, by words"),
             200, kFound),
         kSearchParameters),
};

}  // namespace

std::span<const Route> repository_routes() {
    return kRoutes;
}

}  // namespace longshore::api
