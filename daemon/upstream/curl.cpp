#include "upstream/curl.hpp"

#include <dlfcn.h>

#include <string>

namespace longshore {
namespace {

constexpr const char* kLibrary = "libcurl.so.4";

template <typename Function>
bool find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    return function != nullptr;
}

Error missing() {
    const char* said = ::dlerror();
    return {Code::unavailable,
            said != nullptr ? said : std::string(kLibrary) + " does not start"};
}

Result<Curl> open() {
    // Never closed: handles live in threads that end when they like.
    void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        return missing();
    }
    Curl curl{};
    decltype(&::curl_global_init) global_init = nullptr;
    if (!find(library, "curl_global_init", global_init) ||
        !find(library, "curl_easy_init", curl.easy_init) ||
        !find(library, "curl_easy_cleanup", curl.easy_cleanup) ||
        !find(library, "curl_easy_setopt", curl.easy_setopt) ||
        !find(library, "curl_easy_getinfo", curl.easy_getinfo) ||
        !find(library, "curl_easy_perform", curl.easy_perform) ||
        !find(library, "curl_easy_strerror", curl.easy_strerror) ||
        global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return missing();
    }
    return curl;
}

}  // namespace

Result<const Curl*> load_curl() {
    static const Result<Curl> kCurl = open();
    if (!kCurl) {
        return kCurl.error();
    }
    return &*kCurl;
}

}  // namespace longshore
