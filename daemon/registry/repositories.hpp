// Repositories of packages: which there are, their making and their end.
// Thread-safe; each call may block on the database. Who may call it was
// decided before: reads by name want an Access, changes one for `admin`.
// @errors of all functions here: unavailable, corrupt; others where said.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "model/access.hpp"
#include "model/manifest.hpp"
#include "model/package.hpp"

namespace longshore {

class Database;
class Format;
class Transaction;

struct NewRepository {
    std::string format;
    RepositoryKind kind = RepositoryKind::local;
    std::string description;
    std::string settings = "{}";  // JSON object
};

class Repositories {
public:
    /// `beside`: in another process than registryd, see
    /// PackagePublisher::PackagePublisher().
    Repositories(Database& database, std::span<const Format* const> formats,
                 bool beside = false)
        : database_(database), formats_(formats), beside_(beside) {}

    /// The repository that the access is for. @errors not_found
    Result<Repository> find(const Access& access);

    /// All of them, by key; the caller leaves out what may not be seen.
    Result<Page<Repository>> list(std::size_t n, std::string_view last);

    /// @errors already_exists; invalid_argument (the name is no single
    ///         component, no such format, settings are no JSON object);
    ///         unsupported (a kind that the format has not)
    Result<Repository> create(const Access& access,
                              const NewRepository& wanted);

    /// Description and settings. @errors not_found, invalid_argument
    Result<Repository> change(const Access& access,
                              const std::string& description,
                              const std::string& settings);

    /// Removes it, `with_content` with all that it holds; pulls that run go
    /// on. Bytes that nothing names any more are the collector's.
    /// @errors not_found, conflict (it holds something)
    Result<void> remove(const Access& access, bool with_content);

private:
    const Format* format(std::string_view key) const noexcept;
    Result<void> drop(Transaction& t, const Access& access) const;

    Database& database_;
    std::span<const Format* const> formats_;
    bool beside_;
};

}  // namespace longshore
