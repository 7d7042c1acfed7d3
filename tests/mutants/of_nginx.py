"""Bugs in nginx's part and in what both parts read: routes, grants, caches,
the path, signed tokens."""

from mutant import Mutant

ROUTE = "ngx_module/route.cpp"
LET_IN = "ctx.permitted = is_granted(ctx);"
GRANTS = "ngx/test_grants.py::test_"
TOKENS = "ngx/test_access_tokens.py::test_"
PATH = "common/oci_path.cpp"
TOKEN = "common/token.cpp"

NGINX = (
    # One route asks and its sibling does not.
    Mutant("blob-head-unasked", 1,
           "HEAD of a blob was answered to anybody, GET was not.",
           ROUTE, LET_IN, """\
ctx.permitted = is_granted(ctx) || (ctx.path.route == OciRoute::blob &&
                                    ctx.r->method == NGX_HTTP_HEAD);""",
           cells="blob (head|get)"),
    Mutant("blob-range-unasked", 1,
           "A request for a part of a file went another way than one for"
           " the whole.",
           ROUTE, LET_IN, """\
ctx.permitted = is_granted(ctx) || (ctx.path.route == OciRoute::blob &&
                                    ctx.r->headers_in.range != nullptr);
""", cells="blob (range|get)"),
    Mutant("manifest-head-unasked", 1,
           "HEAD of a cached manifest was answered to anybody.",
           ROUTE, LET_IN, """\
ctx.permitted = is_granted(ctx) || (ctx.path.route == OciRoute::manifest &&
                                    ctx.r->method == NGX_HTTP_HEAD);""",
           cells="(tag|manifest) (head|get)"),
    Mutant("session-status-unasked", 1,
           "The state of somebody's upload was told to anybody.",
           ROUTE, LET_IN, """\
ctx.permitted = is_granted(ctx) || (ctx.path.route == OciRoute::upload &&
                                    ctx.r->method == NGX_HTTP_GET);""",
           cells="session get"),
    Mutant("session-cancel-unasked", 1,
           "Anybody could cancel an upload whose id was known.",
           ROUTE, LET_IN, """\
ctx.permitted = is_granted(ctx) || (ctx.path.route == OciRoute::upload &&
                                    ctx.r->method == NGX_HTTP_DELETE);""",
           cells="session delete"),
    Mutant("session-bytes-unasked", 1,
           "Only the start of an upload was checked, its bytes were not.",
           ROUTE, LET_IN, """\
ctx.permitted = is_granted(ctx) || (ctx.path.route == OciRoute::upload &&
                                    ctx.r->method == NGX_HTTP_PATCH);""",
           cells="session patch"),
    Mutant("all-without-daemon", 1,
           "While the part that decides was away everything was open.",
           "ngx_module/lookup.cpp", "if (!was_granted(ctx)) {",
           "if (ctx.personal) {",
           ("auth/test_matrix.py::test_matrix_without_the_daemon",)),
    Mutant("catalog-without-daemon", 1,
           "Of two ways to the answer of an outage one had no check.",
           "ngx_module/lookup.cpp", "if (!is_linked_up() && !ctx.personal) {",
           "if (!is_linked_up()) {",
           (GRANTS + "what_depends_on_who_asks_is_not_kept_for_later",)),

    # Of what a grant or a kept answer is.
    Mutant("grant-without-credential", 2,
           "A verdict was kept without the header that it was for.",
           "ngx_module/guard.cpp", "        add(hash, value);\n",
           "        add(hash, value.substr(0, 6));\n", cells="blob get"),
    Mutant("grant-without-certificate", 2,
           "Two clients behind one header were one client.",
           "ngx_module/guard.cpp", "    add(hash, client_cert(r));\n", "",
           ("ngx/test_client_certificates.py::test_a_grant_is_its_owner_s",)),
    Mutant("unverified-certificate", 2,
           "A certificate counted that nobody had verified.",
           "ngx_module/question.cpp",
           'variable(r, "ssl_client_verify") != "SUCCESS"',
           'variable(r, "ssl_client_verify") == "NONE"',
           ("ngx/test_client_certificates.py"
            "::test_a_stranger_s_is_not_told",)),
    Mutant("grant-without-action", 3,
           "Who could read was let write: the check kept only who and where.",
           "ngx_module/guard.cpp", "    add(hash, action);\n",
           "    add(hash, action.substr(0, 0));\n",
           (GRANTS + "a_grant_is_for_one_action",)),
    Mutant("session-by-pull", 3,
           "An upload went on for who could only pull.",
           ROUTE, """\
NGX_HTTP_PATCH | NGX_HTTP_PUT | NGX_HTTP_DELETE, Action::push,
         Walk::session},""", """\
NGX_HTTP_PATCH | NGX_HTTP_PUT | NGX_HTTP_DELETE, Action::pull,
         Walk::session},""", cells="session patch|blob get"),
    Mutant("grant-without-repository", 5,
           "What was allowed in one project was allowed in all.",
           "ngx_module/guard.cpp", "    add(hash, repository);\n",
           "    add(hash, repository.substr(0, 1));\n", cells="blob get"),
    Mutant("grant-without-host", 5,
           "Two virtual hosts shared their verdicts.",
           "ngx_module/guard.cpp",
           "    add(hash, view(r->headers_in.server));\n", "",
           (GRANTS + "a_grant_is_for_one_host",)),
    Mutant("kept-answer-without-owner", 5,
           "A list made for one caller was served to the next.",
           "ngx_module/lookup.cpp",
           'ctx.personal ? asker(ctx) : std::string_view("*");',
           'ctx.digest.empty() ? std::string_view("*") : asker(ctx);',
           (GRANTS + "what_depends_on_who_asks_ends_with_its_grant",)),
    Mutant("blob-by-store", 5,
           "Deduplication: a blob of any repository was served in each.",
           "ngx_module/serve.cpp",
           "Path link = layout::layer_link(view(root), name, digest);",
           "Path link = layout::blob_data(view(root), digest);",
           cells="blob (get|head|range)"),
    Mutant("known-link-of-another", 5,
           "What was seen in one repository was taken for another's.",
           "ngx_module/known_links.cpp", """\
           std::memcmp(entry.key.data(), name.data(), name.size()) == 0 &&
""", "", ("unit_ngx KnownLinksTest.OnePlaceIsNotOneName",)),
    Mutant("deleted-blob-known", 5,
           "A deleted blob could be read again through a shared cache.",
           "ngx_module/serve.cpp",
           "return std::clamp<time_t>(since, 0, age);",
           "return std::clamp<time_t>(since, age, age);",
           ("ngx/test_cache.py::test_a_deleted_blob_is_gone",)),

    # What was taken away.
    Mutant("key-without-effect", 8,
           "Leaving a group changed nothing for who was logged in.",
           "ngx_module/grants.cpp",
           "facts.expires == 0 || !cache_->is_current(slots, facts.asked)",
           "facts.expires == 0 || slots.size() > kMaxDepends",
           (GRANTS + "it_ends_with_a_key",)),
    Mutant("gap-without-effect", 8,
           "A lost message of a revocation was never noticed.",
           "ngx_module/cache.cpp",
           "gap = heartbeat || invalidation.sequence != sequence + 1;",
           "gap = false;", (GRANTS + "it_ends_with_a_gap",)),
    Mutant("late-decision-kept", 8,
           "A yes that was on its way when the right went was kept.",
           "ngx_module/guard.cpp",
           "decision.grant_keys, decision.grant_ms, ctx.cache_clock);",
           "decision.grant_keys, decision.grant_ms, cache->clock());",
           (GRANTS + "a_drop_overtakes_a_decision",)),
    Mutant("token-after-policy", 7,
           "A signed token went on after the rights behind it had changed.",
           "ngx_module/guard.cpp",
           "!is_later(cache, key::kPolicy, claims.issued) ||",
           "claims.issued < 0 ||",
           (TOKENS + "a_token_from_before_a_drop_is_a_question",)),
    Mutant("token-after-owner", 7,
           "A signed token went on after its owner's password had changed.",
           "ngx_module/guard.cpp",
           "!is_later(cache, owner, claims.issued)", "claims.issued < 0",
           (TOKENS + "a_token_from_before_a_drop_is_a_question",)),
    Mutant("denial-not-heard", 8,
           "A no did not end the yes of before.",
           "ngx_module/guard.cpp",
           "} else if (belies_grant(ctx, decision)) {",
           "} else if (ctx.permitted && belies_grant(ctx, decision)) {",
           (GRANTS + "a_pull_goes_on_without_the_daemon",)),

    # Names and paths.
    Mutant("escaped-slash", 4,
           "%2F in a name: the check saw one name, the store another.",
           PATH, """\
        if (!size || std::string_view(decoded, *size).find('/') !=
                         std::string_view::npos) {""", """\
        if (!size || *size > kMaxName * kMaxTag) {""",
           ("unit_common OciName.EveryBadSpellingIsAProblem",)),
    Mutant("upper-case-name", 4,
           "A name in another case was another name to the check alone.",
           PATH, """\
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_name_segment""", """\
    return ((c | ' ') >= 'a' && (c | ' ') <= 'z') || (c >= '0' && c <= '9');
}

bool is_name_segment""", cells="tags"),
    Mutant("tag-dot-dot", 18,
           "`..` of a parameter, which no path has, left the folder.",
           PATH, "tag.size() > kMaxTag || tag.front() == '.' ||",
           "tag.size() > kMaxTag ||",
           ("oci/test_daemon_protocol.py::test_tags_of_one_push",)),
    Mutant("tag-with-dots", 18,
           "A tag was used as a file's name as it came.",
           PATH, "c != '.' && c != '-') {",
           "c != '.' && c != '-' && c != '/') {",
           ("oci/test_daemon_protocol.py::test_tags_of_one_push",)),
    Mutant("digest-with-dots", 18,
           "A digest was used as a file's name as it came.",
           "common/digest.cpp", "static_cast<unsigned>(hex[j] < '0') |",
           "static_cast<unsigned>(hex[j] < '.') |",
           ("unit_common Digest.*",)),
    Mutant("route-words-in-names", 31,
           "A repository called like a route was reached around the check.",
           PATH, '''\
    if (ends_with_pop(rest, "/tags/list")) {''', '''\
    if (auto at = rest.find("/tags/list"); at + 1 > 1) {
        rest = rest.substr(0, at);''',
           ("unit_common OciPath.*",)),
    # Signed tokens.
    Mutant("signature-not-looked-at", 26,
           "A token's signature was decoded and never verified.",
           TOKEN, "if (!key->key.verify(parts.signed_text, signature)) {",
           "if (key->id != id) {",
           ("unit_common Token.OfAnotherKeyOrTextIsNotSigned",)),
    Mutant("never-expires", 26,
           "Expiry was read and never compared.",
           TOKEN, "if (now - leeway >= token.expires) {",
           "if (now - leeway < 0) {",
           ("unit_common Token.HasABeginningAndAnEnd",)),
    Mutant("any-audience", 26,
           "A token of the same signer for another service was taken.",
           TOKEN, "if (token.audience != expected.audience) {",
           "if (token.audience.empty()) {",
           ("unit_common Token.IsForOneAudienceOfOneIssuer",)),
    Mutant("token-chooses-algorithm", 26,
           "The header said how it was signed: none, or with the public key.",
           TOKEN, """\
    if (!header.starts_with(kHeaderBegin) || !header.ends_with(kHeaderEnd) ||
""", """\
    if (!header.ends_with(kHeaderEnd) ||
""", ("unit_common Token.AlgorithmIsNotForTheTokenToChoose",)),
    Mutant("any-access", 26,
           "Any good token was good for everything.",
           "ngx_module/guard.cpp",
           'claims.access.allows("repository", ctx.path.name,',
           'claims.access.allows("repository", claims.access.next()->name,',
           (TOKENS + "a_bad_token_is_a_question",)),

    Mutant("manifest-without-bound", 23,
           "A body without a length was read to its end into memory.",
           "ngx_module/receive_memory.cpp", "        if (used_ <= max_) {",
           "        if (used_ <= 16 * max_) {",
           ("oci/test_hostile.py::test_the_longest_manifest",)),
    Mutant("secret-in-the-zone", 27,
           "The credential itself was a key of the cache.",
           "ngx_module/lookup.cpp",
           'ctx.personal ? asker(ctx) : std::string_view("*");',
           """\
ctx.personal && r->headers_in.authorization != nullptr
                   ? view(r->headers_in.authorization->value)
                   : std::string_view("*");""",
           (GRANTS + "no_secret_is_in_the_zone",)),
    Mutant("bad-token-in-the-log", 27,
           "What was refused was logged whole.",
           "ngx_module/guard.cpp", """\
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "registry token: %s", verdict_name(verdict).data());
""", """\
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "registry token: %*s", token.size(), token.data());
""", (TOKENS + "no_token_is_logged",)),
    Mutant("believes-forwarded-proto", 28,
           "A client's own X-Forwarded-Proto was believed.",
           "ngx_module/question.cpp",
           '    question.scheme = is_tls(r) ? "https" : "http";\n', '''\
    question.scheme = is_tls(r) ? "https" : "http";
    for_each_header(r, [&](std::string_view name, std::string_view value) {
        if (forwarded_name(name) == "x-forwarded-proto") {
            question.scheme = value;
        }
        return true;
    });
''', ("auth/test_forwarded.py",)),
    Mutant("believes-forwarded-host", 28,
           "A client's own X-Forwarded-Host made the links of an answer.",
           "ngx_module/question.cpp",
           "    question.peer = view(r->connection->addr_text);\n", '''\
    question.peer = view(r->connection->addr_text);
    for_each_header(r, [&](std::string_view name, std::string_view value) {
        if (forwarded_name(name) == "x-forwarded-host") {
            question.host = value;
        }
        return true;
    });
''', ("auth/test_forwarded.py",)),
    Mutant("believes-forwarded-for", 28,
           "Who said to be 127.0.0.1 was let see the operator's pages.",
           "ngx_module/question.cpp",
           "    question.peer = view(r->connection->addr_text);\n", '''\
    question.peer = view(r->connection->addr_text);
    for_each_header(r, [&](std::string_view name, std::string_view value) {
        if (equal_nocase(name, "x-forwarded-for")) {
            question.peer = value;
        }
        return true;
    });
''', ("auth/test_forwarded.py",)),
)
