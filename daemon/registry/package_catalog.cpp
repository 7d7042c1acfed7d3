#include "registry/package_catalog.hpp"

#include <map>
#include <set>

#include "db/packages.hpp"
#include "registry/package_rows.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxWords = 8;
constexpr std::size_t kMaxWord = 64;

Error unknown_package(std::string_view key) {
    return Error{Code::not_found,
                 "package " + std::string(key) + " is not in this repository"};
}

// One more than was asked for tells that there are more.
template <typename T>
Page<T> page_of(std::vector<T> rows, std::size_t n) {
    Page<T> page;
    page.more = rows.size() > n;
    if (page.more) {
        rows.resize(n);
    }
    page.items = std::move(rows);
    return page;
}

// The words of a query as an FTS5 expression that has no operators of the
// client's: letters and digits of any script stay, all else parts words.
std::string words_of(std::string_view text) {
    std::string out;
    std::string word;
    std::size_t words = 0;
    auto flush = [&] {
        if (!word.empty() && words < kMaxWords) {
            out += out.empty() ? "" : " AND ";
            out += '"' + word + "\"*";
            ++words;
        }
        word.clear();
    };
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        bool letter = byte >= 0x80 || (c >= 'a' && c <= 'z') ||
                      (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter) {
            flush();
        } else if (word.size() < kMaxWord) {
            word += c;
        }
    }
    flush();
    return out;
}

// Keys of the repositories, by their ids.
using Places = std::map<std::int64_t, std::string>;

// A query for each thousand of all that there are, not for each of those.
Result<Places> places_of(Transaction& t, std::span<const Access> accesses) {
    constexpr std::size_t kMany = 1000;
    Places places;
    if (accesses.size() == 1) {
        LS_TRY(id, rows::repository_id(t, accesses[0]));
        places.emplace(id, accesses[0].name().text());
        return places;
    }
    std::set<std::string_view> wanted;
    for (const auto& access : accesses) {
        wanted.insert(access.name().text());
    }
    std::string last;
    for (;;) {
        LS_TRY(page, db::list_repositories(t, kMany, last));
        for (const auto& one : page) {
            if (wanted.contains(one.key)) {
                places.emplace(one.id, one.key);
            }
        }
        if (page.size() < kMany) {
            return places;
        }
        last = page.back().key;
    }
}

std::string match_of(const Places& places, const std::string& words) {
    std::string place;
    for (const auto& [id, key] : places) {
        place += place.empty() ? "" : " OR ";
        place += "r" + std::to_string(id);
    }
    auto match = "place : (" + place + ")";
    return words.empty()
               ? match
               : match + " AND {name summary keywords} : (" + words + ")";
}

// The name that follows the folder in a path, and whether more follows it.
FolderEntry entry_of(const StoredFile& file, std::size_t folder) {
    std::string_view rest(file.path);
    rest.remove_prefix(folder);
    auto slash = rest.find('/');
    FolderEntry entry;
    entry.name = rest.substr(0, slash);
    entry.folder = slash != std::string_view::npos;
    if (!entry.folder) {
        entry.file = file;
    }
    return entry;
}

}  // namespace

Result<StoredPackage> PackageCatalog::package(const Access& access,
                                              std::string_view key) {
    StoredPackage out;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(found, rows::whole_package(t, id, key));
        if (!found) {
            return unknown_package(key);
        }
        out = std::move(*found);
        return {};
    }));
    return out;
}

Result<StoredPackage> PackageCatalog::package_row(const Access& access,
                                                  std::string_view key) {
    StoredPackage out;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(found, db::find_package(t, id, key));
        if (!found) {
            return unknown_package(key);
        }
        out = std::move(*found);
        return {};
    }));
    return out;
}

Result<Page<StoredPackage>> PackageCatalog::packages(const Access& access,
                                                     std::string_view prefix,
                                                     std::size_t n,
                                                     std::string_view last) {
    std::vector<StoredPackage> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(list, db::list_packages(t, id, prefix, n + 1, last));
        found = std::move(list);
        return {};
    }));
    return page_of(std::move(found), n);
}

Result<FileEntry> PackageCatalog::file(const Access& access,
                                       std::string_view path) {
    FileEntry out;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(found, db::find_file(t, id, path));
        if (!found) {
            return Error{Code::not_found, "no such file: " + std::string(path)};
        }
        out.file = std::move(*found);
        if (out.file.version_id != 0) {
            LS_TRY(owner, db::owner_of(t, out.file.version_id));
            out.package_key = std::move(owner.package_key);
            out.version_key = std::move(owner.version_key);
        }
        return {};
    }));
    return out;
}

Result<StoredFile> PackageCatalog::file_with(const Access& access,
                                             const Digest& digest) {
    StoredFile out;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(found, db::find_file_with(t, id, digest));
        if (!found) {
            return Error{Code::not_found,
                         "no file here has the digest " + digest.str()};
        }
        out = std::move(*found);
        return {};
    }));
    return out;
}

Result<Page<StoredFile>> PackageCatalog::files(const Access& access,
                                               std::string_view prefix,
                                               std::size_t n,
                                               std::string_view last) {
    std::vector<StoredFile> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(list, db::list_files(t, id, prefix, n + 1, last));
        found = std::move(list);
        return {};
    }));
    return page_of(std::move(found), n);
}

Result<Page<FolderEntry>> PackageCatalog::folder(const Access& access,
                                                 std::string_view path,
                                                 std::size_t n,
                                                 std::string_view last) {
    std::vector<FolderEntry> found;
    std::string after(path);
    after += last;
    // A folder is passed over with all that it holds.
    after += last.ends_with('/') ? "\xff" : "";
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        while (found.size() <= n) {
            LS_TRY(files, db::list_files(t, id, path, 64, after));
            if (files.empty()) {
                return {};
            }
            for (const auto& file : files) {
                auto entry = entry_of(file, path.size());
                bool same = !found.empty() && found.back().folder &&
                            found.back().name == entry.name;
                after = file.path;
                if (!same) {
                    found.push_back(std::move(entry));
                }
                if (found.back().folder) {
                    after = std::string(path) + found.back().name + "/\xff";
                    break;
                }
            }
        }
        return {};
    }));
    return page_of(std::move(found), n);
}

Result<PackagesFound> PackageCatalog::search(const Access& access,
                                             const PackageQuery& query) {
    return search(std::span(&access, 1), query);
}

Result<PackagesFound> PackageCatalog::search(std::span<const Access> accesses,
                                             const PackageQuery& query) {
    PackagesFound out;
    if (accesses.empty()) {
        return out;
    }
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(places, places_of(t, accesses));
        if (places.empty()) {
            return {};
        }
        auto match = match_of(places, words_of(query.text));
        LS_TRY(total, db::count_found(t, match, kMostCounted));
        LS_TRY(found, db::search_packages(t, match, query.n, query.skip));
        out.total = total;
        for (auto& one : found) {
            out.repositories.push_back(places[one.repository]);
            out.packages.push_back(std::move(one.package));
        }
        return {};
    }));
    return out;
}

Result<Page<StoredPackage>> PackageCatalog::packages_with(
    const Access& access, const Property& property, std::size_t n,
    std::string_view last) {
    std::vector<StoredPackage> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(list, db::packages_with(t, id, property, n + 1, last));
        found = std::move(list);
        return {};
    }));
    return page_of(std::move(found), n);
}

Result<std::vector<Property>> PackageCatalog::properties(
    const Access& access, std::string_view package_key,
    std::string_view version_key, std::string_view path) {
    std::vector<Property> out;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, rows::repository_id(t, access));
        LS_TRY(subject,
               rows::find_subject(t, id, package_key, version_key, path));
        LS_TRY(found, db::properties_of(t, subject.kind, subject.id));
        out = std::move(found);
        return {};
    }));
    return out;
}

}  // namespace longshore
