// BackupFolder: a folder with backups in it, and what one of them is made of:
// drawn in docs/backup.md. Blobs are shared, everything else is a backup's
// own. A backup is there once its manifest is.
//
// What is read may have been changed by anybody who could write there: paths
// have one of a few forms, no link is followed, sizes have a limit, and what a
// file holds counts only with the digest that the manifest says.
// One thread.
// @errors of all functions here: as errno_error(); corrupt for what is not as
//         this class writes it; others where said.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/byte_source.hpp"
#include "common/digest.hpp"
#include "common/hash.hpp"
#include "common/result.hpp"
#include "store/file_tree.hpp"

namespace longshore {

inline constexpr std::string_view kBackupDatabase = "longshore.sqlite";
inline constexpr std::string_view kBackupBlobs = "blobs";
inline constexpr std::string_view kBackupMissing = "missing";

/// True for what a backup may have: the three above, keys/signing.key,
/// keys/token/clock, keys/token/<key id>.key.
bool is_backup_path(std::string_view path) noexcept;
/// "20261130T112543Z": in the order of their names backups were made.
bool is_backup_name(std::string_view name) noexcept;
std::string backup_name(std::int64_t unix_s);
/// A second later; not later at the end of the year 9999.
std::string next_backup_name(std::string_view name);

struct BackupFile {
    std::string path;
    std::uint64_t size_bytes = 0;
    std::string sha256;  // hex
};

struct BackupManifest {
    std::string name;
    std::string program;  // version of registryctl
    std::int64_t started_ms = 0;
    std::int64_t ended_ms = 0;
    std::uint64_t blobs = 0;
    std::uint64_t blob_bytes = 0;
    std::uint64_t missing = 0;
    std::vector<BackupFile> files;  // in order of path

    /// The document, with the SHA-256 of the rest as its last member.
    std::string text() const;
    /// Takes exactly what text() makes. @errors corrupt
    static Result<BackupManifest> parse(std::string_view text);
    const BackupFile* find(std::string_view path) const noexcept;
    /// Of text(): which backup it is.
    std::string identity() const;
};

/// One line of a list of blobs.
struct ListedBlob {
    Digest digest;
    std::uint64_t size_bytes = 0;

    std::string line() const;
};

/// Reads a list of blobs line by line, in ascending order.
class BlobList {
public:
    BlobList(std::unique_ptr<ByteSource> source, std::string name)
        : source_(std::move(source)), name_(std::move(name)) {}

    /// nullopt after the last one.
    Result<std::optional<ListedBlob>> next();
    /// Hex SHA-256 of all that was read.
    std::string sha256() const;

private:
    Result<bool> fill();

    std::unique_ptr<ByteSource> source_;
    std::string name_;
    std::string buffer_;
    std::size_t at_ = 0;
    std::uint64_t offset_ = 0;
    std::string last_;
    Hash hash_{Algorithm::sha256};
};

/// All blobs of several lists, each once, in order.
/// @errors corrupt: a list has another digest than its manifest says
class BlobLists {
public:
    void add(BlobList list, std::string sha256);
    Result<std::optional<ListedBlob>> next();

private:
    struct One {
        BlobList list;
        std::string sha256;
        std::optional<ListedBlob> head = std::nullopt;
        bool begun = false;
    };
    static Result<void> advance(One& one);
    std::vector<One> lists_;
};

/// Reads it all, a MiB at a time. @errors those of `sink`, of reading;
///         corrupt (it ended before its size)
Result<Digest> hash_all(const ByteSource& source, Algorithm algorithm,
                        const ByteSink& sink);

class BackupFolder {
public:
    /// looking: at names and manifests, also while others are at work.
    /// making: the folder is made, if its parent is there; it must not hold
    /// anything else.
    enum class For : std::uint8_t { looking, reading, pruning, making };
    /// Locked as long as this lives, but for looking.
    /// @errors not_found, conflict (another registryctl has it, or it is no
    ///         folder of backups)
    static Result<BackupFolder> open(const std::string& folder, For what);

    FileTree& tree() noexcept { return tree_; }
    const FileTree& tree() const noexcept { return tree_; }

    /// Those that are whole, the oldest first.
    Result<std::vector<std::string>> names() const;
    /// Folders of backups that never got their manifest, or are being removed.
    Result<std::vector<std::string>> unfinished() const;
    /// @errors not_found
    Result<BackupManifest> manifest(const std::string& name) const;
    /// Path of something in a backup, of a blob.
    static std::string path(std::string_view name, std::string_view file);
    static std::string blob(const Digest& digest);
    static std::string shelf(const Digest& digest);

    Result<BlobList> list(const BackupManifest& manifest,
                          std::string_view which) const;

private:
    explicit BackupFolder(FileTree tree) : tree_(std::move(tree)) {}
    Result<std::vector<std::string>> folders(bool whole) const;

    FileTree tree_;
};

/// The file that makes a backup.
inline constexpr std::string_view kManifestFile = "manifest.json";

}  // namespace longshore
