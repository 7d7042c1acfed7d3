// Indexes: documents derived from packages, made by the format, served by
// nginx from disk. A scope is what is made together (a package's documents,
// a distribution's index files); its documents change in one transaction, so
// a reader meets one generation.
//
// Who changed a scope marks it stale in the same transaction and then calls
// refresh(), which returns when documents made from a state not older than
// that are there. Callers that come meanwhile share one making. A scope that
// was left stale by a crash is made anew by the sweep or by the next read.
// Reads wait for a making by somebody else for a second at most: then they get
// what there is, which lacks nothing that was answered with a 2xx.
// Bytes are not synced one by one: the sweep syncs the file system, then
// forgets the marks, so what a power cut may have taken is made again.
// Thread-safe.
// @errors of all functions here: unavailable, corrupt, internal; others where
// said.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/byte_source.hpp"
#include "common/result.hpp"
#include "http/reply.hpp"
#include "http/request.hpp"
#include "model/package.hpp"

namespace longshore {

class Database;
class Format;
class IndexContext;
class PackageStore;
class Signer;

class Indexes {
public:
    Indexes(Database& database, PackageStore& store,
            std::span<const Format* const> formats);
    ~Indexes();
    Indexes(const Indexes&) = delete;
    Indexes& operator=(const Indexes&) = delete;

    /// What formats sign with. Before the first refresh().
    void attach(Signer& signing) noexcept { signing_ = &signing; }

    /// After another start of the machine (`boot`: its boot_id()) documents
    /// that were not durable yet may be torn: they are made anew with the next
    /// read or sweep. Before the first refresh() of a daemon.
    Result<void> begin(std::string_view boot);

    /// Makes the scope's documents if they lag behind its packages.
    Result<void> refresh(const Repository& repository, std::string_view scope);

    /// Makes the scope's documents anew if `path`, one of them, was made longer
    /// ago than that: for those that say until when they hold. For readers.
    Result<void> renew(const Repository& repository, std::string_view scope,
                       std::string_view path, std::int64_t max_age_ms);

    /// The answer to a read of a document, in the best encoding that the
    /// request accepts. `base_url`: that of the links in it, where the format
    /// has such. @errors not_found
    Result<Reply> serve(const Repository& repository, const Request& request,
                        std::string_view scope, std::string_view path,
                        std::string_view base_url);

    /// The bytes of a document, at most 64 MiB. @errors not_found, too_large
    Result<std::string> read(const Repository& repository,
                             std::string_view scope, std::string_view path,
                             std::string_view base_url);

    /// Document paths that begin with `prefix`, after `last`, bytewise.
    Result<std::vector<std::string>> list(const Repository& repository,
                                          std::string_view prefix,
                                          std::size_t n, std::string_view last);

    /// One round of the job: makes what was left stale, syncs, forgets marks,
    /// ends what is past its grace and removes bytes that nobody has.
    Result<void> sweep();

private:
    struct Making;
    using Name = std::pair<std::int64_t, std::string>;
    struct Found {
        std::vector<Document> encodings;  // identity first; none: no document
        bool lags = false;
    };

    /// Made now if the scope was never made. @errors unavailable (that takes
    /// somebody else long)
    Result<Found> find(const Repository& repository, std::string_view scope,
                       std::string_view path, std::string_view base_url);
    /// Without a variant: all that lag behind. False: somebody was at it for
    /// longer than a reader waits, and still is.
    Result<bool> make(const Repository& repository, std::string_view scope,
                      std::optional<std::string_view> variant,
                      bool reader = false);
    Result<void> make_variant(const Repository& repository,
                              std::string_view scope, std::string_view variant);
    Result<void> make_alone(const Repository& repository,
                            std::string_view scope,
                            std::optional<std::string_view> variant);
    Result<bool> is_stale(const Repository& repository, std::string_view scope);
    Result<void> make_stale_ones();
    Result<void> clear_leftovers();
    const Format* format(std::string_view key) const noexcept;

    Database& database_;
    PackageStore& store_;
    std::span<const Format* const> formats_;
    Signer* signing_ = nullptr;

    std::mutex mutex_;
    std::condition_variable made_;
    std::map<Name, std::shared_ptr<Making>> makings_;
    // Shared while documents are written and their rows committed, alone
    // while bytes without rows are removed.
    std::shared_mutex bytes_;
};

}  // namespace longshore
