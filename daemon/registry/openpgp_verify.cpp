// The half of openpgp.hpp that reads what others signed.
#include <optional>

#include "registry/openpgp.hpp"
#include "registry/rnp.hpp"

namespace longshore {
namespace {

constexpr std::string_view kBegin = "-----BEGIN PGP SIGNED MESSAGE-----";
constexpr std::string_view kSignature = "-----BEGIN PGP SIGNATURE-----";
constexpr std::string_view kEnd = "-----END PGP SIGNATURE-----";
constexpr std::string_view kSpace = " \t\r\n";

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

Error refused(std::string message) {
    return {Code::denied, std::move(message)};
}

// The next line, without its end and the white space before that.
std::string_view take_line(std::string_view& rest) noexcept {
    auto end = rest.find('\n');
    auto line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    auto last = line.find_last_not_of(" \t\r");
    return line.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// Whether there is one message, of which every reader takes the same lines
// for signed: no other armor headers, no dash that is not escaped, nothing
// before and behind. RFC 4880 section 7.
bool is_whole(std::string_view message) noexcept {
    auto rest = message;
    if (take_line(rest) != kBegin) {
        return false;
    }
    for (;;) {
        if (rest.empty()) {
            return false;
        }
        auto line = take_line(rest);
        if (line.empty()) {
            break;
        }
        if (!line.starts_with("Hash: ")) {
            return false;
        }
    }
    for (;;) {
        if (rest.empty()) {
            return false;
        }
        auto line = take_line(rest);
        if (line == kSignature) {
            break;
        }
        if (line.starts_with('-') && !line.starts_with("- ") && line != "-") {
            return false;
        }
    }
    while (!rest.empty()) {
        auto line = take_line(rest);
        if (line == kEnd) {
            return rest.find_first_not_of(kSpace) == std::string_view::npos;
        }
        if (line.starts_with('-')) {
            return false;
        }
    }
    return false;
}

// The primary key of the one that made a signature.
RnpKey primary_of(const Rnp& rnp, const RnpRing& ring, RnpKey key) {
    if (rnp_flag(rnp.key_is_primary, key)) {
        return key;
    }
    RnpKey primary(rnp.key_handle_destroy);
    auto fingerprint = rnp_text(rnp, rnp.key_get_primary_fprint, key.get());
    if (!fingerprint.empty()) {
        rnp.locate_key(ring.get(), "fingerprint", fingerprint.c_str(),
                       primary.out());
    }
    return primary;
}

// Nullopt for one of a key that is not known. @errors denied (it is wrong)
Result<std::optional<OpenPgpSignature>> judge(const Rnp& rnp,
                                              const RnpRing& ring,
                                              rnp_op_verify_signature_t sig) {
    using Found = std::optional<OpenPgpSignature>;
    auto status = rnp.op_verify_signature_get_status(sig);
    if (status == RNP_ERROR_KEY_NOT_FOUND) {
        return Found();
    }
    RnpKey key(rnp.key_handle_destroy);
    bool known =
        rnp.op_verify_signature_get_key(sig, key.out()) == RNP_SUCCESS &&
        key.get() != nullptr;
    bool usable = known && !rnp_flag(rnp.key_is_revoked, key) &&
                  !rnp_flag(rnp.key_is_expired, key);
    RnpKey primary(rnp.key_handle_destroy);
    if (usable) {
        primary = primary_of(rnp, ring, std::move(key));
        usable = primary.get() != nullptr &&
                 !rnp_flag(rnp.key_is_revoked, primary) &&
                 !rnp_flag(rnp.key_is_expired, primary);
    }
    if (known && !usable) {
        return Found();
    }
    if (status != RNP_SUCCESS || !known) {
        return refused(status == RNP_ERROR_SIGNATURE_EXPIRED
                           ? "a signature has expired"
                           : "a signature is wrong");
    }
    OpenPgpSignature made;
    made.fingerprint = rnp_text(rnp, rnp.key_get_fprint, primary.get());
    made.user_id = rnp_text(rnp, rnp.key_get_primary_uid, primary.get());
    made.hash = rnp_text(rnp, rnp.op_verify_signature_get_hash, sig);
    std::uint32_t at = 0;
    rnp.op_verify_signature_get_times(sig, &at, nullptr);
    made.made_at_ms = std::int64_t{at} * 1000;
    return Found(std::move(made));
}

Result<std::vector<OpenPgpSignature>> verify(const Rnp& rnp,
                                             const RnpRing& ring,
                                             rnp_op_verify_t op) {
    auto done = rnp.op_verify_execute(op);
    std::size_t count = 0;
    if (rnp.op_verify_get_signature_count(op, &count) != RNP_SUCCESS ||
        count == 0) {
        return bad("there is no OpenPGP signature");
    }
    std::vector<OpenPgpSignature> good;
    for (std::size_t i = 0; i < count; ++i) {
        rnp_op_verify_signature_t sig = nullptr;
        if (rnp.op_verify_get_signature_at(op, i, &sig) != RNP_SUCCESS) {
            return refused("a signature cannot be read");
        }
        LS_TRY(made, judge(rnp, ring, sig));
        if (made) {
            good.push_back(std::move(*made));
        }
    }
    if (good.empty()) {
        return refused("it is signed by no key that is known and usable");
    }
    if (done != RNP_SUCCESS) {
        return rnp.failed(Code::denied, "verify a signature", done);
    }
    return good;
}

Result<RnpRing> ring_of(const Rnp& rnp, std::string_view keys) {
    if (keys.size() > kMaxOpenPgpKeys) {
        return Error{Code::too_large, "the keys are longer than 1 MiB"};
    }
    LS_TRY(ring, RnpRing::make(rnp));
    LS_CHECK(
        ring.add(keys, RNP_LOAD_SAVE_PUBLIC_KEYS | RNP_LOAD_SAVE_PERMISSIVE));
    return ring;
}

}  // namespace

Result<ClearSigned> verify_clear_signed(std::string_view message,
                                        std::string_view keys) {
    if (message.size() > kMaxClearSigned) {
        return Error{Code::too_large, "a signed text may have 64 MiB at most"};
    }
    if (!is_whole(message)) {
        return bad("it is not one text with its OpenPGP signature");
    }
    LS_TRY(rnp, load_rnp());
    LS_TRY(ring, ring_of(*rnp, keys));
    RnpInput input(*rnp, message);
    // No more than there is: a text is not compressed.
    RnpOutput output(*rnp, message.size() + 2);
    RnpOwned<rnp_op_verify_t> op(rnp->op_verify_destroy);
    auto made =
        rnp->op_verify_create(op.out(), ring.get(), input.get(), output.get());
    if (made != RNP_SUCCESS) {
        return rnp->failed(Code::internal, "verify a signature", made);
    }
    LS_TRY(signatures, verify(*rnp, ring, op.get()));
    return ClearSigned{std::string(output.view()), std::move(signatures)};
}

Result<std::vector<OpenPgpSignature>> verify_detached(
    std::string_view bytes, std::string_view signature, std::string_view keys) {
    if (signature.size() > kMaxOpenPgpSignature) {
        return Error{Code::too_large, "a signature may have 64 KiB at most"};
    }
    LS_TRY(rnp, load_rnp());
    LS_TRY(ring, ring_of(*rnp, keys));
    RnpInput input(*rnp, bytes);
    RnpInput beside(*rnp, signature);
    RnpOwned<rnp_op_verify_t> op(rnp->op_verify_destroy);
    auto made = rnp->op_verify_detached_create(op.out(), ring.get(),
                                               input.get(), beside.get());
    if (made != RNP_SUCCESS) {
        return rnp->failed(Code::internal, "verify a signature", made);
    }
    return verify(*rnp, ring, op.get());
}

}  // namespace longshore
