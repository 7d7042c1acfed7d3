#include "jobs/undeletes.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "auth/authorizer.hpp"
#include "common/clock.hpp"
#include "common/oci_path.hpp"
#include "common/text.hpp"
#include "db/database.hpp"
#include "db/undeletes.hpp"
#include "registry/takeover.hpp"
#include "registry/undelete.hpp"

namespace longshore {
namespace {

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        auto space = text.find(' ');
        words.emplace_back(text.substr(0, space));
        text.remove_prefix(space == text.npos ? text.size() : space + 1);
    }
    return words;
}

// Whoever may write to the data folder may do everything.
Result<Undeleted> bring_back(Undelete& undelete, const db::Undelete& wanted) {
    LS_TRY(digest, Digest::parse(wanted.digest));
    auto tags = words_of(wanted.tags);
    for (const auto& tag : tags) {
        if (!is_tag(tag)) {
            return Error{Code::invalid_argument, "\"" + tag + "\" is no tag"};
        }
    }
    if (!is_repository_name(wanted.name)) {
        return Error{Code::invalid_argument,
                     "\"" + wanted.name + "\" is no name of a repository"};
    }
    Actor actor;
    actor.credential = "local";
    actor.peer = wanted.peer;
    Caller caller;
    caller.actor = std::make_shared<const Actor>(std::move(actor));
    LS_TRY(access, Authorizer().authorize(caller, RepositoryName(wanted.name),
                                          Action::push));
    return undelete.run(access, digest, std::move(tags));
}

}  // namespace

Result<void> Undeletes::step() {
    for (;;) {
        std::optional<db::Undelete> wanted;
        LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
            LS_TRY(found, db::wanted_undelete(t));
            wanted = std::move(found);
            return {};
        }));
        if (!wanted || !takeover_.complete()) {
            return {};
        }
        LS_CHECK(run(*wanted));
    }
}

Result<void> Undeletes::run(db::Undelete& wanted) {
    auto back = bring_back(undelete_, wanted);
    wanted.end(unix_ms(), back ? "" : back.error().message);
    if (back) {
        wanted.manifests = back->manifests;
        wanted.blobs = back->blobs;
        for (const auto& digest : back->missing) {
            wanted.missing +=
                (wanted.missing.empty() ? "" : " ") + digest.str();
        }
    } else {
        spdlog::warn("undelete of {} in {}: {}", wanted.digest, wanted.name,
                     wanted.error);
    }
    return database_.write([&](Transaction& t) -> Result<void> {
        return db::put_undelete(t, wanted);
    });
}

}  // namespace longshore
