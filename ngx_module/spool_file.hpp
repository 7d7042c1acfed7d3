// A body of a package on its way in: a file in the spool under a name that
// nobody else knows, until registryd moves it to where it belongs. It is there
// only between prepare() and the end of its request; what a killed worker
// leaves registryd sweeps. Threads as strand_file.hpp says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/extra_hashes.hpp"
#include "common/hash.hpp"
#include "ngx_module/file_io.hpp"
#include "ngx_module/strand_file.hpp"

namespace longshore {

/// A name for a new file in the spool: "n" and 32 hex digits that nobody can
/// guess; empty when there is no randomness.
std::string new_spool_name();

class SpoolFile final : public StrandFile {
public:
    /// A file that does not exist yet, in the spool of `root`; `algorithms` as
    /// Decision has them.
    SpoolFile(std::string_view root, std::uint8_t algorithms);
    ~SpoolFile() override;

    /// False when there is no randomness for a name: prepare() will fail.
    bool is_valid() const noexcept { return !name_.empty(); }

    SessionResult prepare() override;
    SessionResult append(const void* bytes, std::size_t size) override;

    /// commit: the file is durable and stays, and what follows is valid. The
    /// digest counts if its encoded part is not empty. All else: it is gone.
    SessionResult finish(Finish finish, const Digest& digest,
                         SessionResult so_far) override;

    /// Without a commit the file goes too.
    void close() noexcept override;

    /// Its name in the spool.
    const std::string& name() const noexcept { return name_; }
    const std::string& path() const noexcept { return path_; }
    std::uint64_t size_bytes() const noexcept { return size_; }
    const Digest& digest() const noexcept { return digest_; }
    /// As Question::digests has them.
    const std::vector<std::string>& texts() const noexcept { return texts_; }
    int error_number() const noexcept { return error_number_; }

private:
    SessionResult fail(int error_number) noexcept;
    SessionResult commit(const Digest& digest);

    std::string name_, path_;
    Hash hash_{Algorithm::sha256};
    ExtraHashes extra_;
    WriteBack write_back_;
    int fd_ = -1;
    bool exists_ = false;  // by our hand, and not committed
    std::uint64_t size_ = 0;
    Digest digest_;
    std::vector<std::string> texts_;
    int error_number_ = 0;
};

}  // namespace longshore
