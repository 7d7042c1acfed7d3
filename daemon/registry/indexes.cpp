#include "registry/indexes.hpp"

#include <algorithm>
#include <chrono>

#include <spdlog/spdlog.h>

#include "common/clock.hpp"
#include "common/content_coding.hpp"
#include "common/probe.hpp"
#include "common/protocol.hpp"
#include "db/documents.hpp"
#include "db/journal.hpp"
#include "db/packages.hpp"
#include "http/date.hpp"
#include "registry/format.hpp"
#include "registry/index_next.hpp"
#include "store/package_store.hpp"

namespace longshore {
namespace {

// A scope's documents for that many base URLs are kept up to date.
constexpr std::size_t kMaxVariants = 4;
constexpr std::size_t kBatch = 100;
// Longer than any reader is between its look at a row and its open().
constexpr std::int64_t kLeftoverMs = 10 * 60 * 1000;
constexpr std::uint32_t kTtlMs = 60'000;
// A making that takes longer than that is not waited for by who only reads:
// nginx would not wait for him.
constexpr std::chrono::seconds kPatience{1};
constexpr std::uint64_t kMaxRead = std::uint64_t{64} << 20;

bool is_same(const db::DocumentRow& a, const db::DocumentRow& b) {
    return a.document.path == b.document.path &&
           a.document.encoding == b.document.encoding;
}

// Rows of the next generation in the place of the present one's.
Result<void> commit_rows(Transaction& t, std::int64_t repository,
                         const IndexContext::Next& next, std::int64_t now_ms) {
    for (const auto& old : next.present) {
        bool stays =
            next.kept.contains(old.document.path) ||
            std::any_of(next.put.begin(), next.put.end(),
                        [&](const auto& row) { return is_same(row, old); });
        if (!stays) {
            LS_CHECK(db::end_document(t, repository, old, now_ms));
        }
    }
    for (const auto& row : next.put) {
        LS_CHECK(db::put_document(t, repository, row, now_ms));
    }
    return {};
}

}  // namespace

// One making of a scope; who comes while it runs waits for the one after it.
struct Indexes::Making {
    bool running = false;
    std::chrono::steady_clock::time_point since;
};

Indexes::Indexes(Database& database, PackageStore& store,
                 std::span<const Format* const> formats)
    : database_(database), store_(store), formats_(formats) {}

Indexes::~Indexes() = default;

const Format* Indexes::format(std::string_view key) const noexcept {
    return find_format(formats_, key);
}

Result<void> Indexes::begin(std::string_view boot) {
    constexpr std::string_view kBootMeta = "documents_boot";
    return database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(before, db::meta(t, kBootMeta));
        if (before == boot && !boot.empty()) {
            return {};  // what was written is there, durable or not
        }
        LS_CHECK(db::drop_undurable(t, unix_ms()));
        LS_CHECK(db::set_meta(t, kBootMeta, boot));
        LS_PROBE(documents, begun);
        return {};
    });
}

Result<bool> Indexes::is_stale(const Repository& repository,
                               std::string_view scope) {
    bool stale = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_stale(t, repository.id, scope));
        stale = found && found->rendered < found->changed;
        return {};
    }));
    return stale;
}

Result<void> Indexes::refresh(const Repository& repository,
                              std::string_view scope) {
    LS_TRY(stale, is_stale(repository, scope));
    if (stale) {
        LS_TRY(made, make(repository, scope, std::nullopt));
        static_cast<void>(made);
    }
    return {};
}

Result<void> Indexes::renew(const Repository& repository,
                            std::string_view scope, std::string_view path,
                            std::int64_t max_age_ms) {
    auto oldest = unix_ms() - max_age_ms;
    auto is_old = [&](Transaction& t) -> Result<bool> {
        LS_TRY(found, db::find_documents(t, repository.id, path, ""));
        return !found.empty() && found.front().document.modified_at_ms < oldest;
    };
    bool old = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(answer, is_old(t));
        old = answer;
        return {};
    }));
    if (old) {
        LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
            LS_TRY(stale, db::find_stale(t, repository.id, scope));
            if (stale && stale->rendered < stale->changed) {
                return {};  // somebody is at it
            }
            return db::mark_stale(t, repository.id, scope, unix_ms());
        }));
    }
    LS_TRY(stale, is_stale(repository, scope));
    if (stale) {
        LS_TRY(made, make(repository, scope, std::nullopt, true));
        static_cast<void>(made);
    }
    return {};
}

// One thread makes a scope at a time. Whoever waited looks again whether its
// change is in what was made.
Result<bool> Indexes::make(const Repository& repository, std::string_view scope,
                           std::optional<std::string_view> variant,
                           bool reader) {
    Name name(repository.id, scope);
    std::shared_ptr<Making> making;
    {
        std::unique_lock lock(mutex_);
        auto& slot = makings_[name];
        if (!slot) {
            slot = std::make_shared<Making>();
        }
        making = slot;
        auto idle = [&] { return !making->running; };
        if (!reader) {
            made_.wait(lock, idle);
        } else if (!made_.wait_until(lock, making->since + kPatience, idle)) {
            return false;
        }
        making->running = true;
        making->since = std::chrono::steady_clock::now();
    }
    Result<void> result = make_alone(repository, scope, variant);
    {
        std::lock_guard lock(mutex_);
        making->running = false;
        // Nobody else holds it: the next one makes a new one.
        if (making.use_count() == 2) {
            makings_.erase(name);
        }
    }
    made_.notify_all();
    LS_CHECK(result);
    return true;
}

Result<void> Indexes::make_alone(const Repository& repository,
                                 std::string_view scope,
                                 std::optional<std::string_view> variant) {
    if (variant) {
        return make_variant(repository, scope, *variant);
    }
    LS_TRY(stale, is_stale(repository, scope));
    if (!stale) {
        return {};
    }
    const auto* of = format(repository.format);
    if (of == nullptr || of->info().index == IndexKind::none) {
        return database_.write([&](Transaction& t) -> Result<void> {
            LS_TRY(found, db::find_stale(t, repository.id, scope));
            return found ? db::mark_rendered(t, repository.id, scope,
                                             found->changed)
                         : Result<void>();
        });
    }
    if (of->info().index == IndexKind::plain) {
        return make_variant(repository, scope, "");
    }
    std::vector<std::string> variants;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::variants_of(t, repository.id, scope));
        variants = std::move(found);
        return {};
    }));
    std::int64_t changed = 0;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_stale(t, repository.id, scope));
        changed = found ? found->changed : 0;
        return {};
    }));
    auto kept = std::min(variants.size(), kMaxVariants);
    for (std::size_t i = 0; i < kept; ++i) {
        LS_CHECK(make_variant(repository, scope, variants[i]));
    }
    return database_.write([&](Transaction& t) -> Result<void> {
        // Those that are asked for again will be made again.
        for (std::size_t i = kept; i < variants.size(); ++i) {
            LS_TRY(rows,
                   db::documents_of(t, repository.id, scope, variants[i]));
            for (const auto& row : rows) {
                LS_CHECK(db::end_document(t, repository.id, row, unix_ms()));
            }
        }
        return db::mark_rendered(t, repository.id, scope, changed);
    });
}

Result<void> Indexes::make_variant(const Repository& repository,
                                   std::string_view scope,
                                   std::string_view variant) {
    const auto* of = format(repository.format);
    auto now = unix_ms();
    std::shared_lock bytes(bytes_);
    std::optional<db::StaleScope> stale;
    std::unique_ptr<IndexContext> ctx;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_stale(t, repository.id, scope));
        stale = std::move(found);
        ctx = std::make_unique<IndexContext>(IndexContext::Parts{
            t, store_, repository, scope, variant, now, signing_});
        LS_TRY(present, db::documents_of(t, repository.id, scope, variant));
        ctx->next().present = std::move(present);
        return of->reindex(*ctx, scope);
    }));
    const auto& next = ctx->next();
    if (!stale && next.put.empty() && next.present.empty()) {
        return {};  // a read of what there is not
    }
    LS_PROBE(index, made);
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(commit_rows(t, repository.id, ctx->next(), now));
        // A scope in several variants is as new as all of them are.
        if (stale && variant.empty()) {
            LS_CHECK(
                db::mark_rendered(t, repository.id, scope, stale->changed));
        }
        return {};
    }));
    LS_PROBE(index, committed);
    for (const auto& document : next.ahead) {
        auto owner = std::to_string(repository.id) + "/" + document.path;
        store_.copy_ahead(owner, document.digest);
    }
    return {};
}

Result<Indexes::Found> Indexes::find(const Repository& repository,
                                     std::string_view scope,
                                     std::string_view path,
                                     std::string_view base_url) {
    const auto* of = format(repository.format);
    bool links = of != nullptr && of->info().index == IndexKind::with_links;
    auto variant = links ? base_url : std::string_view();
    Found found;
    LS_TRY(stale, is_stale(repository, scope));
    if (stale) {
        LS_TRY(made, make(repository, scope, std::nullopt, true));
        found.lags = !made;
    }
    auto look = [&](Transaction& t) -> Result<void> {
        LS_TRY(rows, db::find_documents(t, repository.id, path, variant));
        for (auto& row : rows) {
            found.encodings.push_back(std::move(row.document));
        }
        return {};
    };
    LS_CHECK(database_.read(look));
    if (found.encodings.empty() && of != nullptr) {
        LS_TRY(made, make(repository, scope, variant, true));
        if (!made) {
            return Error{Code::unavailable,
                         "the index is being made, which takes a while"};
        }
        LS_CHECK(database_.read(look));
    }
    return found;
}

Result<std::string> Indexes::read(const Repository& repository,
                                  std::string_view scope, std::string_view path,
                                  std::string_view base_url) {
    LS_TRY(found, find(repository, scope, path, base_url));
    if (found.encodings.empty()) {
        return Error{Code::not_found, "no such document: " + std::string(path)};
    }
    LS_TRY(source, store_.open_document(found.encodings.front().digest));
    return Blobs::read_all(*source, kMaxRead);
}

Result<Reply> Indexes::serve(const Repository& repository,
                             const Request& request, std::string_view scope,
                             std::string_view path, std::string_view base_url) {
    LS_TRY(found, find(repository, scope, path, base_url));
    if (found.encodings.empty()) {
        return Error{Code::not_found, "no such document: " + std::string(path)};
    }
    const auto* chosen = &found.encodings.front();
    auto accepted =
        accepted_codings(request.header("accept-encoding").value_or(""));
    for (const auto& document : found.encodings) {
        if (document.encoding == "gzip" && accepted.gzip) {
            chosen = &document;
        }
    }
    Reply reply;
    reply.media_type = chosen->media_type;
    reply.body = BlobBody{chosen->digest, chosen->size_bytes, Area::documents};
    if (found.encodings.size() > 1) {
        reply.header("Vary", "Accept-Encoding");
    }
    if (!chosen->encoding.empty()) {
        reply.header("Content-Encoding", chosen->encoding);
    }
    reply.header("Last-Modified", http_date(chosen->modified_at_ms / 1000));
    reply.header("Cache-Control", "no-cache");
    reply.reference = path;
    reply.ttl_ms = found.lags ? 0 : kTtlMs;
    reply.keys.push_back(key::package(repository.key, scope));
    return reply;
}

Result<std::vector<std::string>> Indexes::list(const Repository& repository,
                                               std::string_view prefix,
                                               std::size_t n,
                                               std::string_view last) {
    std::vector<std::string> paths;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_documents(t, repository.id, prefix, n, last));
        paths = std::move(found);
        return {};
    }));
    return paths;
}

Result<void> Indexes::make_stale_ones() {
    std::vector<db::StaleScope> scopes;
    std::int64_t repository_id = 0;
    std::string last;
    for (;;) {
        LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
            LS_TRY(found, db::list_stale(t, kBatch, repository_id, last));
            scopes = std::move(found);
            return {};
        }));
        for (const auto& scope : scopes) {
            repository_id = scope.repository;
            last = scope.scope;
            if (scope.rendered >= scope.changed) {
                continue;
            }
            std::optional<Repository> repository;
            LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
                LS_TRY(found, db::repository_of(t, scope.repository));
                repository = std::move(found);
                return {};
            }));
            if (!repository) {
                continue;
            }
            if (auto made = refresh(*repository, scope.scope); !made) {
                spdlog::error("index {} of {}: {}", scope.scope,
                              repository->key, made.error().message);
            }
        }
        if (scopes.size() < kBatch) {
            return {};
        }
    }
}

Result<void> Indexes::clear_leftovers() {
    std::unique_lock bytes(bytes_);
    std::vector<std::string> digests;
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::unused_leftovers(t, unix_ms() - kLeftoverMs, kBatch));
        digests = std::move(found);
        return {};
    }));
    if (digests.empty()) {
        return {};
    }
    for (const auto& text : digests) {
        Digest digest;
        if (Digest::parse(text, digest)) {
            LS_CHECK(store_.remove_document(digest));
        }
    }
    // Last: bytes that nothing knows would stay.
    LS_PROBE(leftovers, removed);
    return database_.write([&](Transaction& t) -> Result<void> {
        for (const auto& text : digests) {
            LS_CHECK(db::forget_leftover(t, text));
        }
        return {};
    });
}

Result<void> Indexes::sweep() {
    LS_CHECK(make_stale_ones());
    std::vector<db::StaleScope> rendered;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_stale(t, kBatch, 0, ""));
        rendered = std::move(found);
        return {};
    }));
    std::erase_if(rendered, [](const auto& scope) {
        return scope.rendered < scope.changed;
    });
    if (!rendered.empty()) {
        LS_CHECK(store_.sync());
        LS_PROBE(index, synced);
        LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
            for (const auto& scope : rendered) {
                LS_CHECK(db::forget_stale(t, scope));
            }
            return {};
        }));
        LS_PROBE(index, settled);
    }
    LS_CHECK(database_.write([](Transaction& t) -> Result<void> {
        LS_TRY(ended, db::delete_expired(t, unix_ms(), kBatch));
        static_cast<void>(ended);
        return {};
    }));
    return clear_leftovers();
}

}  // namespace longshore
