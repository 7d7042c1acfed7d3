// The contract of a format: a table of routes and a few optional answers. A
// format sees a Context and nothing else of the system.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "http/reply.hpp"
#include "http/request.hpp"
#include "model/access.hpp"
#include "registry/catalog.hpp"
#include "registry/publisher.hpp"
#include "registry/uploads.hpp"

namespace longshore {

/// Limits and switches of the protocol; from registryd.conf.
struct FormatSettings {
    std::uint64_t max_manifest_bytes = 4 * 1024 * 1024;
    std::uint64_t max_blob_bytes = 0;  // 0: no limit
    std::uint32_t cache_ttl_ms = 60'000;
    std::uint64_t cache_inline_bytes = 64 * 1024;
    std::size_t max_page_items = 1000;
    std::size_t max_tags_per_push = 32;
    bool allow_delete = true;
};

/// What a handler may touch. `access` is null for routes without a name
/// (ping, catalog).
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
};

using Handler = Result<Reply> (*)(Context&, const Request&);

struct Route {
    Method method;
    std::string_view pattern;  // text for docs and metrics
    Action action;             // authorized before the handler runs
    bool named;                // has a repository name in its path
    Handler handle;
    /// Without a name: the scope that a token must have, if any one must.
    std::string_view scope = {};
    /// nginx does it alone once it is allowed to (an upload's session).
    bool in_nginx = false;
};

/// What the target of a request means to the format.
struct Match {
    const Route* route = nullptr;  // null: see `error`
    std::string_view name;         // decoded repository name; empty if !named
    std::string_view reference;
    std::string_view query;
    std::string allow;  // methods for a 405
    std::optional<Error> error;
};

struct FormatInfo {
    std::string_view key;    // "oci"
    std::string_view title;  // "OCI and Docker images"
    std::string_view mount;  // "/v2"
    std::string_view specification;
    std::span<const HeaderField> headers;  // on every answer
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
};

/// All formats, in order of key; the table is generated from file names.
std::span<const Format* const> all_formats();

}  // namespace longshore
