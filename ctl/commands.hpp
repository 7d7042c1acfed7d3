// The commands. Each returns its exit status, after printing what it found or
// did: text, or one document with --json. An Error is said by the caller.
//
// @errors of all: those of Context::accounts(), of the Accounts call behind
// it, and invalid_argument for what the command line said.
#pragma once

#include "common/result.hpp"
#include "ctl/context.hpp"
#include "ctl/output.hpp"

namespace longshore {

// Data.
Result<int> run_rebuild(Context& context);
Result<int> run_verify(Context& context);
/// Garbage: a run by the daemon, or here if there is none; runs there were;
/// why a blob is there.
Result<int> run_gc(Context& context);
Result<int> show_gc(Context& context);
Result<int> explain_blob(Context& context);
/// A deleted manifest, by the daemon, or here if there is none.
Result<int> run_undelete(Context& context);
/// All of the trash, now.
Result<int> empty_trash(Context& context);
/// Backups in a folder; verify is kNo if anything is damaged.
Result<int> make_backup(Context& context);
Result<int> list_backups(Context& context);
Result<int> verify_backup(Context& context);
Result<int> restore(Context& context);
Result<int> prune_backup(Context& context);

// Retention and immutable tags.
Result<int> set_retention(Context& context);
Result<int> list_retention(Context& context);
Result<int> remove_retention(Context& context);
Result<int> preview_retention(Context& context);
/// By the daemon, or here if there is none.
Result<int> run_retention(Context& context);
Result<int> show_retention(Context& context);
Result<int> add_immutable_tags(Context& context);
Result<int> list_immutable_tags(Context& context);
Result<int> remove_immutable_tags(Context& context);

/// The first administrator, by a password or by a link; with --repository
/// setup_client().
Result<int> setup(Context& context);
/// What a client needs to use a repository. Needs no database.
Result<int> setup_client(Context& context);

// Principals; the kind is which command it was called by.
Result<int> add_principal(Context& context, PrincipalKind kind);
Result<int> list_principals(Context& context, PrincipalKind kind);
Result<int> show_principal(Context& context, PrincipalKind kind);
Result<int> disable_principal(Context& context, PrincipalKind kind);
Result<int> enable_principal(Context& context, PrincipalKind kind);
Result<int> remove_principal(Context& context, PrincipalKind kind);
Result<int> set_password(Context& context, PrincipalKind kind);
Result<int> unlock_principal(Context& context, PrincipalKind kind);
Result<int> add_member(Context& context);
Result<int> remove_member(Context& context);

// Credentials.
Result<int> create_token(Context& context);
Result<int> list_tokens(Context& context);
Result<int> revoke_token(Context& context);
Result<int> add_certificate(Context& context);
Result<int> remove_certificate(Context& context);
Result<int> list_certificates(Context& context);

// Rules.
Result<int> add_grant(Context& context);
Result<int> remove_grant(Context& context);
Result<int> list_grants(Context& context);
Result<int> set_visibility(Context& context);
Result<int> remove_visibility(Context& context);
Result<int> list_visibility(Context& context);
Result<int> can(Context& context);

// Issuers of external tokens.
Result<int> add_issuer(Context& context);
Result<int> change_issuer(Context& context);
Result<int> list_issuers(Context& context);
Result<int> show_issuer(Context& context);
Result<int> remove_issuer(Context& context);
Result<int> set_issuer_keys(Context& context);
Result<int> add_issuer_rule(Context& context);
Result<int> list_issuer_rules(Context& context);
Result<int> remove_issuer_rule(Context& context);
Result<int> test_token(Context& context);

// Repositories of packages.
Result<int> create_repository(Context& context);
Result<int> list_repositories(Context& context);
Result<int> show_repository(Context& context);
Result<int> change_repository(Context& context);
Result<int> delete_repository(Context& context);
Result<int> list_formats(Context& context);

// Packages.
Result<int> list_packages(Context& context);
Result<int> show_package(Context& context);
Result<int> delete_package(Context& context);
Result<int> yank_package(Context& context);
Result<int> unyank_package(Context& context);
Result<int> deprecate_package(Context& context);
Result<int> search_packages(Context& context);
Result<int> list_package_files(Context& context);
Result<int> get_properties(Context& context);
Result<int> set_properties(Context& context);

// Signing keys of repositories.
Result<int> list_keys(Context& context);
Result<int> create_key(Context& context);
Result<int> rotate_key(Context& context);
Result<int> import_key(Context& context);
Result<int> export_keys(Context& context);
Result<int> remove_key(Context& context);

// The audit log.
Result<int> list_audit(Context& context);
/// kNo if it is not whole.
Result<int> verify_audit(Context& context);
Result<int> show_audit_head(Context& context);

/// Looks at a registry from outside; needs no database.
Result<int> run_doctor(Context& context);

/// In words that say what a name is made of. @errors invalid_argument
Result<void> refuse_bad_name(const std::string& name);

/// A token as `token list` and `user show` have it.
Json token_json(const ApiTokenInfo& token, std::int64_t now_ms);

/// Prints what was changed: a line, or `document` with `done` in front.
int say_done(const Context& context, const char* done, const std::string& line,
             const Json& document);

}  // namespace longshore
