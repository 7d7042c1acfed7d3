// What was deleted and collected, but lies in the trash still.
#include <algorithm>
#include <string>

#include "common/clock.hpp"
#include "common/oci_path.hpp"
#include "ctl/commands.hpp"
#include "ctl/runs.hpp"
#include "db/database.hpp"
#include "db/undeletes.hpp"
#include "formats/oci/manifest_parse.hpp"
#include "jobs/undeletes.hpp"
#include "registry/links.hpp"
#include "registry/publisher.hpp"
#include "registry/takeover.hpp"
#include "registry/undelete.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

Result<db::Undelete> wanted_of(const Context& context) {
    const auto& args = context.args;
    if (!is_repository_name(args.repository)) {
        return bad("\"" + args.repository + "\" is no name of a repository");
    }
    auto digest = Digest::parse(args.digest);
    if (!digest) {
        return bad("\"" + args.digest + "\" is no digest");
    }
    db::Undelete wanted;
    wanted.wanted_at_ms = unix_ms();
    wanted.peer = context.actor().peer;
    wanted.name = args.repository;
    wanted.digest = digest->str();
    for (const auto& tag : args.tags) {
        if (!is_tag(tag)) {
            return bad("\"" + tag + "\" is no tag");
        }
        wanted.tags += (wanted.tags.empty() ? "" : " ") + tag;
    }
    return wanted;
}

Json document_of(const db::Undelete& done) {
    Json missing = Json::array();
    for (std::size_t from = 0; from < done.missing.size();) {
        auto to = std::min(done.missing.find(' ', from), done.missing.size());
        missing.push_back(done.missing.substr(from, to - from));
        from = to + 1;
    }
    return {{"repository", done.name}, {"digest", done.digest},
            {"state", done.state},     {"manifests", done.manifests},
            {"blobs", done.blobs},     {"missing", missing},
            {"error", done.error}};
}

int say(const Context& context, const db::Undelete& done) {
    auto status = say_run(context, done, document_of(done),
                          std::to_string(done.manifests) + " manifests and " +
                              std::to_string(done.blobs) +
                              " blobs are back in " + done.name);
    if (!context.json() && status == kDone && !done.missing.empty()) {
        print_line("children that are gone: " + done.missing);
    }
    return status;
}

// The daemon does it; we wait for its row.
Result<db::Undelete> ask_daemon(Context& context, db::Undelete wanted) {
    LS_TRY(database, context.database());
    LS_CHECK(database->read(check_indexed));
    LS_CHECK(database->write(
        [&](Transaction& t) { return db::put_undelete(t, wanted); }));
    LS_CHECK(wait_for(context, wanted, "wish", db::find_undelete));
    return wanted;
}

// There is no daemon: this process has the database alone.
Result<db::Undelete> undelete_here(const Config& config, Database& database,
                                   db::Undelete wanted) {
    auto store = open_file_store(config.root);
    if (!store) {
        return not_now(store.error());
    }
    LS_CHECK(database.read(check_indexed));
    Takeover takeover(database, **store, parse_manifest);
    LS_CHECK(takeover.open());
    Publisher publisher(
        database, **store,
        ManifestPolicy{config.sparse_indexes, config.sparse_images});
    LS_CHECK(publisher.start());
    Undelete undelete(**store, publisher, parse_manifest,
                      config.max_manifest_bytes,
                      [&](const std::vector<std::string>& keys) {
                          leave_drops(database, keys);
                      });
    Undeletes undeletes(database, takeover, undelete);
    LS_CHECK(database.write(
        [&](Transaction& t) { return db::put_undelete(t, wanted); }));
    LS_CHECK(undeletes.run(wanted));
    LS_CHECK(publisher.links().sweep());
    return wanted;
}

}  // namespace

Result<int> run_undelete(Context& context) {
    LS_TRY(wanted, wanted_of(context));
    LS_TRY(config, context.config());
    LS_TRY(alone, open_alone(*config));
    auto done = alone ? undelete_here(*config, *alone, std::move(wanted))
                      : ask_daemon(context, std::move(wanted));
    if (!done) {
        return std::move(done).error();
    }
    return say(context, *done);
}

Result<int> empty_trash(Context& context) {
    LS_TRY(config, context.config());
    auto store = open_file_store_for_reading(config->root);
    if (!store) {
        return not_now(store.error());
    }
    LS_TRY(left, (*store)->empty_trash(0));
    if (left.blobs > 0) {
        return Error{Code::unavailable,
                     std::to_string(left.blobs) +
                         " blobs could not be removed from the trash"};
    }
    return say_done(context, "emptied", "the trash is empty",
                    {{"trash", "empty"}});
}

}  // namespace longshore
