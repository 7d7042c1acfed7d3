#include "ctl/web.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include <curl/curl.h>

namespace longshore {
namespace {

constexpr std::size_t kMaxBody = 8U << 20U;
constexpr long kConnectSeconds = 10;
constexpr long kSeconds = 60;

struct Reading {
    WebAnswer answer;
    bool too_large = false;
};

// Sends what a view has left.
std::size_t send_some(char* to, std::size_t size, std::size_t n, void* of) {
    auto* rest = static_cast<std::string_view*>(of);
    auto count = std::min(size * n, rest->size());
    std::memcpy(to, rest->data(), count);
    rest->remove_prefix(count);
    return count;
}

std::size_t take_body(char* data, std::size_t size, std::size_t n, void* to) {
    auto* reading = static_cast<Reading*>(to);
    if (reading->answer.body.size() + size * n > kMaxBody) {
        reading->too_large = true;
        return 0;
    }
    reading->answer.body.append(data, size * n);
    return size * n;
}

std::size_t take_header(char* data, std::size_t size, std::size_t n, void* to) {
    auto& headers = static_cast<Reading*>(to)->answer.headers;
    std::string_view line(data, size * n);
    if (line.starts_with("HTTP/")) {
        headers.clear();  // those of a 100 Continue
    }
    if (auto colon = line.find(':'); colon != std::string_view::npos) {
        std::string name(line.substr(0, colon));
        std::transform(name.begin(), name.end(), name.begin(), [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
        auto value = line.substr(colon + 1);
        auto first = value.find_first_not_of(" \t\r\n");
        auto last = value.find_last_not_of(" \t\r\n");
        headers[name] =
            first == std::string_view::npos
                ? std::string()
                : std::string(value.substr(first, last - first + 1));
    }
    return size * n;
}

class Handle {
public:
    Handle() : curl_(::curl_easy_init(), &::curl_easy_cleanup) {}
    CURL* get() const noexcept { return curl_.get(); }

    template <typename T>
    void set(CURLoption option, T value) {
        ::curl_easy_setopt(curl_.get(), option, value);
    }
    void add_header(const std::string& line) {
        headers_.reset(::curl_slist_append(headers_.release(), line.c_str()));
    }
    curl_slist* headers() const noexcept { return headers_.get(); }

private:
    std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)> curl_;
    std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)> headers_{
        nullptr, &::curl_slist_free_all};
};

void set_tls(Handle& handle, const WebSettings& settings) {
    handle.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!settings.verify) {
        handle.set(CURLOPT_SSL_VERIFYPEER, 0L);
        handle.set(CURLOPT_SSL_VERIFYHOST, 0L);
    } else if (!settings.roots.empty()) {
        handle.set(CURLOPT_CAINFO, settings.roots.c_str());
        handle.set(CURLOPT_CAPATH, "/etc/ssl/certs");
    }
}

void set_request(Handle& handle, const WebRequest& request,
                 std::string_view& rest) {
    handle.set(CURLOPT_URL, request.url.c_str());
    if (request.method == "HEAD") {
        handle.set(CURLOPT_NOBODY, 1L);
    } else if (request.method == "PATCH" || request.method == "PUT" ||
               request.method == "POST") {
        handle.set(CURLOPT_UPLOAD, 1L);
        handle.set(CURLOPT_READFUNCTION, &send_some);
        handle.set(CURLOPT_READDATA, static_cast<void*>(&rest));
        handle.set(CURLOPT_INFILESIZE_LARGE,
                   static_cast<curl_off_t>(request.body.size()));
        handle.set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
        handle.add_header("Content-Type: application/octet-stream");
        handle.add_header("Expect:");
    } else if (request.method != "GET") {
        handle.set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    if (!request.authorization.empty()) {
        handle.add_header("Authorization: " + request.authorization);
    }
    if (!request.accept.empty()) {
        handle.add_header("Accept: " + request.accept);
    }
    if (!request.range.empty()) {
        handle.set(CURLOPT_RANGE, request.range.c_str());
    }
    handle.set(CURLOPT_HTTPHEADER, handle.headers());
}

Error failed(CURLcode code, const char* more) {
    std::string what = ::curl_easy_strerror(code);
    if (*more != '\0') {
        what = more;
    }
    return {
        code == CURLE_OPERATION_TIMEDOUT ? Code::timeout : Code::unavailable,
        what};
}

}  // namespace

std::string WebAnswer::header(const std::string& name) const {
    auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
}

std::string WebAddress::text() const {
    auto name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    bool usual = port == (scheme == "https" ? "443" : "80");
    return scheme + "://" + name + (usual ? "" : ":" + port);
}

Result<WebAnswer> ask_web(const WebSettings& settings,
                          const WebRequest& request) {
    Handle handle;
    if (handle.get() == nullptr) {
        return Error{Code::unavailable, "no memory for a request"};
    }
    Reading reading;
    std::string said(CURL_ERROR_SIZE, '\0');
    auto rest = request.body;
    handle.set(CURLOPT_ERRORBUFFER, said.data());
    handle.set(CURLOPT_NOSIGNAL, 1L);
    handle.set(CURLOPT_PROXY, "");
    handle.set(CURLOPT_PROTOCOLS_STR, "http,https");
    handle.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    handle.set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    handle.set(CURLOPT_TIMEOUT, kSeconds);
    handle.set(CURLOPT_USERAGENT, "registryctl/" LS_VERSION);
    handle.set(CURLOPT_WRITEFUNCTION, &take_body);
    handle.set(CURLOPT_WRITEDATA, static_cast<void*>(&reading));
    handle.set(CURLOPT_HEADERFUNCTION, &take_header);
    handle.set(CURLOPT_HEADERDATA, static_cast<void*>(&reading));
    set_tls(handle, settings);
    set_request(handle, request, rest);
    auto code = ::curl_easy_perform(handle.get());
    if (reading.too_large) {
        return Error{Code::too_large, "the answer is longer than 8 MiB"};
    }
    // An answer that came before all was sent is an answer.
    ::curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE,
                        &reading.answer.status);
    if (code != CURLE_OK &&
        !(code == CURLE_SEND_ERROR && reading.answer.status >= 400)) {
        return failed(code, said.c_str());
    }
    long version = 0;
    ::curl_easy_getinfo(handle.get(), CURLINFO_HTTP_VERSION, &version);
    reading.answer.version = version == CURL_HTTP_VERSION_2     ? 20
                             : version == CURL_HTTP_VERSION_1_0 ? 10
                                                                : 11;
    return std::move(reading.answer);
}

Result<WebAddress> parse_address(const std::string& url) {
    auto whole = url.find("://") == std::string::npos ? "https://" + url : url;
    std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)> parsed(
        ::curl_url(), &::curl_url_cleanup);
    auto part = [&](CURLUPart which) {
        char* text = nullptr;
        std::string out;
        if (::curl_url_get(parsed.get(), which, &text, CURLU_DEFAULT_PORT) ==
            CURLUE_OK) {
            out = text;
        }
        ::curl_free(text);
        return out;
    };
    WebAddress address;
    if (::curl_url_set(parsed.get(), CURLUPART_URL, whole.c_str(), 0) ==
        CURLUE_OK) {
        address = {part(CURLUPART_SCHEME), part(CURLUPART_HOST),
                   part(CURLUPART_PORT)};
    }
    if (address.host.starts_with('[')) {
        address.host = address.host.substr(1, address.host.size() - 2);
    }
    bool known = address.scheme == "http" || address.scheme == "https";
    if (!known || address.host.empty() || !part(CURLUPART_USER).empty()) {
        return Error{Code::invalid_argument,
                     "\"" + url +
                         "\" is no address of a registry; such as "
                         "https://registry.example.org"};
    }
    return address;
}

}  // namespace longshore
