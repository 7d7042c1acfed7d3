// Secrets at rest: SecretBytes in memory, which are wiped when they go, and
// sealed text in the database, AES-256-GCM (NIST SP 800-38D) with a key that
// lies outside of it, in <root>/keys/signing.key (0600). The key is read for
// each use and never kept. Any thread; reading blocks on the disk.
//
// sealed text:  1.<id of the key>.<base64url of nonce (12), text, tag (16)>
// key file:     <id, 12 characters> <base64url of 32 bytes>\n
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace longshore {

/// Memory of a container that is wiped before it is given back.
template <typename T>
class WipingAllocator {
public:
    // The standard library looks for this name.
    using value_type = T;  // NOLINT(readability-identifier-naming)

    WipingAllocator() = default;
    template <typename U>
    WipingAllocator(const WipingAllocator<U>&) noexcept {}

    T* allocate(std::size_t n) {
        return static_cast<T*>(::operator new(n * sizeof(T)));
    }
    void deallocate(T* memory, std::size_t n) noexcept;

    template <typename U>
    bool operator==(const WipingAllocator<U>&) const noexcept {
        return true;
    }
};

/// For the whole memory, in a way that no compiler leaves out.
void wipe(void* memory, std::size_t size) noexcept;

template <typename T>
void WipingAllocator<T>::deallocate(T* memory, std::size_t n) noexcept {
    wipe(memory, n * sizeof(T));
    ::operator delete(memory);
}

/// A vector, as a short string would keep its bytes in itself.
using SecretBytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

inline std::string_view view_of(const SecretBytes& bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The key-encryption key of a registry.
class SealingKey {
public:
    /// @errors unavailable (no such file, or it cannot be read; the message
    /// says what to do), corrupt (it is no key file)
    static Result<SealingKey> read(const std::string& root);

    /// Makes it; if another process does at the same time, reads that one's.
    /// @errors unavailable, internal, corrupt
    static Result<SealingKey> make(const std::string& root);

    /// Path of the file.
    static std::string path(const std::string& root);

    /// Text that unseal() takes with the same `context` only.
    /// @errors internal (no entropy, out of memory)
    Result<std::string> seal(const SecretBytes& secret,
                             std::string_view context) const;

    /// @errors unavailable (another key sealed it; the message says what to
    /// do), corrupt (it was changed, or is of another context)
    Result<SecretBytes> unseal(std::string_view sealed,
                               std::string_view context) const;

    const std::string& id() const noexcept { return id_; }

private:
    SealingKey() = default;

    std::string path_;
    std::string id_;
    SecretBytes key_;
};

}  // namespace longshore
