#include "ctl/tree.hpp"

#include <cstdio>

#include "ctl/commands.hpp"
#include "ctl/output.hpp"
#include "ctl/pages.hpp"
#include "ctl/scrub.hpp"

namespace longshore {
namespace {

constexpr const char* kActionsHelp =
    "pull, push, delete, admin with a comma between, or * for all";
constexpr const char* kPatternHelp =
    "repositories; * is any text without /, ** any text";

// The command that the line has got to.
const CLI::App* deepest(const CLI::App& app) {
    const auto* at = &app;
    for (auto chosen = at->get_subcommands(); !chosen.empty();
         chosen = at->get_subcommands()) {
        at = chosen.front();
    }
    return at;
}

std::string full_name(const CLI::App& app) {
    return app.get_parent() == nullptr
               ? app.get_name()
               : full_name(*app.get_parent()) + " " + app.get_name();
}

// CLI11 says what is wrong; this also what is allowed.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
    const auto& at = *deepest(app);
    std::string allowed;
    for (const auto* sub : at.get_subcommands(
             [](const CLI::App* each) { return !each->get_name().empty(); })) {
        allowed += (allowed.empty() ? "" : ", ") + sub->get_name();
    }
    auto name = full_name(at);
    if (!allowed.empty()) {
        return "commands of " + name + ": " + allowed;
    }
    return std::string(error.what()) + " (" + name + " --help)";
}

}  // namespace

CommandTree::CommandTree(Context& context)
    : context_(context),
      app_("Accounts, rights and data of a registry.", "registryctl") {
    app_.require_subcommand(1);
    app_.footer(kStatusHelp);
    add_general_options();
    auto& args = context_.args;
    args.name = "";
    add_setup();
    add_principals(PrincipalKind::user);
    add_principals(PrincipalKind::service);
    add_principals(PrincipalKind::group);
    add_credentials();
    add_rules();
    add_issuers();
    add_keys();
    add_repositories();
    add_packages();
    add_data();
    add_garbage();
    add_scrub();
    add_retention();
    add_backup();
    add_audit();
    add_pages();
}

CLI::App* CommandTree::group(const char* name, const char* help) {
    auto* made = app_.add_subcommand(name, help);
    made->require_subcommand(1);
    made->fallthrough();
    return made;
}

CLI::App* CommandTree::command(CLI::App* parent, const char* name,
                               const std::string& help, Run run) {
    auto* made = parent->add_subcommand(name, help);
    made->fallthrough();
    made->footer(
        "General options: --json --config --root --database; see "
        "registryctl --help");
    made->callback([this, run = std::move(run)] { run_ = run; });
    return made;
}

void CommandTree::add_general_options() {
    auto& args = context_.args;
    app_.add_option("--config", args.file,
                    "the daemon's settings (default: "
                    "/etc/registryd/registryd.conf, if it is there)")
        ->type_name("FILE");
    app_.add_option("--root", args.root, "folder of all data")
        ->type_name("FOLDER");
    app_.add_option("--database", args.database,
                    "folder of the database (default: ROOT/db)")
        ->type_name("FOLDER");
    app_.add_flag("--json", args.json_flag, "print a JSON document");
    app_.add_option("-o,--output", args.output, "form of what is printed")
        ->check(CLI::IsMember({"text", "json"}));
}

void CommandTree::add_setup() {
    auto& args = context_.args;
    auto* first =
        command(&app_, "setup",
                "make the first administrator; with --repository print what a "
                "client of a FORMAT needs",
                [this] { return setup(context_); });
    auto* name = first->add_option(
        "NAME", args.name,
        "the administrator's name; with --repository the FORMAT");
    auto* given = first->add_flag("--password-stdin", args.password_stdin,
                                  "read the password from standard input");
    auto* link = first->add_flag("--link", args.link,
                                 "print a link to do it in a browser, good "
                                 "once and for a day");
    link->excludes(name)->excludes(given);
    auto* repository = first
                           ->add_option("--repository", args.repository,
                                        "what a client is to use")
                           ->type_name("NAME")
                           ->excludes(link)
                           ->excludes(given);
    first
        ->add_option("--url", args.url,
                     "address of the registry (default: public_url)")
        ->type_name("URL");
    auto* write = first->add_flag("--write", args.write,
                                  "write it into the client's files, between "
                                  "marks");
    auto* undo = first->add_flag("--undo", args.undo,
                                 "take out of them what --write wrote");
    auto* dry_run =
        first->add_flag("--dry-run", args.dry_run, "show what would change");
    undo->excludes(write);
    auto* user = first->add_option("--user", args.user, "who the client is")
                     ->type_name("NAME");
    auto* token = first->add_flag("--token-stdin", args.token_stdin,
                                  "read its token from standard input");
    auto* home =
        first->add_option("--home", args.home, "whose files (default: HOME)")
            ->type_name("FOLDER");
    for (auto* each : {write, undo, dry_run, user, token, home}) {
        each->needs(repository);
    }
}

void CommandTree::add_principals(PrincipalKind kind) {
    using Function = Result<int> (*)(Context&, PrincipalKind);
    auto& args = context_.args;
    bool is_group = kind == PrincipalKind::group;
    std::string noun = kind == PrincipalKind::user ? "user"
                       : is_group                  ? "group"
                                                   : "service account";
    auto* parent = kind == PrincipalKind::user
                       ? group("user", "people who log in")
                   : is_group ? group("group", "groups, which have members")
                              : group("service", "accounts of programs");
    auto add = [&](const char* name, const std::string& help,
                   Function function) {
        auto* made = command(parent, name, help, [this, function, kind] {
            return function(context_, kind);
        });
        made->add_option("NAME", args.name, "name of the " + noun)->required();
        return made;
    };
    auto from_stdin = [&](CLI::App* made) {
        return made->add_flag("--password-stdin", args.password_stdin,
                              "read the password from standard input");
    };
    auto* made = add("add", "make a " + noun, add_principal);
    if (!is_group) {
        auto* given = from_stdin(made);
        if (kind == PrincipalKind::user) {
            made->add_flag("--no-password", args.no_password,
                           "none: tokens or certificates only")
                ->excludes(given);
        }
    }
    command(parent, "list", "list every " + noun,
            [this, kind] { return list_principals(context_, kind); });
    add("show", "what is known of a " + noun, show_principal);
    add("disable",
        is_group ? "its members no longer have what it may do"
                 : "take no credential of it, end what was issued",
        disable_principal);
    add("enable", "undo disable", enable_principal);
    add("remove", "remove it with all that belongs to it", remove_principal);
    if (is_group) {
        add_members(parent);
    } else {
        from_stdin(add("password", "set a new password", set_password));
        add("unlock", "forget wrong passwords", unlock_principal);
    }
}

void CommandTree::add_members(CLI::App* group) {
    auto& args = context_.args;
    auto* add = command(group, "member-add", "put somebody into a group",
                        [this] { return add_member(context_); });
    auto* remove = command(group, "member-remove", "take somebody out again",
                           [this] { return remove_member(context_); });
    for (auto* each : {add, remove}) {
        each->add_option("GROUP", args.name, "the group")->required();
        each->add_option("NAME", args.member, "a user or service account")
            ->required();
    }
}

void CommandTree::add_credentials() {
    auto& args = context_.args;
    auto* token = group("token", "API tokens, used in place of a password");
    auto* create = command(token, "create", "make a token; it is printed once",
                           [this] { return create_token(context_); });
    create->add_option("PRINCIPAL", args.name, "whose")->required();
    create->add_option("--name", args.label, "what it is for")
        ->type_name("TEXT");
    create
        ->add_option("--actions", args.actions,
                     std::string(kActionsHelp) + " (default: pull)")
        ->type_name("ACTIONS");
    create
        ->add_option("--repository,--repositories", args.patterns,
                     std::string(kPatternHelp) +
                         "; again for more (default: "
                         "every one)")
        ->type_name("PATTERN")
        ->delimiter(',')
        ->allow_extra_args(false);
    create
        ->add_option("--expires", args.expires,
                     "when it ends: 30d (m, h, d, w), 2027-12-31, never "
                     "(default: 90d)")
        ->type_name("TIME");
    auto* list = command(token, "list", "list tokens, without their secrets",
                         [this] { return list_tokens(context_); });
    list->add_option("PRINCIPAL", args.name, "of one only");
    auto* revoke = command(token, "revoke", "end a token at once",
                           [this] { return revoke_token(context_); });
    revoke
        ->add_option("ID", args.token,
                     "its public part; -: the whole text is on standard "
                     "input")
        ->required();

    auto* certificate = group("certificate", "client certificates (mTLS)");
    command(certificate, "list", "list certificates, by their fingerprints",
            [this] { return list_certificates(context_); })
        ->add_option("NAME", args.name, "of one only");
    auto* add = command(certificate, "add", "log in by a certificate",
                        [this] { return add_certificate(context_); });
    add->add_option("NAME", args.name, "who shows it")->required();
    auto* remove =
        command(certificate, "remove", "take a certificate no longer",
                [this] { return remove_certificate(context_); });
    for (auto* each : {add, remove}) {
        each->add_option("FINGERPRINT", args.fingerprint,
                         "its SHA-256, 64 hex characters");
        each->add_option("--file", args.certificate_file,
                         "the certificate, PEM, in place of FINGERPRINT")
            ->type_name("FILE");
    }
}

void CommandTree::add_rules() {
    auto& args = context_.args;
    const char* subject =
        "user, service, group; authenticated: whoever is logged in; "
        "anonymous: everybody";
    auto* grant = group("grant", "who may do what");
    auto* add = command(grant, "add", "allow actions",
                        [this] { return add_grant(context_); });
    add->add_option("NAME", args.name, subject)->required();
    add->add_option("PATTERN", args.pattern, kPatternHelp)->required();
    add->add_option("ACTIONS", args.actions, kActionsHelp)->required();
    auto* remove = command(grant, "remove", "take actions away again",
                           [this] { return remove_grant(context_); });
    remove->add_option("NAME", args.name, subject)->required();
    remove->add_option("PATTERN", args.pattern, "as it was granted")
        ->required();
    remove->add_option("ACTIONS", args.actions,
                       std::string(kActionsHelp) + " (default)");
    auto* list = command(grant, "list", "list grants",
                         [this] { return list_grants(context_); });
    list->add_option("NAME", args.name, "of one only");

    auto* visibility = group("visibility", "what everybody may pull");
    auto* set = command(visibility, "set", "make repositories public or not",
                        [this] { return set_visibility(context_); });
    set->add_option("PATTERN", args.pattern, kPatternHelp)->required();
    set->add_option("VISIBILITY", args.visibility, "public or private")
        ->required()
        ->check(CLI::IsMember({"public", "private"}));
    auto* unset = command(visibility, "remove", "remove such a rule",
                          [this] { return remove_visibility(context_); });
    unset->add_option("PATTERN", args.pattern, "as it was set")->required();
    command(visibility, "list", "list these rules",
            [this] { return list_visibility(context_); });

    auto* asked = command(&app_, "can", "whether somebody may, and why",
                          [this] { return can(context_); });
    asked->add_option("PRINCIPAL", args.name, "user, service or anonymous")
        ->required();
    asked->add_option("ACTION", args.action, "what")
        ->required()
        ->check(CLI::IsMember({"pull", "push", "delete", "admin"}));
    asked->add_option("REPOSITORY", args.repository, "where")->required();
}

void CommandTree::add_issuer_options(CLI::App* made) {
    auto& args = context_.args;
    bool is_new = made->get_name() == "add";
    made->add_option("NAME", args.name, is_new ? "a name for it" : "the issuer")
        ->required();
    made->add_option("--audience", args.audiences,
                     "what its tokens have to say as aud; again for more, of "
                     "which one is enough")
        ->required(is_new)
        ->type_name("TEXT")
        ->allow_extra_args(false);
    auto* keys_url =
        made->add_option("--jwks-url", args.keys_url,
                         is_new ? "where its keys are (default: as "
                                  "its discovery document says)"
                                : "where its keys are from now on")
            ->type_name("URL");
    made->add_option("--jwks-file", args.keys_file,
                     "its keys; nothing is fetched")
        ->type_name("FILE")
        ->excludes(keys_url);
    made->add_option("--ca-file", args.ca_file,
                     std::string("root certificates of its server, PEM, in "
                                 "place of the system's; read by registryd") +
                         (is_new ? "" : "; \"system\": the system's again"))
        ->type_name("FILE");
    made->add_option("--leeway", args.leeway,
                     std::string("how much clocks may differ, at most 60s") +
                         (is_new ? " (default: 30s)" : ""))
        ->type_name("TIME");
    made->add_option("--max-lifetime", args.max_lifetime,
                     std::string("longest lifetime of a token") +
                         (is_new ? " (default: 24h)" : ""))
        ->type_name("TIME");
}

void CommandTree::add_issuer_change(CLI::App* issuer) {
    auto& args = context_.args;
    auto* change = command(issuer, "change",
                           "change what is said of it; what its tokens were "
                           "given ends",
                           [this] { return change_issuer(context_); });
    add_issuer_options(change);
    change
        ->add_flag("--discovery", args.discovery,
                   "its keys are where its discovery document says")
        ->excludes("--jwks-url")
        ->excludes("--jwks-file");
    change
        ->add_option("--network", args.network,
                     "where its server is: public or private")
        ->check(CLI::IsMember({"public", "private"}));
}

void CommandTree::add_issuers() {
    auto& args = context_.args;
    auto* issuer = group("issuer", "issuers of tokens for CI and Kubernetes");
    auto* add = command(issuer, "add", "take tokens of an issuer",
                        [this] { return add_issuer(context_); });
    add_issuer_options(add);
    add->add_option("--url", args.url, "what its tokens say as iss")
        ->required()
        ->type_name("URL");
    add->add_flag("--private-network", args.private_network,
                  "its server has a private address");
    add_issuer_change(issuer);
    command(issuer, "list", "list issuers, and the state of their keys",
            [this] { return list_issuers(context_); });
    auto* show = command(issuer, "show", "what is known of an issuer",
                         [this] { return show_issuer(context_); });
    auto* remove =
        command(issuer, "remove", "take its tokens no longer, with its rules",
                [this] { return remove_issuer(context_); });
    auto* keys =
        command(issuer, "keys", "set other keys, where they were given",
                [this] { return set_issuer_keys(context_); });
    for (auto* each : {show, remove, keys}) {
        each->add_option("NAME", args.name, "the issuer")->required();
    }
    keys->add_option("FILE", args.keys_file, "a JWK Set")->required();
    add_issuer_rules(issuer);
    auto* test = command(issuer, "test",
                         "what a token is worth, rule by rule; it is read "
                         "from standard input",
                         [this] { return test_token(context_); });
    test->add_option("--file", args.token_file, "read it from there")
        ->type_name("FILE");
}

void CommandTree::add_issuer_rules(CLI::App* issuer) {
    auto& args = context_.args;
    auto* rule = issuer->add_subcommand("rule", "what tokens may do");
    rule->require_subcommand(1);
    rule->fallthrough();
    auto* add = command(rule, "add", "give tokens rights",
                        [this] { return add_issuer_rule(context_); });
    add->add_option("ISSUER", args.name, "whose tokens")->required();
    add->add_option("--when", args.conditions,
                    "a claim that they must have; * is any text without /, "
                    "** any text; again for more, which all must hold")
        ->required()
        ->type_name("CLAIM=PATTERN")
        ->allow_extra_args(false);
    auto* as = add->add_option("--as", args.service,
                               "they act as this service account; or")
                   ->type_name("SERVICE");
    add->add_option("--actions", args.actions, kActionsHelp)
        ->type_name("ACTIONS")
        ->excludes(as);
    add->add_option("--repository,--repositories", args.patterns,
                    std::string(kPatternHelp) +
                        ", {claim} the claim's value; again for more")
        ->type_name("PATTERN")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->excludes(as);
    auto* list = command(rule, "list", "list rules",
                         [this] { return list_issuer_rules(context_); });
    list->add_option("ISSUER", args.name, "of one only");
    auto* remove = command(rule, "remove", "end what a rule gives",
                           [this] { return remove_issuer_rule(context_); });
    remove->add_option("ID", args.name, "its number")->required();
}

void CommandTree::add_keys() {
    auto& args = context_.args;
    auto* key = group("key", "keys that sign what repositories publish");
    auto add = [&](const char* name, const char* help, auto function) {
        auto* made = command(key, name, help,
                             [this, function] { return function(context_); });
        made->add_option("--repository", args.repository, "whose keys")
            ->required()
            ->type_name("NAME");
        return made;
    };
    add("list", "list them", list_keys);
    auto* create = add("create", "make the first one", create_key);
    auto* rotate = add("rotate",
                       "make another one; the one before stays published for "
                       "a time",
                       rotate_key);
    auto* import =
        add("import", "sign with an OpenPGP key of your own", import_key);
    auto* output = add("export", "print the public keys", export_keys);
    auto* remove = add("remove", "forget a key at once", remove_key);
    for (auto* each : {create, rotate, output}) {
        each->add_option("--kind", args.kind,
                         "openpgp (default), rsa or ed25519")
            ->type_name("KIND");
    }
    for (auto* each : {create, rotate}) {
        each->add_option("--algorithm", args.algorithm,
                         "rsa3072 (default), rsa4096 or ed25519")
            ->type_name("NAME");
    }
    for (auto* each : {rotate, import}) {
        each->add_option("--overlap", args.overlap,
                         "how long the key before stays published: 30d (m, h, "
                         "d, w), 0 (default: 30d)")
            ->type_name("TIME");
    }
    import->add_option("FILE", args.key_file, "the secret key")->required();
    import->add_flag("--password-stdin", args.password_stdin,
                     "read its passphrase from standard input");
    output->add_flag("--binary", args.binary, "not armored; of openpgp only");
    remove->add_option("FINGERPRINT", args.fingerprint, "which")->required();
}

void CommandTree::add_data() {
    command(&app_, "rebuild",
            "make the database anew from the files; daemon stopped",
            [this] { return run_rebuild(context_); });
    command(&app_, "verify", "compare database and files",
            [this] { return run_verify(context_); });
    auto& args = context_.args;
    auto* doctor = command(&app_, "doctor",
                           "find what breaks clients: certificates, proxies, "
                           "token realm, uploads, ranges, clock",
                           [this] { return run_doctor(context_); });
    doctor->add_option("URL", args.url, "address of the registry")->required();
    doctor
        ->add_option("--repository", args.repository,
                     "try uploads and reads here; nothing stays")
        ->type_name("NAME");
    doctor->add_option("--user", args.name, "log in as")->type_name("NAME");
    doctor->add_flag("--password-stdin", args.password_stdin,
                     "read the password, or a token, from standard input");
    doctor
        ->add_option("--roots", args.roots,
                     "more root certificates, PEM, beside the system's")
        ->type_name("FILE");
    command(&app_, "version", "print the version", [this]() -> Result<int> {
        if (context_.json()) {
            print_json({{"version", LS_VERSION}});
        } else {
            print_line("registryctl " LS_VERSION);
        }
        return kDone;
    });
}

void CommandTree::add_garbage() {
    auto& args = context_.args;
    auto* gc = group("gc", "take away what nothing refers to");
    auto* run = command(gc, "run", "collect now, while everybody pushes",
                        [this] { return run_gc(context_); });
    run->add_flag("--dry-run", args.dry_run,
                  "print what a run would do now; nothing changes");
    run->add_flag("--deep", args.deep,
                  "read the folders of blobs too, for files that the database "
                  "does not know");
    run->add_flag("--no-wait", args.no_wait, "do not wait for its end");
    command(gc, "status", "print the last runs",
            [this] { return show_gc(context_); });
    auto* explain =
        command(gc, "explain", "why a blob is there, and how long still",
                [this] { return explain_blob(context_); });
    explain->add_option("DIGEST", args.digest, "its digest")->required();
    auto* undelete =
        command(gc, "undelete",
                "bring a deleted manifest back, with all that it refers to",
                [this] { return run_undelete(context_); });
    undelete->add_option("REPOSITORY", args.repository, "where it was")
        ->required();
    undelete->add_option("DIGEST", args.digest, "its digest")->required();
    undelete->add_option("--tag", args.tags, "tags that it gets; repeatable")
        ->type_name("TAG");
    command(gc, "empty-trash",
            "remove for good what may still be brought back: frees the disk",
            [this] { return empty_trash(context_); });
}

void CommandTree::add_scrub() {
    auto* scrub = group("scrub", "compare all that is stored with its digests");
    auto* run = command(scrub, "run", "read it now, at idle priority",
                        [this] { return run_scrub(context_, only_database_); });
    run->add_flag("--database", only_database_, "only the database");
    run->add_flag("--no-wait", context_.args.no_wait,
                  "do not wait for its end");
    command(scrub, "status", "print what is damaged, and the last passes",
            [this] { return show_scrub(context_); });
}

void CommandTree::add_backup() {
    auto& args = context_.args;
    auto* backup = group("backup", "copies of everything, and back from them");
    auto* create = command(backup, "create",
                           "make one while everybody pushes; blobs that are "
                           "in DIR already are not copied again",
                           [this] { return make_backup(context_); });
    auto* list = command(backup, "list", "list them",
                         [this] { return list_backups(context_); });
    auto* verify =
        command(backup, "verify", "read all of one, or of all, again",
                [this] { return verify_backup(context_); });
    auto* back = command(backup, "restore",
                         "put the newest, or the named one, into an empty root",
                         [this] { return restore(context_); });
    auto* prune = command(backup, "prune",
                          "remove old ones, and the blobs that only they have",
                          [this] { return prune_backup(context_); });
    for (auto* each : {create, list, verify, back, prune}) {
        each->add_option("DIR", args.folder, "the folder of backups")
            ->required();
    }
    for (auto* each : {verify, back}) {
        each->add_option("NAME", args.name, "which backup");
    }
    back->add_flag("--skip-damaged", args.skip_damaged,
                   "go on without blobs that are damaged in the backup");
    prune->add_option("--keep", args.limit, "how many of the newest stay")
        ->type_name("NUMBER")
        ->required();
}

void CommandTree::add_audit() {
    auto& args = context_.args;
    auto* audit = group("audit", "who did what, and what was refused");
    auto* list = command(audit, "list", "print the audit log",
                         [this] { return list_audit(context_); });
    list->add_option("--since", args.since,
                     "from then on: 2h (m, h, d, w) ago, 2027-12-31")
        ->type_name("TIME");
    list->add_option("--principal", args.name, "of one only")
        ->type_name("NAME");
    list->add_option("--action", args.action,
                     "such as manifest.push; token is all of token.*")
        ->type_name("ACTION");
    list->add_option("--repository", args.repository, "of one only")
        ->type_name("NAME");
    list->add_flag("--refused", args.refused, "only what was refused");
    auto* verify = command(audit, "verify",
                           "whether no row was changed, removed or put "
                           "elsewhere",
                           [this] { return verify_audit(context_); });
    verify
        ->add_option("--head", args.head,
                     "a hash that `audit head` printed: also whether rows "
                     "are missing at the end")
        ->type_name("HASH");
    command(audit, "head",
            "print the hash of the last row, to be kept elsewhere",
            [this] { return show_audit_head(context_); });
}

void CommandTree::add_pages() {
    auto* page = command(&app_, "page",
                         "print the man page, the completion for bash (zsh: "
                         "bashcompinit), or the reference",
                         [this] { return print_page(); });
    page->add_option("PAGE", context_.args.page, "which")
        ->required()
        ->check(CLI::IsMember({"man", "completion", "reference"}));
}

Result<int> CommandTree::print_page() {
    const auto& page = context_.args.page;
    auto text = page == "man"          ? man_page(app_)
                : page == "completion" ? completion(app_)
                                       : reference(app_);
    std::fputs(text.c_str(), stdout);
    return kDone;
}

int CommandTree::parse(int argc, char** argv) {
    try {
        app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            app_.exit(error);
            return kDone;
        }
        return say_error({Code::invalid_argument, explain(app_, error)},
                         context_.json());
    }
    return -1;
}

Result<int> CommandTree::run() {
    return run_();
}

}  // namespace longshore
