// The checksum database of a repository: its transparency log as the go
// command reads it. A record is the two lines of go.sum of one version. Each
// function handles a route. Specification: golang.org/x/mod/sumdb, packages
// sumdb, tlog, note; Go Modules Reference, "Checksum database".
// @errors of all functions here: not_found, unavailable, corrupt, internal,
// those of the Signer; others where said
#pragma once

#include <string>

#include "registry/package_format.hpp"

namespace longshore::go {

/// What a version's record is found by.
std::string log_subject(std::string_view path, std::string_view version);

/// /sumdb/{name+}/supported
Result<Reply> sumdb_supported(Context& ctx, const Request& request);
/// /sumdb/{name+}/latest
Result<Reply> sumdb_latest(Context& ctx, const Request& request);
/// /sumdb/{name+}/lookup/{module+}: MODULE@VERSION.
/// @errors invalid_argument
Result<Reply> sumdb_lookup(Context& ctx, const Request& request);
/// /sumdb/{name+}/tile/8/{level}/{number+} @errors invalid_argument
Result<Reply> sumdb_tile(Context& ctx, const Request& request);
/// /sumdb-key: the value of GOSUMDB, "name+hash+key url".
Result<Reply> sumdb_key(Context& ctx, const Request& request);

/// The repository's setting "checksum_database": the database's name,
/// host[/path], where it is not that of the base URL. @errors invalid_argument
Result<void> check_sumdb_settings(std::string_view settings);

}  // namespace longshore::go
