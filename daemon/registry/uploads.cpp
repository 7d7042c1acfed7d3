#include "registry/uploads.hpp"

#include <array>
#include <cerrno>
#include <ctime>
#include <span>
#include <vector>

#include <sys/random.h>

#include "common/encoding.hpp"
#include "common/oci_path.hpp"
#include "common/probe.hpp"
#include "common/upload_state.hpp"
#include "registry/disk_walk.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

// Per repository; what is left over from clients that died goes by age.
constexpr std::size_t kMaxSessions = 10'000;

// RFC 9562 section 5.4.
Result<std::string> random_uuid() {
    std::array<std::uint8_t, 16> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) !=
        static_cast<ssize_t>(bytes.size())) {
        return errno_error("random bytes for an upload id", errno);
    }
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
    std::array<char, 32> hex{};
    hex_encode(bytes, hex.data());
    std::string_view text(hex.data(), hex.size());
    std::string id;
    for (auto [from, size] : {std::pair<std::size_t, std::size_t>{0, 8},
                              {8, 4},
                              {12, 4},
                              {16, 4},
                              {20, 12}}) {
        id += id.empty() ? "" : "-";
        id += text.substr(from, size);
    }
    return id;
}

std::string rfc3339_now() {
    std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    std::array<char, 32> text{};
    auto size =
        std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return std::string(text.data(), size);
}

std::string sessions_folder(const BlobStore& store, std::string_view name) {
    return layout::repository(store.root(), name).str() + "/_uploads";
}

std::string package_sessions_folder(const BlobStore& store,
                                    std::string_view repository) {
    return store.root() + "/uploads/" + std::string(repository);
}

// Seconds since anybody touched the session in this folder.
std::int64_t idle_s(BlobStore& store, const std::string& folder) {
    std::int64_t idle = -1;
    for (const auto* file : {"/data", "/state", ""}) {
        auto age = store.age_s(Path{folder, file});
        if (age && (idle < 0 || *age < idle)) {
            idle = *age;
        }
    }
    return idle;
}

}  // namespace

Uploads::Uploads(BlobStore& store) : store_(store) {}

Result<void> Uploads::check_room(const std::string& folder) {
    std::size_t sessions = 0;
    LS_CHECK(store_.list(Path{folder}, [&](const BlobStore::Entry&) {
        return ++sessions < kMaxSessions;
    }));
    if (sessions >= kMaxSessions) {
        return Error{Code::unavailable,
                     "the repository has " + std::to_string(sessions) +
                         " unfinished uploads, retry later",
                     "UNAVAILABLE"};
    }
    return {};
}

Result<std::string> Uploads::start(const Access& access, Algorithm algorithm) {
    auto name = access.name().text();
    const auto& root = store_.root();
    LS_CHECK(check_room(sessions_folder(store_, name)));
    LS_TRY(id, random_uuid());
    // Files cost more than bytes: `data` comes with the first of these, and
    // without `state` the hash that runs along is SHA-256.
    Result<void> made;
    if (algorithm != Algorithm::sha256) {
        made = store_.write_file(
            layout::upload_state(root, name, id),
            encode_upload_state_file(new_upload_state(algorithm)));
    }
    LS_PROBE(session, wanted);
    // Last: with it the session lives.
    if (made) {
        made = store_.write_file(layout::upload_startedat(root, name, id),
                                 rfc3339_now());
    }
    if (!made) {
        (void)store_.remove_folder(layout::upload_folder(root, name, id));
        return std::move(made).error();
    }
    LS_PROBE(session, started);
    return id;
}

Result<std::string> Uploads::start_package(const Access& access) {
    auto name = access.name().text();
    LS_CHECK(check_room(package_sessions_folder(store_, name)));
    LS_TRY(id, random_uuid());
    auto folder = layout::package_upload_folder(store_.root(), name, id);
    auto made =
        store_.write_file(Path{folder.view(), "/startedat"}, rfc3339_now());
    if (!made) {
        (void)store_.remove_folder(folder);
        return std::move(made).error();
    }
    return id;
}

Result<std::size_t> Uploads::purge_folder(const std::string& folder,
                                          std::int64_t max_age_s) {
    std::vector<std::string> ids;
    LS_CHECK(store_.list(Path{folder}, [&](const BlobStore::Entry& entry) {
        if (entry.folder) {
            ids.emplace_back(entry.name);
        }
        return true;
    }));
    std::size_t purged = 0;
    for (const auto& id : ids) {
        auto session = folder;
        session.append("/").append(id);
        if (idle_s(store_, session) < max_age_s) {
            continue;
        }
        LS_TRY(gone, store_.remove_folder(Path{session}));
        LS_PROBE(session, purged);
        purged += gone ? 1 : 0;
    }
    return purged;
}

Result<std::size_t> Uploads::purge(std::int64_t max_age_s) {
    std::vector<std::string> folders;
    LS_CHECK(disk::each_name(store_, [&](std::string_view name) {
        folders.push_back(sessions_folder(store_, name));
        return true;
    }));
    LS_CHECK(store_.list(
        Path{store_.root(), "/uploads"}, [&](const BlobStore::Entry& entry) {
            folders.push_back(package_sessions_folder(store_, entry.name));
            return true;
        }));
    std::size_t purged = 0;
    for (const auto& folder : folders) {
        LS_TRY(some, purge_folder(folder, max_age_s));
        purged += some;
    }
    return purged;
}

}  // namespace longshore
