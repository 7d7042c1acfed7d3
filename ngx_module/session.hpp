// One upload session on disk: its folder with `data`, `state` and
// `startedat`, and what turns it into a blob, or into a file of the spool that
// registryd finds a place for. Nothing of nginx in here: the
// calls run in a thread of the pool (those that say so, because they wait for
// the disk) or in the event loop, by one thread at a time.
//
// Rules that hold at any moment, also after kill -9 or a power cut:
// `state` never promises bytes that `data` does not durably hold; whoever
// goes on truncates `data` to the state's offset; only the holder of the lock
// on `data` writes to either. docs/uploads.md tells the whole life.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/digest.hpp"
#include "common/hash.hpp"
#include "common/upload_state.hpp"
#include "ngx_module/file_io.hpp"
#include "ngx_module/strand_file.hpp"

namespace longshore {

/// Where a session lies.
struct SessionPlace {
    std::string_view root;    // of the store that its bytes go to
    std::string_view top;     // above all sessions of its kind; durable itself
    std::string_view folder;  // its own
    std::string_view spool = {};  // of a package: what its bytes become
};

class Session final : public StrandFile {
public:
    explicit Session(const SessionPlace& place);
    ~Session() override;

    /// Locks the session and reads its state. Few system calls on cached
    /// inodes: fit for the event loop. After `busy`, offset() is known.
    SessionResult open();

    /// Bytes received so far, those of this request included.
    std::uint64_t offset() const noexcept { return offset_; }

    /// Bytes that the state on disk covers.
    std::uint64_t saved_offset() const noexcept { return saved_offset_; }

    /// Cuts `data` to the offset; without a usable state (a session begun by
    /// docker-registry, a damaged record) reads `data` once to hash it.
    /// Must come before the first append(). @thread pool
    SessionResult prepare() override;

    /// Hashes and writes the next bytes, each once. @thread pool
    SessionResult append(const void* bytes, std::size_t size) override;

    /// One of those below, as strand_file.hpp has it; closes. @thread pool
    SessionResult finish(Finish finish, const Digest& digest,
                         SessionResult so_far) override;

    /// Makes all bytes so far durable, then the state that covers them; on
    /// return a rebooted host can go on. @thread pool
    SessionResult keep();

    /// Forgets the bytes since `start_offset`, which open() found: the
    /// session is as it was before this request. @thread pool
    SessionResult revert();

    /// Removes the session. @thread pool
    void discard() noexcept;

    /// Verifies the bytes against `digest` and publishes them as a blob:
    /// data durable, renamed into the store without replacing an equal blob,
    /// folders durable. On `ok` the session holds only the note `committed`,
    /// by which a repeated PUT finds its blob. On `mismatch` it is removed.
    /// Of a package the file in the spool is another name of `data`, which
    /// stays, so that a repeated PUT can give it once more; a digest without
    /// encoded part is none to verify. @thread pool
    SessionResult commit(const Digest& digest);

    /// Of a session that open() called `committed`: makes sure that its blob
    /// is there and durable, or of a package gives its bytes to the spool once
    /// more. Who published it may have died in between. @thread pool
    SessionResult confirm();

    /// Valid after open() said `committed`; text of the digest.
    const std::string& committed_digest() const noexcept { return committed_; }

    /// Size of what was committed, in bytes.
    std::uint64_t committed_size() const noexcept { return committed_size_; }

    /// Gives up the lock.
    void close() noexcept override;

    /// errno of the last failure.
    int error_number() const noexcept { return error_number_; }

    /// Offset of a session without locking it: `ok` or `unknown`.
    static SessionResult peek(std::string_view folder, std::uint64_t& offset);

    /// Ends a session: it is `unknown` from now on. What is left of its
    /// folder is for remove_folder(), because large files take time.
    static SessionResult forget(std::string_view folder);

    /// Removes a session's folder with all in it. @thread pool
    static void remove_folder(const std::string& folder) noexcept;

    const std::string& folder() const noexcept { return folder_; }

private:
    SessionResult fail(int error_number) noexcept;
    SessionResult open_folder();
    SessionResult lock_data();
    bool read_state();
    bool read_committed();
    SessionResult write_state();
    SessionResult overwrite_slot(const UploadState& state);
    SessionResult create_state(const UploadState& state);
    SessionResult write_note(const Digest& digest);
    SessionResult save();
    bool sync_folders() const;
    SessionResult hash_file(Hash& hash, std::uint64_t size);
    SessionResult publish(const Digest& digest);
    SessionResult move_into_store(const std::string& target);
    SessionResult hand_over();

    std::string root_, top_, folder_, spool_;
    int folder_fd_ = -1;
    int data_fd_ = -1;
    Hash hash_{Algorithm::sha256};
    bool has_record_ = false;  // `state` holds one, of `generation_`
    bool has_state_ = false;   // a valid state was read or written
    bool prepared_ = false;
    std::uint64_t offset_ = 0;
    std::uint64_t saved_offset_ = 0;
    WriteBack write_back_;
    std::uint64_t start_offset_ = 0;
    std::uint64_t generation_ = 0;  // of the newest state on disk
    std::optional<HashState> start_state_;
    std::string committed_;
    std::uint64_t committed_size_ = 0;
    int error_number_ = 0;
};

}  // namespace longshore
