// Scrub: everything read now; what is damaged, and what refers to it.
#include "ctl/scrub.hpp"

#include <algorithm>
#include <optional>

#include "common/clock.hpp"
#include "ctl/runs.hpp"
#include "db/collections.hpp"
#include "db/database.hpp"
#include "db/oci.hpp"
#include "db/runs.hpp"
#include "db/scrub.hpp"
#include "jobs/scrub_job.hpp"
#include "registry/scrubber.hpp"
#include "store/blob_store.hpp"
#include "store/stored_files.hpp"

namespace longshore {
namespace {

constexpr std::size_t kPassesShown = 10;
constexpr std::size_t kPage = 1000;
constexpr std::size_t kClosedShown = 1000;
constexpr std::size_t kUsesShown = 100;

Json lines_json(const std::string& lines) {
    Json list = Json::array();
    for (std::size_t at = 0; at < lines.size();) {
        auto end = std::min(lines.find('\n', at), lines.size());
        list.push_back(lines.substr(at, end - at));
        at = end + 1;
    }
    return list;
}

Json pass_json(const db::Scrub& pass) {
    bool good = pass.database_state == "ok";
    return {{"id", pass.id},
            {"state", pass.state},
            {"kind", pass.kind},
            {"wanted", time_json(pass.wanted_at_ms)},
            {"started", time_json(pass.started_at_ms)},
            {"ended", time_json(pass.ended_at_ms)},
            {"files", pass.files},
            {"bytes", pass.bytes},
            {"damaged", pass.damaged},
            {"database", good ? Json("ok") : lines_json(pass.database_state)},
            {"error", pass.error}};
}

std::string database_words(const db::Scrub& pass) {
    return pass.database_state.empty()   ? "not checked"
           : pass.database_state == "ok" ? "ok"
                                         : "damaged: " + pass.database_state;
}

int say_pass(const Context& context, const db::Scrub& pass) {
    auto status = say_run(context, pass, pass_json(pass),
                          std::to_string(pass.files) + " files (" +
                              std::to_string(pass.bytes) + " bytes), " +
                              std::to_string(pass.damaged) +
                              " damaged; database " + database_words(pass),
                          "pass " + std::to_string(pass.id) + " is at it");
    bool clean = pass.damaged == 0 && pass.database_state == "ok";
    return pass.state == "done" && !clean ? kNo : status;
}

// The daemon does it, at its own pace; we wait for its row. One that is running
// is as good as a new one.
Result<int> ask_daemon(Context& context) {
    LS_TRY(database, context.database());
    db::Scrub pass;
    LS_CHECK(database->write([&](Transaction& t) -> Result<void> {
        pass = {};
        LS_TRY(id, db::first_run(t, db::kScrubs, "running"));
        LS_TRY(running, db::find_scrub(t, id));
        if (running) {
            pass = std::move(*running);
            return {};
        }
        pass.wanted_at_ms = unix_ms();
        return db::add_scrub(t, pass);
    }));
    LS_CHECK(wait_for(context, pass, "pass", db::find_scrub));
    return say_pass(context, pass);
}

// The files where there is no daemon, and this process has the database alone;
// the database anywhere.
Result<int> scrub_here(Context& context, const Config& config,
                       Database& database, std::string_view kind) {
    auto store = open_file_store_for_reading(config.root);
    if (!store) {
        return not_now(store.error());
    }
    auto files = StoredFiles::open(config.root);
    if (!files) {
        return not_now(files.error());
    }
    auto publish = [&](const std::vector<std::string>& keys) {
        leave_drops(database, keys);
    };
    Scrubber scrubber(database, *(*store)->locks(), **files, publish);
    ScrubSettings settings;
    settings.bytes_per_s = config.scrub_mib_s << 20;
    be_idle_on_disk();
    ScrubJob job(database, scrubber, settings);
    LS_TRY(pass, job.run_now(kind));
    return say_pass(context, pass);
}

struct Shown {
    db::Damage damage;
    std::vector<db::BlobUse> uses;
};

struct Status {
    std::vector<db::Scrub> passes;
    std::vector<Shown> open;
    std::vector<db::Damage> closed;
    std::optional<db::Scrub> checked;
};

Result<void> read_open(Transaction& t, Status& status) {
    std::string digest;
    std::string area;
    for (;;) {
        LS_TRY(page, db::open_damages(t, kPage, digest, area));
        for (auto& damage : page) {
            digest = damage.digest;
            area = damage.area;
            Shown shown{std::move(damage), {}};
            LS_TRY(parsed, Digest::parse(digest));
            LS_TRY(blob, db::find_blob(t, parsed));
            if (blob && area == "blob") {
                LS_TRY(uses, db::list_uses(t, blob->id, kUsesShown));
                shown.uses = std::move(uses);
            }
            status.open.push_back(std::move(shown));
        }
        if (page.size() < kPage) {
            return {};
        }
    }
}

Result<void> read_status(Transaction& t, Status& status) {
    status = {};
    LS_TRY(passes, db::list_scrubs(t, kPassesShown));
    status.passes = std::move(passes);
    LS_TRY(closed, db::closed_damages(t, kClosedShown));
    status.closed = std::move(closed);
    LS_TRY(checked, db::last_database_check(t));
    status.checked = std::move(checked);
    return read_open(t, status);
}

std::string place_of(const Config& config, const db::Damage& damage) {
    return damage.file.empty() ? ""
                               : config.root + "/quarantine/" + damage.file;
}

Json damage_json(const Config& config, const db::Damage& damage) {
    return {{"digest", damage.digest},
            {"area", damage.area},
            {"state", damage.state},
            {"problem", damage.problem},
            {"size", damage.size_bytes},
            {"file", place_of(config, damage)},
            {"documents", lines_json(damage.used_by)},
            {"found", time_json(damage.found_at_ms)},
            {"closed", time_json(damage.closed_at_ms)}};
}

Json status_json(const Config& config, const Status& status) {
    Json passes = Json::array();
    for (const auto& pass : status.passes) {
        passes.push_back(pass_json(pass));
    }
    Json open = Json::array();
    for (const auto& shown : status.open) {
        auto one = damage_json(config, shown.damage);
        one["uses"] = Json::array();
        for (const auto& use : shown.uses) {
            one["uses"].push_back({{"kind", use.kind},
                                   {"repository", use.repository},
                                   {"reference", use.reference}});
        }
        open.push_back(std::move(one));
    }
    Json closed = Json::array();
    for (const auto& damage : status.closed) {
        closed.push_back(damage_json(config, damage));
    }
    return {{"interval_days", config.scrub_interval_days},
            {"mib_per_second", config.scrub_mib_s},
            {"database",
             status.checked ? database_words(*status.checked) : "not checked"},
            {"damaged", open},
            {"closed", closed},
            {"passes", passes}};
}

void print_status(const Config& config, const Status& status) {
    print_line("every " + std::to_string(config.scrub_interval_days) +
               " days, " + std::to_string(config.scrub_mib_s) +
               " MiB a second");
    print_line("database: " + (status.checked ? database_words(*status.checked)
                                              : "not checked"));
    for (const auto& [damage, uses] : status.open) {
        print_line(damage.state + " " + damage.area + " " + damage.digest +
                   ": " + damage.problem);
        if (!damage.file.empty()) {
            print_line("  in " + place_of(config, damage));
        }
        for (const auto& use : uses) {
            print_line("  " + std::string(use.kind) + " " + use.repository +
                       " " + use.reference);
        }
    }
    print_line(std::to_string(status.open.size()) + " damaged, " +
               std::to_string(status.closed.size()) + " that were");
    Table table({"PASS", "STATE", "KIND", "STARTED", "ENDED", "FILES", "BYTES",
                 "DAMAGED", "ERROR"});
    for (const auto& pass : status.passes) {
        table.add({std::to_string(pass.id), pass.state, pass.kind,
                   time_text(pass.started_at_ms, ""),
                   time_text(pass.ended_at_ms, ""), std::to_string(pass.files),
                   std::to_string(pass.bytes), std::to_string(pass.damaged),
                   pass.error});
    }
    table.print();
}

}  // namespace

Result<int> run_scrub(Context& context, bool only_database) {
    LS_TRY(config, context.config());
    if (only_database) {
        LS_TRY(database, context.database());
        return scrub_here(context, *config, *database, "database");
    }
    LS_TRY(alone, open_alone(*config));
    return alone ? scrub_here(context, *config, *alone, "files")
                 : ask_daemon(context);
}

Result<int> show_scrub(Context& context) {
    LS_TRY(config, context.config());
    LS_TRY(database, context.database());
    Status status;
    LS_CHECK(
        database->read([&](Transaction& t) { return read_status(t, status); }));
    if (context.json()) {
        print_json(status_json(*config, status));
    } else {
        print_status(*config, status);
    }
    bool good = !status.checked || status.checked->database_state == "ok";
    return status.open.empty() && good ? kDone : kNo;
}

}  // namespace longshore
