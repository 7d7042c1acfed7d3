#include "jobs/backup_folder.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "common/token.hpp"

namespace longshore {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "longshore-backup";
constexpr int kVersion = 1;
constexpr std::string_view kMarkFile = "longshore-backups";
constexpr std::string_view kMarkText =
    "Backups of a registry: registryctl backup. Version 1.\n";
constexpr std::size_t kMaxManifest = std::size_t{1} << 20;
constexpr std::size_t kBuffer = std::size_t{1} << 20;
constexpr std::size_t kListBuffer = std::size_t{64} << 10;
constexpr std::size_t kMaxLine = Digest::kMaxText + 22;
constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 62;
constexpr mode_t kFile = 0600;
constexpr mode_t kFolder = 0700;

Error damaged(const std::string& what) {
    return Error{Code::corrupt, what};
}

bool is_hex(std::string_view text, std::size_t size) noexcept {
    return text.size() == size &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string sha256_hex(std::string_view text) {
    return std::string(digest_of(Algorithm::sha256, text).encoded());
}

// All but the check.
Json document(const BackupManifest& manifest) {
    Json files = Json::array();
    for (const auto& file : manifest.files) {
        files.push_back({{"path", file.path},
                         {"size", file.size_bytes},
                         {"sha256", file.sha256}});
    }
    return {{"format", kFormat},
            {"version", kVersion},
            {"name", manifest.name},
            {"program", manifest.program},
            {"started_ms", manifest.started_ms},
            {"ended_ms", manifest.ended_ms},
            {"blobs", manifest.blobs},
            {"blob_bytes", manifest.blob_bytes},
            {"missing", manifest.missing},
            {"files", files}};
}

// Missing or of another type: nothing of the value is taken.
template <typename T>
T value(const Json& json, const char* name) {
    auto found = json.find(name);
    if (found == json.end()) {
        return T{};
    }
    if constexpr (std::is_same_v<T, std::string>) {
        return found->is_string() ? found->get<std::string>() : T{};
    } else if constexpr (std::is_same_v<T, std::uint64_t>) {
        return found->is_number_unsigned() ? found->get<T>() : T{};
    } else {
        return found->is_number_integer() ? found->get<T>() : T{};
    }
}

bool is_sound(const BackupManifest& manifest) {
    bool sound = is_backup_name(manifest.name) &&
                 manifest.blob_bytes <= kMaxSize && manifest.files.size() >= 3;
    std::string_view last;
    for (const auto& file : manifest.files) {
        sound = sound && is_backup_path(file.path) && last < file.path &&
                file.size_bytes <= kMaxSize && is_hex(file.sha256, 64);
        last = file.path;
    }
    return sound && manifest.find(kBackupDatabase) != nullptr &&
           manifest.find(kBackupBlobs) != nullptr &&
           manifest.find(kBackupMissing) != nullptr;
}

}  // namespace

bool is_backup_path(std::string_view path) noexcept {
    constexpr std::string_view kTokenKeys = "keys/token/";
    constexpr std::string_view kSuffix = ".key";
    if (path == kBackupDatabase || path == kBackupBlobs ||
        path == kBackupMissing || path == "keys/signing.key" ||
        path == "keys/token/clock") {
        return true;
    }
    if (!path.starts_with(kTokenKeys) || !path.ends_with(kSuffix)) {
        return false;
    }
    path.remove_prefix(kTokenKeys.size());
    if (path.size() < kSuffix.size()) {
        return false;
    }
    path.remove_suffix(kSuffix.size());
    return is_key_id(path);
}

bool is_backup_name(std::string_view name) noexcept {
    if (name.size() != 16 || name[8] != 'T' || name[15] != 'Z') {
        return false;
    }
    return std::all_of(name.begin(), name.end() - 1, [&](const char& c) {
        return (c >= '0' && c <= '9') || &c == &name[8];
    });
}

std::string backup_name(std::int64_t unix_s) {
    auto seconds = static_cast<std::time_t>(unix_s);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    auto size =
        std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
    return {text.data(), size};
}

std::string next_backup_name(std::string_view name) {
    auto number = [&](std::size_t from, std::size_t size) {
        int found = 0;
        std::from_chars(name.data() + from, name.data() + from + size, found);
        return found;
    };
    std::tm parts{};
    parts.tm_year = number(0, 4) - 1900;
    parts.tm_mon = number(4, 2) - 1;
    parts.tm_mday = number(6, 2);
    parts.tm_hour = number(9, 2);
    parts.tm_min = number(11, 2);
    parts.tm_sec = number(13, 2) + 1;
    return backup_name(::timegm(&parts));
}

std::string BackupManifest::text() const {
    auto json = document(*this);
    json["check"] = sha256_hex(json.dump());
    return json.dump(1) + "\n";
}

std::string BackupManifest::identity() const {
    return name + " " + sha256_hex(text());
}

const BackupFile* BackupManifest::find(std::string_view path) const noexcept {
    auto found =
        std::find_if(files.begin(), files.end(),
                     [&](const BackupFile& file) { return file.path == path; });
    return found == files.end() ? nullptr : &*found;
}

Result<BackupManifest> BackupManifest::parse(std::string_view text) {
    auto json = Json::parse(text, nullptr, false);
    if (!json.is_object()) {
        return damaged("the manifest is no JSON document");
    }
    if (value<std::string>(json, "format") == kFormat &&
        value<std::int64_t>(json, "version") > kVersion) {
        return Error{Code::unsupported, "a newer version made this backup"};
    }
    BackupManifest manifest;
    manifest.name = value<std::string>(json, "name");
    manifest.program = value<std::string>(json, "program");
    manifest.started_ms = value<std::int64_t>(json, "started_ms");
    manifest.ended_ms = value<std::int64_t>(json, "ended_ms");
    manifest.blobs = value<std::uint64_t>(json, "blobs");
    manifest.blob_bytes = value<std::uint64_t>(json, "blob_bytes");
    manifest.missing = value<std::uint64_t>(json, "missing");
    auto files = json.find("files");
    if (files == json.end() || !files->is_array()) {
        return damaged("the manifest names no files");
    }
    for (const auto& file : *files) {
        if (!file.is_object()) {
            return damaged("the manifest has a file that is none");
        }
        manifest.files.push_back({value<std::string>(file, "path"),
                                  value<std::uint64_t>(file, "size"),
                                  value<std::string>(file, "sha256")});
        if (!is_backup_path(manifest.files.back().path)) {
            return damaged("the manifest names \"" +
                           manifest.files.back().path +
                           "\", which no backup has");
        }
    }
    // So nothing else is in it, nothing twice, and nothing was changed.
    if (!is_sound(manifest) || manifest.text() != text) {
        return damaged("the manifest was changed");
    }
    return manifest;
}

std::string ListedBlob::line() const {
    return digest.str() + " " + std::to_string(size_bytes) + "\n";
}

Result<bool> BlobList::fill() {
    buffer_.erase(0, at_);
    at_ = 0;
    auto before = buffer_.size();
    buffer_.resize(before + kListBuffer);
    LS_TRY(got,
           source_->read_at(offset_, {buffer_.data() + before, kListBuffer}));
    buffer_.resize(before + got);
    hash_.update(buffer_.data() + before, got);
    offset_ += got;
    return got > 0;
}

Result<std::optional<ListedBlob>> BlobList::next() {
    auto end = buffer_.find('\n', at_);
    if (end == std::string::npos) {
        LS_TRY(more, fill());
        end = buffer_.find('\n');
        if (!more && buffer_.empty()) {
            return std::optional<ListedBlob>();
        }
    }
    if (end == std::string::npos || end - at_ > kMaxLine) {
        return damaged(name_ + " has a line that is none");
    }
    std::string_view line(buffer_.data() + at_, end - at_);
    at_ = end + 1;
    auto space = line.find(' ');
    ListedBlob blob;
    bool good = space != std::string_view::npos &&
                Digest::parse(line.substr(0, space), blob.digest);
    if (good) {
        auto number = line.substr(space + 1);
        auto parsed = std::from_chars(
            number.data(), number.data() + number.size(), blob.size_bytes);
        good = parsed.ec == std::errc() && blob.size_bytes <= kMaxSize &&
               blob.line().substr(space + 1, number.size() + 1) ==
                   std::string(number) + "\n";
    }
    if (!good || !(last_ < blob.digest.text())) {
        return damaged(name_ + " has a line that is none, or out of order");
    }
    last_ = blob.digest.str();
    return std::optional(blob);
}

std::string BlobList::sha256() const {
    return std::string(hash_.digest().encoded());
}

void BlobLists::add(BlobList list, std::string sha256) {
    lists_.push_back({std::move(list), std::move(sha256)});
}

Result<void> BlobLists::advance(One& one) {
    LS_TRY(following, one.list.next());
    one.head = following;
    if (!following && one.list.sha256() != one.sha256) {
        return damaged("a list of blobs is damaged");
    }
    return {};
}

Result<std::optional<ListedBlob>> BlobLists::next() {
    std::optional<ListedBlob> least;
    for (auto& one : lists_) {
        if (!one.begun) {
            one.begun = true;
            LS_CHECK(advance(one));
        }
        if (one.head && (!least || one.head->digest < least->digest)) {
            least = one.head;
        }
    }
    for (auto& one : lists_) {
        if (!least || !one.head || !(one.head->digest == least->digest)) {
            continue;
        }
        if (one.head->size_bytes != least->size_bytes) {
            return damaged(least->digest.str() +
                           " has two sizes in two backups");
        }
        LS_CHECK(advance(one));
    }
    return least;
}

Result<Digest> hash_all(const ByteSource& source, Algorithm algorithm,
                        const ByteSink& sink) {
    Hash hash(algorithm);
    std::string buffer(static_cast<std::size_t>(
                           std::min<std::uint64_t>(kBuffer, source.size())),
                       '\0');
    std::uint64_t offset = 0;
    while (offset < source.size()) {
        LS_TRY(got, source.read_at(offset, buffer));
        if (got == 0) {
            return damaged("a file ended before its end");
        }
        // Somebody adds to it: no more than was said is read.
        got = static_cast<std::size_t>(
            std::min<std::uint64_t>(got, source.size() - offset));
        std::string_view bytes(buffer.data(), got);
        hash.update(bytes);
        if (sink) {
            LS_CHECK(sink(bytes));
        }
        offset += got;
    }
    return hash.digest();
}

Result<BackupFolder> BackupFolder::open(const std::string& folder, For what) {
    bool making = what == For::making;
    bool made = making && ::mkdir(folder.c_str(), kFolder) == 0;
    if (making && !made && errno != EEXIST) {
        return errno_error("make " + folder, errno);
    }
    LS_TRY(tree, FileTree::open(folder, {kFile, kFolder}));
    if (made) {
        LS_TRY(parent, FileTree::open(folder + "/..", {kFile, kFolder}));
        LS_CHECK(parent.sync_folder(""));
    }
    BackupFolder backups(std::move(tree));
    auto& files = backups.tree_;
    auto mark = files.read_text(kMarkFile, kMarkText.size());
    bool is_new = !mark && mark.error().code == Code::not_found;
    if (is_new && making) {
        LS_TRY(names, files.names(""));
        std::erase(names, "lost+found");
        if (names.empty() || (names.size() == 1 && names[0] == kMarkFile)) {
            LS_TRY(writer, files.create(kMarkFile));
            LS_CHECK(writer->write(kMarkText));
            LS_CHECK(writer->sync());
            LS_CHECK(files.sync_folder(""));
            mark = std::string(kMarkText);
        }
    }
    // An earlier life may have ended in the middle of this line.
    if (!mark || !kMarkText.starts_with(*mark)) {
        return Error{Code::conflict,
                     folder + " is no folder of backups: the file " +
                         std::string(kMarkFile) + " is not in it" +
                         (making ? ", but something else" : "")};
    }
    if (what != For::looking) {
        LS_CHECK(files.lock(kMarkFile, what == For::reading));
    }
    return backups;
}

Result<std::vector<std::string>> BackupFolder::folders(bool whole) const {
    LS_TRY(names, tree_.names("backups"));
    std::vector<std::string> found;
    for (auto& name : names) {
        if (!is_backup_name(name)) {
            continue;
        }
        auto size = tree_.size(path(name, kManifestFile));
        bool has = !size || *size;  // what is no file is damage, not absence
        if (has == whole) {
            found.push_back(std::move(name));
        }
    }
    return found;
}

Result<std::vector<std::string>> BackupFolder::names() const {
    return folders(true);
}

Result<std::vector<std::string>> BackupFolder::unfinished() const {
    return folders(false);
}

Result<BackupManifest> BackupFolder::manifest(const std::string& name) const {
    if (!is_backup_name(name)) {
        return Error{Code::invalid_argument,
                     "\"" + name + "\" is no name of a backup"};
    }
    auto text = tree_.read_text(path(name, kManifestFile), kMaxManifest);
    if (!text) {
        if (text.error().code == Code::not_found) {
            return Error{Code::not_found,
                         "there is no backup " + name + " in " + tree_.path()};
        }
        return damaged(text.error().message);
    }
    auto manifest = BackupManifest::parse(*text);
    if (manifest && manifest->name != name) {
        return damaged("the manifest is one of " + manifest->name);
    }
    return manifest;
}

std::string BackupFolder::path(std::string_view name, std::string_view file) {
    return "backups/" + std::string(name) + "/" + std::string(file);
}

std::string BackupFolder::shelf(const Digest& digest) {
    return "blobs/" + std::string(algorithm_name(digest.algorithm())) + "/" +
           std::string(digest.encoded().substr(0, 2));
}

std::string BackupFolder::blob(const Digest& digest) {
    return shelf(digest) + "/" + std::string(digest.encoded());
}

Result<BlobList> BackupFolder::list(const BackupManifest& manifest,
                                    std::string_view which) const {
    auto file = path(manifest.name, which);
    LS_TRY(source, tree_.read(file));
    return BlobList(std::move(source), file);
}

}  // namespace longshore
