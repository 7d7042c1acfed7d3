#include "registry/rnp.hpp"

#include <dlfcn.h>

namespace longshore {
namespace {

constexpr const char* kLibrary = "librnp.so.0";

// Looks names up until one is missing.
class Finder {
public:
    explicit Finder(void* library) : library_(library) {}

    template <typename Function>
    void operator()(const char* name, Function& function) {
        function = reinterpret_cast<Function>(::dlsym(library_, name));
        if (function == nullptr && missing_ == nullptr) {
            missing_ = name;
        }
    }
    const char* missing() const noexcept { return missing_; }

private:
    void* library_;
    const char* missing_ = nullptr;
};

#define LS_FIND(name) find("rnp_" #name, rnp.name)

void find_keys(Finder& find, Rnp& rnp) {
    LS_FIND(ffi_create);
    LS_FIND(ffi_destroy);
    LS_FIND(buffer_destroy);
    LS_FIND(result_to_string);
    LS_FIND(import_keys);
    LS_FIND(locate_key);
    LS_FIND(identifier_iterator_create);
    LS_FIND(identifier_iterator_next);
    LS_FIND(identifier_iterator_destroy);
    LS_FIND(op_generate_create);
    LS_FIND(op_generate_set_bits);
    LS_FIND(op_generate_set_hash);
    LS_FIND(op_generate_set_userid);
    LS_FIND(op_generate_set_expiration);
    LS_FIND(op_generate_add_usage);
    LS_FIND(op_generate_execute);
    LS_FIND(op_generate_get_key);
    LS_FIND(op_generate_destroy);
    LS_FIND(key_handle_destroy);
    LS_FIND(key_export);
    LS_FIND(key_get_fprint);
    LS_FIND(key_get_primary_fprint);
    LS_FIND(key_get_keyid);
    LS_FIND(key_get_primary_uid);
    LS_FIND(key_get_alg);
    LS_FIND(key_get_bits);
    LS_FIND(key_get_creation);
    LS_FIND(key_get_subkey_count);
    LS_FIND(key_get_subkey_at);
    LS_FIND(key_get_protection_type);
    LS_FIND(key_unprotect);
    LS_FIND(key_is_primary);
    LS_FIND(key_is_revoked);
    LS_FIND(key_is_expired);
    LS_FIND(key_is_valid);
    LS_FIND(key_have_secret);
    LS_FIND(key_allows_usage);
    LS_FIND(key_valid_till64);
    LS_FIND(get_secret_key_data);
}

void find_operations(Finder& find, Rnp& rnp) {
    LS_FIND(op_verify_create);
    LS_FIND(op_verify_detached_create);
    LS_FIND(op_verify_execute);
    LS_FIND(op_verify_get_signature_count);
    LS_FIND(op_verify_get_signature_at);
    LS_FIND(op_verify_signature_get_status);
    LS_FIND(op_verify_signature_get_key);
    LS_FIND(op_verify_signature_get_hash);
    LS_FIND(op_verify_signature_get_times);
    LS_FIND(op_verify_destroy);
    LS_FIND(input_from_memory);
    LS_FIND(input_destroy);
    LS_FIND(output_to_memory);
    LS_FIND(output_memory_get_buf);
    LS_FIND(output_destroy);
}

#undef LS_FIND

Result<Rnp> open() {
    // Never closed: keyrings live as long as who holds them likes.
    void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* said = ::dlerror();
        return Error{Code::unavailable,
                     "OpenPGP signatures need the package librnp0: " +
                         std::string(said != nullptr ? said : kLibrary)};
    }
    Rnp rnp{};
    Finder find(library);
    find_keys(find, rnp);
    find_operations(find, rnp);
    if (find.missing() != nullptr) {
        return Error{Code::unavailable,
                     std::string(kLibrary) + " has no " + find.missing()};
    }
    return rnp;
}

const std::uint8_t* bytes_of(std::string_view bytes) noexcept {
    // librnp takes no null pointer for "nothing".
    return reinterpret_cast<const std::uint8_t*>(bytes.empty() ? ""
                                                               : bytes.data());
}

}  // namespace

Result<const Rnp*> load_rnp() {
    static const Result<Rnp> kRnp = open();
    if (!kRnp) {
        return kRnp.error();
    }
    return &*kRnp;
}

Error Rnp::failed(Code code, const char* what, rnp_result_t result) const {
    return {code, std::string(what) + ": " + result_to_string(result)};
}

Result<RnpRing> RnpRing::make(const Rnp& rnp) {
    RnpRing ring(rnp);
    auto made = rnp.ffi_create(ring.ffi_.out(), "GPG", "GPG");
    if (made != RNP_SUCCESS) {
        return rnp.failed(Code::internal, "make a keyring", made);
    }
    return ring;
}

Result<void> RnpRing::add(std::string_view keys, std::uint32_t what) {
    RnpInput input(*rnp_, keys);
    auto added = rnp_->import_keys(ffi_.get(), input.get(), what, nullptr);
    if (added != RNP_SUCCESS) {
        return rnp_->failed(Code::invalid_argument, "read OpenPGP keys", added);
    }
    return {};
}

Result<std::vector<RnpKey>> RnpRing::primary_keys() const {
    RnpOwned<rnp_identifier_iterator_t> each(rnp_->identifier_iterator_destroy);
    auto begun =
        rnp_->identifier_iterator_create(ffi_.get(), each.out(), "fingerprint");
    if (begun != RNP_SUCCESS) {
        return rnp_->failed(Code::internal, "list keys", begun);
    }
    std::vector<RnpKey> keys;
    const char* fingerprint = nullptr;
    while (rnp_->identifier_iterator_next(each.get(), &fingerprint) ==
               RNP_SUCCESS &&
           fingerprint != nullptr) {
        RnpKey key(rnp_->key_handle_destroy);
        if (rnp_->locate_key(ffi_.get(), "fingerprint", fingerprint,
                             key.out()) == RNP_SUCCESS &&
            key.get() != nullptr && rnp_flag(rnp_->key_is_primary, key)) {
            keys.push_back(std::move(key));
        }
    }
    return keys;
}

RnpInput::RnpInput(const Rnp& rnp, std::string_view bytes)
    : input_(rnp.input_destroy) {
    // Without memory for it get() is null, which librnp's functions refuse.
    rnp.input_from_memory(input_.out(), bytes_of(bytes), bytes.size(), false);
}

RnpOutput::RnpOutput(const Rnp& rnp, std::size_t most)
    : rnp_(rnp), output_(rnp.output_destroy) {
    rnp.output_to_memory(output_.out(), most);
}

RnpOutput::~RnpOutput() {
    auto all = view();
    wipe(const_cast<char*>(all.data()), all.size());
}

std::string_view RnpOutput::view() const noexcept {
    std::uint8_t* bytes = nullptr;
    std::size_t size = 0;
    if (output_.get() == nullptr ||
        rnp_.output_memory_get_buf(output_.get(), &bytes, &size, false) !=
            RNP_SUCCESS ||
        bytes == nullptr) {
        return {};
    }
    return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace longshore
