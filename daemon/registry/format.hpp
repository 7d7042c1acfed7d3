// The contract of a format: a table of routes and a few optional answers. A
// format sees a Context and nothing else of the system. docs/formats.md tells
// how one is added.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "http/reply.hpp"
#include "http/request.hpp"
#include "model/access.hpp"
#include "registry/blobs.hpp"
#include "registry/catalog.hpp"
#include "registry/format_info.hpp"
#include "registry/index_context.hpp"
#include "registry/indexes.hpp"
#include "registry/package_catalog.hpp"
#include "registry/package_publisher.hpp"
#include "registry/publisher.hpp"
#include "registry/transparency.hpp"
#include "registry/uploads.hpp"

namespace longshore {

/// Limits and switches of the protocol; from registryd.conf.
struct FormatSettings {
    std::uint64_t max_manifest_bytes = 4 * 1024 * 1024;
    std::uint64_t max_blob_bytes = 0;  // 0: no limit
    std::uint64_t max_file_bytes = 0;  // of a package; 0: no limit
    std::uint32_t cache_ttl_ms = 60'000;
    std::uint64_t cache_inline_bytes = 64 * 1024;
    std::size_t max_page_items = 1000;
    std::size_t max_tags_per_push = 32;
    bool allow_delete = true;
};

/// Who asks, for the formats whose clients log in by themselves.
class Identity {
public:
    virtual ~Identity() = default;

    /// Name of the principal; "" for nobody.
    virtual std::string_view name() const = 0;

    /// Whether the caller, or somebody who is nobody, may do it with the
    /// repository of the request: for what clients ask about rights, not for
    /// deciding anything.
    virtual bool may(Action action) const = 0;
    virtual bool everybody_may(Action action) const = 0;

    /// Makes an API token of whoever has this name and password, and returns
    /// its text. @errors unauthenticated, denied, rate_limited, unavailable
    virtual Result<std::string> log_in(std::string_view user,
                                       std::string_view password,
                                       std::string_view description) = 0;

    /// Ends the API token that the request came with.
    /// @errors unauthenticated (it came with none), unavailable
    virtual Result<void> log_out() = 0;
};

/// What a handler may touch. `access` is null for routes without a name
/// (ping, catalog) and those that are open.
struct Context {
    const Access* access;
    Catalog& catalog;
    Publisher& publisher;
    Uploads& uploads;
    /// Second repository of a request (mount … from): access to it for
    /// `pull`, or denied/not_found. nullptr-free; call with a parsed name.
    Result<Access> (*pull_from)(void* authority, const RepositoryName& name);
    /// Whether a list may show this name: the caller may pull from it.
    bool (*may_list)(void* authority, std::string_view name);
    /// Where such a list goes on after `last`, which skips names that it may
    /// not show; nullopt: it has ended.
    std::optional<std::string> (*list_from)(void* authority,
                                            std::string_view last);
    void* authority;
    const FormatSettings& settings;

    // Of a repository of packages.
    const Repository* repository;  // null where `access` is
    PackageCatalog& packages;
    PackagePublisher& package_publisher;
    Blobs& blobs;
    Indexes& indexes;
    Identity& identity;
    Signer* signing;  // null: none
    TransparencyLog& transparency;
    /// "https://host/prefix/npm/repository", no slash behind it: what links in
    /// answers begin with.
    std::string base_url;
};

using Handler = Result<Reply> (*)(Context&, const Request&);

/// How a body comes to the handler, which is called when it is there.
enum class BodyMode : std::uint8_t {
    handler,  // none, or the handler asks for it itself
    memory,   // at most Route::max_body_bytes
    spool,    // a file, see Blobs; 0: the registry's limit alone
};

struct Route {
    Method method;
    std::string_view pattern;  // text for docs and metrics; http/router.hpp
    Action action;             // authorized before the handler runs
    bool named;                // has a repository name in its path
    Handler handle;
    /// Without a name: the scope that a token must have, if any one must.
    std::string_view scope = {};
    /// nginx does it alone once it is allowed to (an upload's session).
    bool in_nginx = false;

    BodyMode body = BodyMode::handler;
    std::uint64_t max_body_bytes = 0;
    std::uint8_t algorithms = 0;  // bits of Extra, made while it comes in
    /// Refuses before a long body is taken what would be refused after it.
    Result<void> (*before)(Context&, const Request&) = nullptr;
    /// Anybody may call it and it gets no Access: a login.
    bool open = false;
};

/// What the target of a request means to the format.
struct Match {
    const Route* route = nullptr;  // null: see `error`
    std::string_view name;         // decoded repository name; empty if !named
    std::string_view reference;
    std::string_view query;
    Parameters parameters = {};
    bool ends_in_slash = false;
    std::string allow;  // methods for a 405
    std::optional<Error> error;
};

class Format {
public:
    virtual ~Format() = default;
    virtual const FormatInfo& info() const = 0;
    virtual std::span<const Route> routes() const = 0;

    /// `scratch` holds decoded text that the Match refers to.
    virtual Match match(Method method, std::string_view target,
                        std::span<char> scratch) const = 0;

    /// The format's own error document.
    virtual Reply render(const Error& error) const = 0;

    /// Scopes whose documents depend on the package, of which `versions` holds
    /// those that changed. Default: one for each package, its key.
    virtual std::vector<std::string> scopes(
        const StoredPackage& package) const {
        return {package.key};
    }

    /// The same for a file that belongs to no version.
    virtual std::vector<std::string> loose_scopes(std::string_view) const {
        return {};
    }

    /// Makes all documents of a scope anew. Not called where info() says that
    /// there are none.
    /// @errors those of the IndexContext; internal
    virtual Result<void> reindex(IndexContext&, std::string_view) const {
        return {};
    }

    /// Name and version as this format finds them, for whoever has only what a
    /// person typed. Default: as they are.
    virtual std::string package_key(std::string_view name) const {
        return std::string(name);
    }
    virtual std::string version_key(std::string_view version) const {
        return std::string(version);
    }

    /// Checks the settings of a repository (a JSON object).
    /// @errors invalid_argument
    virtual Result<void> check_settings(std::string_view) const { return {}; }
};

}  // namespace longshore
