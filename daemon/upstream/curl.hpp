// libcurl, loaded at the first request. It brings some twenty libraries and
// 4 MB of memory, which a registry that asks nobody need not have.
#pragma once

#include <curl/curl.h>

#include "common/result.hpp"

namespace longshore {

/// Its functions, as curl/curl.h declares them.
struct Curl {
    decltype(&::curl_easy_init) easy_init;
    decltype(&::curl_easy_cleanup) easy_cleanup;
    decltype(&::curl_easy_setopt) easy_setopt;
    decltype(&::curl_easy_getinfo) easy_getinfo;
    decltype(&::curl_easy_perform) easy_perform;
    decltype(&::curl_easy_strerror) easy_strerror;
};

/// Loaded once for the life of the process.
/// @errors unavailable (the library is not there or does not start)
/// @thread any
Result<const Curl*> load_curl();

}  // namespace longshore
