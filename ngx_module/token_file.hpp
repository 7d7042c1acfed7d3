// The daemon's public keys of access tokens, as this worker knows them: read
// from <root>/keys/token.pub, again when that file is another one. The daemon
// replaces it by rename. One per worker, event loop only.
#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "common/token.hpp"
#include "ngx_module/ngx.hpp"

namespace longshore {

class TokenFiles {
public:
    /// The keys below `root`, looked after once a second at most. None when
    /// there is no such file, or any of it is not understood: then the daemon
    /// is asked about every token.
    const TokenKeys& of(std::string_view root, ngx_log_t* log);

private:
    struct File {
        std::string root;
        std::time_t looked_at = -1;
        struct stat seen = {};
        TokenKeys keys;
    };
    static void look(File& file, ngx_log_t* log);

    std::vector<File> files_;  // one per registry_root
};

/// The text of such a file: lines of key id and key.
/// @errors invalid_argument (a line), too_large (more than kMaxTokenKeys)
Result<TokenKeys> parse_token_keys(std::string_view text);

}  // namespace longshore
