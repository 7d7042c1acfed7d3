#include "jobs/issuer_keys.hpp"

#include <utility>

#include <spdlog/spdlog.h>

#include "auth/external_tokens.hpp"
#include "common/clock.hpp"
#include "upstream/fetch.hpp"

namespace longshore {
namespace {

// A new issuer is seen so soon.
constexpr std::chrono::milliseconds kLookEvery{1000};

Error named(Error error, const std::string& url) {
    error.message = url + ": " + error.message;
    return error;
}

}  // namespace

Result<std::string> IssuerKeys::get(const KeysWanted& wanted) {
    FetchRequest request;
    request.ca_file = wanted.ca_file;
    // Where the issuer is, its keys may be; nowhere else.
    request.reach = reach_of(wanted.url, wanted.private_network);
    request.stopping = stopping_;
    auto keys_url = wanted.keys_url;
    if (keys_url.empty()) {
        request.url = discovery_url(wanted.url);
        auto document = fetch(request);
        if (!document) {
            return named(document.error(), request.url);
        }
        auto read = read_discovery(*document, wanted.url);
        if (!read) {
            return named(read.error(), request.url);
        }
        keys_url = std::move(*read);
    } else {
        request.reach = reach_of(keys_url, wanted.private_network);
    }
    request.url = std::move(keys_url);
    auto keys = fetch(request);
    if (!keys) {
        return named(keys.error(), request.url);
    }
    return std::move(*keys);
}

std::chrono::milliseconds IssuerKeys::step() {
    auto due = tokens_.due(unix_ms());
    if (!due) {
        spdlog::error("issuers: {}", due.error().message);
        return kLookEvery;
    }
    for (const auto& wanted : *due) {
        auto keys =
            stopping_()
                ? Result<std::string>(Error{Code::unavailable, "stopping"})
                : get(wanted);
        if (stopping_()) {
            return kLookEvery;  // what was given up is no failure
        }
        auto problem = keys ? std::string() : keys.error().message;
        auto news = tokens_.fetched(wanted, std::move(keys), unix_ms());
        if (!news) {
            spdlog::error("issuer {}: {}", wanted.name, news.error().message);
        } else if (*news && !problem.empty()) {
            spdlog::warn("issuer {}: {}", wanted.name, problem);
        } else if (*news) {
            spdlog::info("issuer {}: keys fetched", wanted.name);
        }
    }
    return kLookEvery;
}

}  // namespace longshore
