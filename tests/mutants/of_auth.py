"""Bugs in who somebody is and what that one may: daemon/auth, dispatch."""

from mutant import Mutant

AUTHENTICATOR = "daemon/auth/authenticator.cpp"
AUTHORIZER = "daemon/auth/authorizer.cpp"
DISPATCH = "daemon/server/dispatch.cpp"
TOKEN_SERVICE = "daemon/auth/token_service.cpp"
POLICY = "daemon/auth/policy.cpp"
ACCOUNTS = "daemon/auth/accounts.cpp"
DAEMON = "auth/test_auth_daemon.py::test_"

AUTH = (
    Mutant("delete-unasked", 1,
           "Publish and read were checked, delete was not.",
           AUTHORIZER, """\
    if (!enabled()) {
        return Access(name, action, caller.actor);""", """\
    if (!enabled() || action == Action::remove) {
        return Access(name, action, caller.actor);""", cells="(tag|manifest|blob) delete"),
    Mutant("catalog-unasked", 1,
           "What belongs to no repository was open to everybody.",
           AUTHORIZER, "if (caller.kind == CredentialKind::none) {",
           "if (caller.kind == CredentialKind::malformed) {",
           cells="catalog|ping"),
    Mutant("end-of-upload-unasked", 1,
           "The second half of a request was taken for checked.",
           DISPATCH, """\
    LS_TRY(access, parts_.authorizer.authorize(
                       caller, RepositoryName(match.name), route.action));""",
           """\
    static const Authorizer nobody;
    LS_TRY(access, (request.received ? nobody : parts_.authorizer)
                       .authorize(caller, RepositoryName(match.name),
                                  route.action));""",
           (DAEMON + "sessions_proceed",)),
    Mutant("scope-unasked", 1,
           "Bearer skipped the check of the scope.",
           AUTHORIZER, "verdict.cause == Cause::granted && caller.scope &&",
           "verdict.cause == Cause::limited && caller.scope &&",
           cells="tags"),
    Mutant("unguarded-nginx-served", 1,
           "A second way in without the check.",
           DISPATCH, "if (parts_.authorizer.enabled() && !question.guarded) {",
           "if (false) {", (DAEMON + "an_unguarded_nginx_gets_nothing",)),

    # The same token in another form.
    Mutant("basic-without-limits", 2,
           "A token's limits held as Bearer, not as the password of Basic.",
           AUTHENTICATOR, "return by_api_token(credential.secret);", """\
{
            auto caller = by_api_token(credential.secret);
            if (caller && !credential.bearer) {
                caller->limits.reset();
            }
            return caller;
        }""", cells="tag delete|tags"),
    Mutant("basic-without-scope", 2,
           "An access token sent as Basic was good for more.",
           AUTHENTICATOR, "return by_access_token(credential.secret);", """\
{
            auto caller = by_access_token(credential.secret);
            if (caller && !credential.bearer) {
                caller->scope.reset();
            }
            return caller;
        }""", cells="tags"),
    Mutant("access-token-mints", 2,
           "A token for one thing got others, sent as Basic.",
           TOKEN_SERVICE,
           "if (caller.kind == CredentialKind::access_token) {",
           "if (caller.kind == CredentialKind::malformed) {",
           (DAEMON + "an_access_token_gets_no_other",)),
    Mutant("certificate-first", 2,
           "With a certificate the header was not looked at.",
           "daemon/auth/credential.cpp", """\
    if (value) {
        return read_header(*value);
    }""", """\
    if (value && client_cert.empty()) {
        return read_header(*value);
    }""", (DAEMON + "a_certificate_is_its_principal",)),
    Mutant("last-of-two-headers", 2,
           "Of two headers two readers took different ones.",
           "daemon/auth/credential.cpp",
           "            return malformed(false);\n        }\n"
           "        value = field.value;",
           "            return read_header(field.value);\n        }\n"
           "        value = field.value;",
           (DAEMON + "two_headers_are_none",)),

    # The wrong action.
    Mutant("read-token-pushes", 3,
           "A token to read got one to write from the token service.",
           TOKEN_SERVICE, '{"push", Action::push},',
           '{"push", Action::pull},', cells="session patch"),
    Mutant("public-for-every-action", 3,
           "Public meant that everybody could write too.",
           POLICY, "    if (action == Action::pull) {\n        const auto* row",
           "    if (action != Action::none) {\n        const auto* row",
           cells="tag put|upload"),
    Mutant("limits-of-patterns-only", 3,
           "A token's actions were not looked at, its repositories were.",
           POLICY, "return rule.actions.has(action) && rule.pattern.matches("
                   "name);\n           });",
           "return action != Action::none && rule.pattern.matches("
           "name);\n           });", cells="tag put"),
    Mutant("limits-of-actions-only", 3,
           "A token's repositories were not looked at, its actions were.",
           POLICY, "return rule.actions.has(action) && rule.pattern.matches("
                   "name);\n           });",
           "return rule.actions.has(action) && !name.empty();\n           });",
           cells="tags"),
    Mutant("star-across", 4,
           "A pattern took more names than it said.",
           "daemon/model/pattern.cpp", "(any || name[i - 1] != '/');", "(any || i > 0);",
           ("unit_daemon Patterns.*",)),

    Mutant("mount-unasked", 6,
           "A mount asked for the target's right and not for the source's.",
           DISPATCH,
           "return known.authorizer.authorize(known.caller, name, "
           "Action::pull);",
           "static const Authorizer nobody;\n"
           "    return nobody.authorize(known.caller, name, Action::pull);",
           cells="mount hidden"),
    Mutant("mount-by-push", 6,
           "To mount from somewhere took the right to write there.",
           DISPATCH,
           "return known.authorizer.authorize(known.caller, name, "
           "Action::pull);",
           "return known.authorizer.authorize(known.caller, name, "
           "Action::push);", cells="mount"),

    # What was issued before.
    Mutant("access-token-after-password", 7,
           "A new password did not end the tokens had by the old one.",
           AUTHENTICATOR, "if (origin->generation != "
           "static_cast<std::uint64_t>(caller.generation)) {",
           "if (origin->kind == 0) {",
           (DAEMON + "changes_are_in_force_and_told",)),
    Mutant("tokens-after-htpasswd", 7,
           "The same of a password that is kept in a file.",
           "daemon/auth/htpasswd.cpp", "        ++row.generation;\n", "",
           ("unit_daemon AuthTest.Htpasswd",)),
    Mutant("refresh-token-after-api-token", 7,
           "What a revoked token had got went on getting tokens.",
           AUTHENTICATOR, "    if (!row->api_token_id.empty()) {",
           "    if (row->api_token_id.size() == 1) {",
           ("unit_daemon AuthTest.WhatAnApiTokenGaveEndsWithIt",)),
    Mutant("revoked-token-remembered", 7,
           "A revoked key went on: only its end was compared.",
           AUTHENTICATOR, "return row.revoked_at_ms == 0 &&\n           (",
           "return row.created_at_ms != 0 &&\n           (",
           cells="tags"),
    Mutant("expired-token", 7,
           "A key went on after its end: only revocation was looked at.",
           AUTHENTICATOR,
           "(row.expires_at_ms == 0 || row.expires_at_ms > now_ms);",
           "(row.expires_at_ms == 0 || now_ms > 0);", cells="tags"),
    Mutant("generation-begins-at-one", 7,
           "Who was made again with the same name had the old tokens.",
           ACCOUNTS, "row.generation = row.created_at_ms;",
           "row.generation = 1;",
           ("unit_daemon AccountsTest.MadeAgainIsSomebodyElse",)),
    Mutant("disabled-group", 8,
           "A group that was switched off went on giving rights.",
           POLICY, "if (group != nullptr && group->active) {",
           "if (group != nullptr) {",
           ("unit_daemon PolicyTable.WhoMayDoWhat",)),
    Mutant("disabled-principal", 8,
           "Who was disabled could not log in, but tokens went on.",
           POLICY, "return state != nullptr && state->active &&",
           "return state != nullptr && !state->name.empty() &&",
           cells="tags"),
    Mutant("member-leaves-unheard", 8,
           "Who left a group had its rights until the next restart.",
           ACCOUNTS, "            return bump(t, removed.id);\n",
           "            return bump(t, row.id);\n",
           ("unit_daemon AccountsTest.ChangesSayWhose",)),
    Mutant("change-not-told", 8,
           "A change was in the database and in no cache.",
           "daemon/auth/policy_watch.cpp", "        on_change_(keys);",
           "        keys.clear();",
           ("unit_daemon AuthTest.ChangesAreToldByTheirKeys",)),
    Mutant("asked-is-given", 10,
           "What the request asked for was written into the token.",
           TOKEN_SERVICE,
           "caller.decide(scope.name, action).allowed()) {",
           "caller.policy->active(caller.id)) {",
           cells="(blob|tag) get"),
    Mutant("any-registry-scope", 10,
           "A scope that nobody has was given because it was asked for.",
           TOKEN_SERVICE,
           'scope.type == "registry" && scope.name == "catalog";',
           'scope.type == "registry";',
           ("unit_daemon AuthTest.TokenServiceGrantsWhatIsAskedAndAllowed",)),
    Mutant("catalog-without-limits", 11,
           "A list ignored the limits of the token that asked.",
           AUTHORIZER, "caller.decide(name, Action::pull).allowed();",
           "caller.policy\n"
           "               ->decide(caller.id, nullptr, name, Action::pull)\n"
           "               .allowed();",
           cells="catalog"),

    Mutant("form-without-bound", 23,
           "The form of the token service was read whatever its length.",
           TOKEN_SERVICE, "if (question.body_bytes > "
           "static_cast<std::int64_t>(kMaxTokenForm)) {",
           "if (question.body_bytes > INT64_MAX - 1) {",
           (DAEMON + "forms_of_the_token_service",)),
    Mutant("scopes-without-bound", 23,
           "A request for very many scopes kept the service busy.",
           "daemon/auth/scope.cpp", "if (out.size() == kMaxScopes) {",
           "if (out.size() == 100 * kMaxScopes) {",
           ("unit_daemon Scopes.*",)),
    Mutant("no-lock", 23,
           "Passwords could be tried without an end.",
           AUTHENTICATOR, "if (failures.locked_until_ms > now &&",
           "if (failures.locked_until_ms < 0 &&",
           ("unit_daemon AuthTest.WrongPasswordsLockTheName",)),

    Mutant("credential-in-the-log", 27,
           "A debug log held the headers of each request.",
           DISPATCH, """\
        .text("peer", question.peer)
        .text("principal", outcome.principal)
        .text("method", question.method)
""", """\
        .text("peer", question.peer)
        .text("principal", outcome.principal)
        .text("method", question.method)
        .text("credential", question.headers.empty()
                                ? std::string_view()
                                : question.headers.back().value)""",
           (DAEMON + "no_secret_is_written_anywhere",)),
    Mutant("password-in-the-error", 27,
           "An error repeated what it did not understand.",
           TOKEN_SERVICE, 'return bad("grant_type is none of password, '
           'refresh_token");',
           "return Error{Code::invalid_argument, "
           '"not known: " + std::string(form), "UNSUPPORTED"};',
           (DAEMON + "no_secret_is_written_anywhere",)),
    Mutant("metrics-for-everybody", 28,
           "The operator's page was there for who said to be local.",
           DISPATCH, """\
    if (!is_loopback(question.peer)) {""", """\
    auto peer = question.peer;
    for (const auto& header : question.headers) {
        peer = header.name == "x-forwarded-host" ? header.value : peer;
    }
    if (!is_loopback(peer)) {""",
           ("oci/test_daemon_life.py::test_metrics_are_for_this_machine",)),

    Mutant("decoy-logs-in", 30,
           "A password that the program knew opened every account.",
           "daemon/auth/password_gate.cpp", "right = right && !nobody;",
           "right = right || nobody;",
           ("unit_daemon AuthTest.PasswordsAndWhatTheyAreGood",)),
    Mutant("no-password-is-empty", 30,
           "An account without a password let in who sent none.",
           "daemon/auth/password_gate.cpp", "bool nobody = hash.empty();",
           "if (hash.empty() && user == password) {\n        return true;\n"
           "    }\n    bool nobody = hash.empty();",
           (DAEMON + "who_has_no_password_cannot_use_one",)),
    Mutant("second-setup", 30,
           "The set-up could be run again by whoever came later.",
           "daemon/auth/first_run.cpp", """\
        if (who->kind != "group") {
            return who->name;""", """\
        if (who->kind != "group") {
            continue;""",
           ("cli/test_registryctl_accounts.py"
            "::test_setup_is_for_the_first_only",)),
    Mutant("builtin-names", 31,
           "A user named as the program's own subject had its rights.",
           ACCOUNTS, '        if (row.kind == "builtin") {',
           '        if (row.kind == "nobody") {',
           ("unit_daemon AccountsTest.NamesAndKinds",)),
    Mutant("token-path-in-names", 31,
           "A path that ended like the token service's was it.",
           DISPATCH, "if (path == kTokenTarget && parts_.tokens != nullptr) {",
           "if (path.ends_with(kTokenTarget) && parts_.tokens != nullptr) {",
           (DAEMON + "only_one_path_is_the_token_service",)),
    # Issuers, and the clock.
    Mutant("audience-of-anybody", 26,
           "A token for another service was taken.",
           "daemon/auth/jwt.cpp", "return !each.empty() && text == each;",
           "return !each.empty() && text.is_string();",
           ("unit_daemon Jwt.ChecksClaims",)),
    Mutant("changed-issuer-goes-on", 7,
           "What was had before the issuer was changed was good after it.",
           "daemon/auth/external_tokens.cpp",
           "if (issuer->generation != said.generation) {",
           "if (issuer->generation < said.generation) {",
           ("api/test_issuers.py::test_a_change_ends_what_was_given",)),
    Mutant("rule-of-another-issuer", 9,
           "The path's owner was not compared with the row's.",
           "daemon/auth/issuers.cpp",
           "if (!of || (!issuer.empty() && of->name != issuer)) {",
           "if (!of) {",
           ("api/test_issuers.py::test_a_rule_gives_and_ends",)),
    Mutant("clock-set-back", 7,
           "A token that says a time to come was trusted when it came.",
           "daemon/auth/key_ring.cpp",
           "(!mark_ || was_set_back(*mark_, now));", "!mark_;",
           ("unit_daemon AuthTest.WhenTheClockIsSetBackKeysGo",)),
)
