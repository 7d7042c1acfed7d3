#include "upstream/fetch.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "upstream/curl.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64 * 1024;

struct Progress {
    const FetchRequest& request;
    std::string body;
    std::size_t header_bytes = 0;
    bool too_large = false;
    bool out_of_reach = false;
};

std::size_t take_body(char* data, std::size_t size, std::size_t n, void* to) {
    auto& progress = *static_cast<Progress*>(to);
    if (progress.body.size() + size * n > progress.request.max_bytes) {
        progress.too_large = true;
        return 0;
    }
    progress.body.append(data, size * n);
    return size * n;
}

std::size_t take_header(char*, std::size_t size, std::size_t n, void* to) {
    auto& progress = *static_cast<Progress*>(to);
    progress.header_bytes += size * n;
    if (progress.header_bytes > kMaxHeaderBytes) {
        progress.too_large = true;
        return 0;
    }
    return size * n;
}

// The address is the one that is connected to, so a name that changes its
// meaning in between gains nothing.
curl_socket_t open_socket(void* to, curlsocktype purpose,
                          curl_sockaddr* address) {
    auto& progress = *static_cast<Progress*>(to);
    if (purpose != CURLSOCKTYPE_IPCXN ||
        !may_reach(address->addr, progress.request.reach)) {
        progress.out_of_reach = true;
        return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC,
                    address->protocol);
}

int look(void* to, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& stopping = static_cast<Progress*>(to)->request.stopping;
    return stopping && stopping() ? 1 : 0;
}

Error failed(const char* said, CURLcode code, const Progress& progress) {
    if (progress.too_large) {
        return {Code::too_large,
                "the answer is longer than " +
                    std::to_string(progress.request.max_bytes) + " bytes"};
    }
    if (progress.out_of_reach) {
        return {Code::denied,
                progress.request.reach == Reach::loopback
                    ? "the address is none of this machine"
                    : "the address is not of the public network, and the "
                      "issuer was not added with --private-network"};
    }
    return {
        code == CURLE_OPERATION_TIMEDOUT ? Code::timeout : Code::unavailable,
        said};
}

// One request of libcurl's; `made()` is false without memory.
class Handle {
public:
    explicit Handle(const Curl& curl)
        : curl_(curl), easy_(curl.easy_init(), curl.easy_cleanup) {}

    bool made() const { return easy_ != nullptr; }
    template <typename T>
    void set(CURLoption option, T value) const {
        curl_.easy_setopt(easy_.get(), option, value);
    }
    CURLcode perform() const { return curl_.easy_perform(easy_.get()); }
    long status() const {
        long status = 0;
        curl_.easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
        return status;
    }

private:
    const Curl& curl_;
    std::unique_ptr<CURL, decltype(Curl::easy_cleanup)> easy_;
};

void set_bounds(const Handle& handle, const FetchRequest& request) {
    handle.set(CURLOPT_URL, request.url.c_str());
    handle.set(CURLOPT_NOSIGNAL, 1L);
    handle.set(CURLOPT_PROTOCOLS_STR,
               request.reach == Reach::loopback ? "https,http" : "https");
    handle.set(CURLOPT_FOLLOWLOCATION, 0L);
    handle.set(CURLOPT_PROXY, "");
    handle.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    handle.set(CURLOPT_TIMEOUT_MS, request.timeout_ms);
    handle.set(CURLOPT_CONNECTTIMEOUT_MS, request.timeout_ms);
    handle.set(CURLOPT_USERAGENT, "longshore");
    handle.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    handle.set(CURLOPT_SSL_VERIFYPEER, 1L);
    handle.set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!request.ca_file.empty()) {
        handle.set(CURLOPT_CAINFO, request.ca_file.c_str());
        handle.set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
}

}  // namespace

Result<std::string> fetch(const FetchRequest& request) {
    LS_TRY(curl, load_curl());
    const Handle handle(*curl);
    if (!handle.made()) {
        return Error{Code::unavailable, "no memory for a request"};
    }
    Progress progress{request, {}, 0, false, false};
    std::array<char, CURL_ERROR_SIZE> said{};
    set_bounds(handle, request);
    handle.set(CURLOPT_ERRORBUFFER, said.data());
    handle.set(CURLOPT_WRITEFUNCTION, &take_body);
    handle.set(CURLOPT_WRITEDATA, static_cast<void*>(&progress));
    handle.set(CURLOPT_HEADERFUNCTION, &take_header);
    handle.set(CURLOPT_HEADERDATA, static_cast<void*>(&progress));
    handle.set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    handle.set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&progress));
    handle.set(CURLOPT_NOPROGRESS, 0L);
    handle.set(CURLOPT_XFERINFOFUNCTION, &look);
    handle.set(CURLOPT_XFERINFODATA, static_cast<void*>(&progress));
    auto code = handle.perform();
    if (code != CURLE_OK) {
        return failed(
            said.front() != '\0' ? said.data() : curl->easy_strerror(code),
            code, progress);
    }
    auto status = handle.status();
    if (status != 200) {
        return Error{Code::unavailable,
                     (status >= 300 && status < 400
                          ? "it redirects, which is not followed: status "
                          : "status ") +
                         std::to_string(status)};
    }
    return std::move(progress.body);
}

Reach reach_of(std::string_view url, bool private_network) noexcept {
    if (private_network) {
        return Reach::any;
    }
    auto at = url.find("://");
    auto host = at == std::string_view::npos ? url : url.substr(at + 3);
    for (std::string_view here : {"127.0.0.1", "[::1]", "localhost"}) {
        auto rest = host.starts_with(here) ? host.substr(here.size()) : "x";
        if (rest.empty() || rest[0] == '/' || rest[0] == ':' ||
            rest[0] == '?') {
            return Reach::loopback;
        }
    }
    return Reach::world;
}

}  // namespace longshore
