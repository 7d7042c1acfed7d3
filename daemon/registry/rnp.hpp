// librnp (OpenPGP, RFC 4880), loaded when it is first needed: it brings
// libbotan and 5.5 MB of resident memory, half of them at its first use, which
// a registry that signs nothing need not have. Private to openpgp.cpp and
// openpgp_verify.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rnp/rnp.h>
#include <rnp/rnp_err.h>

#include "common/result.hpp"
#include "registry/sealed.hpp"

namespace longshore {

/// Its functions, as rnp/rnp.h declares them, without their prefix.
struct Rnp {
#define LS_RNP(name) decltype(&::rnp_##name) name
    LS_RNP(ffi_create);
    LS_RNP(ffi_destroy);
    LS_RNP(buffer_destroy);
    LS_RNP(result_to_string);
    LS_RNP(import_keys);
    LS_RNP(locate_key);
    LS_RNP(identifier_iterator_create);
    LS_RNP(identifier_iterator_next);
    LS_RNP(identifier_iterator_destroy);
    LS_RNP(op_generate_create);
    LS_RNP(op_generate_set_bits);
    LS_RNP(op_generate_set_hash);
    LS_RNP(op_generate_set_userid);
    LS_RNP(op_generate_set_expiration);
    LS_RNP(op_generate_add_usage);
    LS_RNP(op_generate_execute);
    LS_RNP(op_generate_get_key);
    LS_RNP(op_generate_destroy);
    LS_RNP(key_handle_destroy);
    LS_RNP(key_export);
    LS_RNP(key_get_fprint);
    LS_RNP(key_get_primary_fprint);
    LS_RNP(key_get_keyid);
    LS_RNP(key_get_primary_uid);
    LS_RNP(key_get_alg);
    LS_RNP(key_get_bits);
    LS_RNP(key_get_creation);
    LS_RNP(key_get_subkey_count);
    LS_RNP(key_get_subkey_at);
    LS_RNP(key_get_protection_type);
    LS_RNP(key_unprotect);
    LS_RNP(key_is_primary);
    LS_RNP(key_is_revoked);
    LS_RNP(key_is_expired);
    LS_RNP(key_is_valid);
    LS_RNP(key_have_secret);
    LS_RNP(key_allows_usage);
    LS_RNP(key_valid_till64);
    LS_RNP(get_secret_key_data);
    LS_RNP(op_verify_create);
    LS_RNP(op_verify_detached_create);
    LS_RNP(op_verify_execute);
    LS_RNP(op_verify_get_signature_count);
    LS_RNP(op_verify_get_signature_at);
    LS_RNP(op_verify_signature_get_status);
    LS_RNP(op_verify_signature_get_key);
    LS_RNP(op_verify_signature_get_hash);
    LS_RNP(op_verify_signature_get_times);
    LS_RNP(op_verify_destroy);
    LS_RNP(input_from_memory);
    LS_RNP(input_destroy);
    LS_RNP(output_to_memory);
    LS_RNP(output_memory_get_buf);
    LS_RNP(output_destroy);
#undef LS_RNP

    /// An Error that says what could not be done, and what librnp says.
    Error failed(Code code, const char* what, rnp_result_t result) const;
};

/// Loaded once for the life of the process.
/// @errors unavailable (the library is not there, or is another one)
/// @thread any
Result<const Rnp*> load_rnp();

/// What librnp gave, given back by the function that fits.
template <typename Handle>
class RnpOwned {
public:
    using Destroy = rnp_result_t (*)(Handle);

    explicit RnpOwned(Destroy destroy) noexcept : destroy_(destroy) {}
    ~RnpOwned() {
        if (handle_ != nullptr) {
            destroy_(handle_);
        }
    }
    RnpOwned(RnpOwned&& other) noexcept
        : destroy_(other.destroy_),
          handle_(std::exchange(other.handle_, nullptr)) {}
    RnpOwned(const RnpOwned&) = delete;
    RnpOwned& operator=(const RnpOwned&) = delete;
    RnpOwned& operator=(RnpOwned&& other) noexcept {
        std::swap(destroy_, other.destroy_);
        std::swap(handle_, other.handle_);
        return *this;
    }

    Handle get() const noexcept { return handle_; }
    /// Where a function puts it; once.
    Handle* out() noexcept { return &handle_; }

private:
    Destroy destroy_;
    Handle handle_ = nullptr;
};

using RnpKey = RnpOwned<rnp_key_handle_t>;

/// A text that librnp made; "" if `get` failed.
template <typename Handle>
std::string rnp_text(const Rnp& rnp, rnp_result_t (*get)(Handle, char**),
                     Handle handle) {
    char* text = nullptr;
    if (get(handle, &text) != RNP_SUCCESS || text == nullptr) {
        return {};
    }
    std::string copy(text);
    rnp.buffer_destroy(text);
    return copy;
}

/// An answer of yes or no; no if `get` failed.
inline bool rnp_flag(rnp_result_t (*get)(rnp_key_handle_t, bool*),
                     const RnpKey& key) {
    bool flag = false;
    return get(key.get(), &flag) == RNP_SUCCESS && flag;
}

/// A keyring in memory; one thread at a time.
class RnpRing {
public:
    /// @errors internal (out of memory)
    static Result<RnpRing> make(const Rnp& rnp);

    /// `what` is RNP_LOAD_SAVE_… @errors invalid_argument
    Result<void> add(std::string_view keys, std::uint32_t what);

    /// Every primary key. @errors internal
    Result<std::vector<RnpKey>> primary_keys() const;

    rnp_ffi_t get() const noexcept { return ffi_.get(); }

private:
    explicit RnpRing(const Rnp& rnp) : rnp_(&rnp), ffi_(rnp.ffi_destroy) {}

    const Rnp* rnp_;
    RnpOwned<rnp_ffi_t> ffi_;
};

/// Bytes that librnp reads; they must outlive it.
class RnpInput {
public:
    RnpInput(const Rnp& rnp, std::string_view bytes);
    rnp_input_t get() const noexcept { return input_.get(); }

private:
    RnpOwned<rnp_input_t> input_;
};

/// Memory that librnp writes to, at most `most` bytes; wiped at the end.
class RnpOutput {
public:
    RnpOutput(const Rnp& rnp, std::size_t most);
    ~RnpOutput();
    RnpOutput(const RnpOutput&) = delete;
    RnpOutput& operator=(const RnpOutput&) = delete;
    RnpOutput(RnpOutput&&) = delete;
    RnpOutput& operator=(RnpOutput&&) = delete;

    rnp_output_t get() const noexcept { return output_.get(); }
    std::string_view view() const noexcept;

private:
    const Rnp& rnp_;
    RnpOwned<rnp_output_t> output_;
};

}  // namespace longshore
