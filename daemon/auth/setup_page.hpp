// The page `/-/setup`, where whoever has the key of `registryctl setup --link`
// makes the first administrator. The key is behind the # of the link, so no
// server or proxy on the way gets to see or log it; a few lines of script put
// it into the form, where it can be pasted too. Nothing on the page is from
// elsewhere, and what a client sent is escaped. Thread-safe; blocks on the
// database, and while a password is hashed.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/first_run.hpp"
#include "common/protocol.hpp"
#include "http/reply.hpp"

namespace longshore {

/// What is to be shown, and what is to be logged.
struct SetupAnswer {
    Reply reply;
    std::string made;  // the administrator, if one was made
    bool wrong_key = false;
};

class SetupPage {
public:
    /// `public_url`: of the registry as clients know it, or "".
    SetupPage(FirstRun& first_run, std::string public_url)
        : first_run_(first_run), public_url_(std::move(public_url)) {}

    /// Every question gets a page; an error is in it.
    SetupAnswer answer(const Question& question);

private:
    struct Form;
    struct Page;

    Result<std::string> look();
    Page show();
    Page make(const Question& question, SetupAnswer& answer);
    Page take(const Question& question, const Form& form, SetupAnswer& answer);
    std::string address(const Question& question) const;
    bool is_same_site(const Question& question) const;
    bool may_try(std::string_view peer, std::int64_t now_ms);

    FirstRun& first_run_;
    std::string public_url_;
    std::mutex mutex_;
    struct Tries {
        std::int64_t begun_ms = 0;
        unsigned count = 0;
    };
    std::unordered_map<std::string, Tries> tries_;  // by address
};

}  // namespace longshore
