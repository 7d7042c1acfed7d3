#include "ctl/tls_check.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <memory>

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <unistd.h>

namespace longshore {
namespace {

constexpr int kSeconds = 10;

struct Free {
    void operator()(SSL_CTX* it) const noexcept { ::SSL_CTX_free(it); }
    void operator()(SSL* it) const noexcept { ::SSL_free(it); }
    void operator()(X509_STORE* it) const noexcept { ::X509_STORE_free(it); }
    void operator()(X509_STORE_CTX* it) const noexcept {
        ::X509_STORE_CTX_free(it);
    }
    void operator()(addrinfo* it) const noexcept { ::freeaddrinfo(it); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

class Socket {
public:
    explicit Socket(int number) : number_(number) {}
    ~Socket() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    Socket(Socket&& other) noexcept
        : number_(std::exchange(other.number_, -1)) {}
    Socket& operator=(Socket&&) = delete;
    int number() const noexcept { return number_; }

private:
    int number_;
};

Error no(const std::string& what) {
    return {Code::unavailable, what};
}

Result<Socket> connect_to(const std::string& host, const std::string& port) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (int code = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &list);
        code != 0) {
        return no("cannot find " + host + ": " + ::gai_strerror(code));
    }
    Owned<addrinfo> owner(list);
    int why = 0;
    for (auto* at = list; at != nullptr; at = at->ai_next) {
        Socket made(::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0));
        timeval limit{kSeconds, 0};
        ::setsockopt(made.number(), SOL_SOCKET, SO_RCVTIMEO, &limit,
                     sizeof(limit));
        ::setsockopt(made.number(), SOL_SOCKET, SO_SNDTIMEO, &limit,
                     sizeof(limit));
        if (::connect(made.number(), at->ai_addr, at->ai_addrlen) == 0) {
            return made;
        }
        why = errno;
    }
    return no(errno_error("connect to " + host + ":" + port, why).message);
}

std::string name_text(const X509_NAME* name) {
    std::unique_ptr<BIO, decltype(&::BIO_free)> out(::BIO_new(::BIO_s_mem()),
                                                    &::BIO_free);
    ::X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_ONELINE);
    char* text = nullptr;
    auto length = ::BIO_get_mem_data(out.get(), &text);
    return length > 0 ? std::string(text, static_cast<std::size_t>(length))
                      : std::string();
}

std::int64_t end_ms(const X509* certificate) {
    std::tm parts{};
    if (::ASN1_TIME_to_tm(::X509_get0_notAfter(certificate), &parts) != 1) {
        return 0;
    }
    return static_cast<std::int64_t>(::timegm(&parts)) * 1000;
}

bool is_address(const std::string& host) {
    std::array<unsigned char, 16> bytes{};
    return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

bool matches(X509* certificate, const std::string& host) {
    if (is_address(host)) {
        return ::X509_check_ip_asc(certificate, host.c_str(), 0) == 1;
    }
    return ::X509_check_host(certificate, host.data(), host.size(),
                             X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
}

Result<Owned<X509_STORE>> make_store(const std::string& roots) {
    Owned<X509_STORE> store(::X509_STORE_new());
    ::X509_STORE_set_default_paths(store.get());
    if (!roots.empty() &&
        ::X509_STORE_load_file(store.get(), roots.c_str()) != 1) {
        ::ERR_clear_error();
        return Error{Code::invalid_argument,
                     "there is no certificate in PEM form in " + roots};
    }
    return store;
}

void check_chain(X509_STORE* store, STACK_OF(X509) * sent, TlsReport& report) {
    auto* own = sk_X509_value(sent, 0);
    Owned<X509_STORE_CTX> context(::X509_STORE_CTX_new());
    ::X509_STORE_CTX_init(context.get(), store, own, sent);
    auto* parameters = ::X509_STORE_CTX_get0_param(context.get());
    ::X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER);
    if (::X509_verify_cert(context.get()) != 1) {
        auto code = ::X509_STORE_CTX_get_error(context.get());
        report.chain_error = ::X509_verify_cert_error_string(code);
        report.issuer_missing =
            code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
            code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
            code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
    }
    auto* found = ::X509_STORE_CTX_get0_chain(context.get());
    for (int i = 0; i < sk_X509_num(found); ++i) {
        auto* each = sk_X509_value(found, i);
        report.issuer = name_text(::X509_get_issuer_name(each));
        auto end = end_ms(each);
        report.ends_at_ms =
            report.ends_at_ms == 0 ? end : std::min(report.ends_at_ms, end);
    }
    ::ERR_clear_error();
}

}  // namespace

Result<TlsReport> check_tls(const std::string& host, const std::string& port,
                            const std::string& roots) {
    LS_TRY(store, make_store(roots));
    LS_TRY(socket, connect_to(host, port));
    Owned<SSL_CTX> context(::SSL_CTX_new(::TLS_client_method()));
    Owned<SSL> tls(::SSL_new(context.get()));
    if (tls == nullptr) {
        return no("no memory for TLS");
    }
    // Judged afterwards: the report is wanted whatever is wrong.
    ::SSL_set_verify(tls.get(), SSL_VERIFY_NONE, nullptr);
    ::SSL_set_min_proto_version(tls.get(), TLS1_2_VERSION);
    constexpr std::array<unsigned char, 12> kProtocols = {
        2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    ::SSL_set_alpn_protos(tls.get(), kProtocols.data(), kProtocols.size());
    if (!is_address(host)) {
        ::SSL_set_tlsext_host_name(tls.get(), host.c_str());
    }
    ::SSL_set_fd(tls.get(), socket.number());
    if (::SSL_connect(tls.get()) != 1) {
        std::array<char, 256> text{};
        ::ERR_error_string_n(::ERR_get_error(), text.data(), text.size());
        ::ERR_clear_error();
        return no("no TLS 1.2 or later with " + host + ":" + port + ": " +
                  text.data());
    }
    TlsReport report;
    report.version = ::SSL_get_version(tls.get());
    const unsigned char* chosen = nullptr;
    unsigned length = 0;
    ::SSL_get0_alpn_selected(tls.get(), &chosen, &length);
    if (length > 0) {
        report.protocol.assign(chosen, chosen + length);
    }
    auto* sent = ::SSL_get_peer_cert_chain(tls.get());
    if (sent == nullptr || sk_X509_num(sent) == 0) {
        return no("the server shows no certificate");
    }
    auto* own = sk_X509_value(sent, 0);
    report.sent = static_cast<std::size_t>(sk_X509_num(sent));
    report.subject = name_text(::X509_get_subject_name(own));
    report.self_signed = ::X509_self_signed(own, 0) == 1;
    report.name_matches = matches(own, host);
    check_chain(store.get(), sent, report);
    ::SSL_shutdown(tls.get());
    return report;
}

}  // namespace longshore
