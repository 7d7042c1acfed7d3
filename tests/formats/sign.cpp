// Signs standard input as the daemon does, for tests with other programs:
//     sign_probe ROOT REPOSITORY clear|armored|binary|both|rsa|ed25519
// The database is made if there is none; the repository is a row of it.
#include <cstdint>
#include <ctime>
#include <iostream>
#include <iterator>
#include <string>

#include "db/database.hpp"
#include "registry/signer.hpp"

namespace longshore {
namespace {

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

Result<void> run(const std::string& root, const std::string& key,
                 const std::string& how) {
    LS_TRY(database, open_sqlite({root + "/db"}));
    Signer signer(*database, root);
    LS_TRY(repository, signer.repository(key));
    std::string text((std::istreambuf_iterator<char>(std::cin)), {});
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

}  // namespace
}  // namespace longshore

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "sign_probe ROOT REPOSITORY HOW\n";
        return 2;
    }
    auto done = longshore::run(argv[1], argv[2], argv[3]);
    if (!done) {
        std::cerr << done.error().message << "\n";
        return 1;
    }
    return 0;
}
