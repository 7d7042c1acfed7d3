// Signs standard input as the daemon does, and reads what others signed, for
// tests with other programs:
//     sign_probe ROOT REPOSITORY clear|armored|binary|both|rsa|ed25519
//     sign_probe verify KEYS [SIGNATURE]
// The database is made if there is none; the repository is a row of it. The
// second form prints the fingerprints of who signed.
#include <cstdint>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "db/database.hpp"
#include "registry/signer.hpp"

namespace longshore {
namespace {

std::string all_of(std::istream& in) {
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string file(const char* path) {
    std::ifstream in(path, std::ios::binary);
    return all_of(in);
}

Result<std::string> sign(Signer& signer, std::int64_t repository,
                         const std::string& how, const std::string& text) {
    if (how == "clear") {
        return signer.clear_sign(repository, text);
    }
    if (how == "armored") {
        return signer.detach_sign_armored(repository, text);
    }
    if (how == "binary") {
        return signer.detach_sign_binary(repository, text);
    }
    if (how == "both") {
        return signer.detach_sign_armored(repository, text, SignedBy::all);
    }
    return how == "rsa" ? signer.sign_rsa_sha256(repository, text)
                        : signer.sign_ed25519(repository, text);
}

// The first signature reads the key; the time is that of the second.
Result<void> sign(const std::string& root, const std::string& key,
                  const std::string& how) {
    LS_TRY(database, open_sqlite({root + "/db"}));
    Signer signer(*database, root);
    LS_TRY(repository, signer.repository(key));
    auto text = all_of(std::cin);
    LS_TRY(made, sign(signer, repository, how, text));
    timespec begun{};
    timespec ended{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
    LS_TRY(again, sign(signer, repository, how, text));
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
    std::cerr << "warm: "
              << (ended.tv_sec - begun.tv_sec) * 1'000'000 +
                     (ended.tv_nsec - begun.tv_nsec) / 1000
              << " us\n";
    std::cout << again;
    return {};
}

Result<void> verify(const char* keys, const char* signature) {
    auto bytes = all_of(std::cin);
    std::vector<OpenPgpSignature> found;
    if (signature != nullptr) {
        LS_TRY(read, verify_detached(bytes, file(signature), file(keys)));
        found = std::move(read);
    } else {
        LS_TRY(read, verify_clear_signed(bytes, file(keys)));
        found = std::move(read.signatures);
    }
    for (const auto& each : found) {
        std::cout << each.fingerprint << "\n";
    }
    return {};
}

}  // namespace
}  // namespace longshore

int main(int argc, char** argv) {
    using namespace longshore;
    if (argc < 3 || argc > 4) {
        std::cerr << "sign_probe ROOT REPOSITORY HOW\n";
        return 2;
    }
    const char* third = argc == 4 ? argv[3] : nullptr;
    auto done = std::string(argv[1]) == "verify" ? verify(argv[2], third)
                : third != nullptr               ? sign(argv[1], argv[2], third)
                                                 : Result<void>();
    if (!done) {
        std::cerr << code_name(done.error().code) << ": "
                  << done.error().message << "\n";
        return 1;
    }
    return 0;
}
