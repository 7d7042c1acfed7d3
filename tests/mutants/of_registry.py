"""Bugs in the routes of the format, the catalog, the database and
registryctl."""

from mutant import Mutant

OCI = "daemon/formats/oci/oci.cpp"
DB = "daemon/db/oci.cpp"
PROTOCOL = "oci/test_daemon_protocol.py::test_"
DAEMON = "auth/test_auth_daemon.py::test_"

REGISTRY = (
    Mutant("manifest-delete-by-push", 3,
           "DELETE counted as push.",
           OCI, """\
              Action::remove, true, delete_manifest}},""", """\
              Action::push, true, delete_manifest}},""",
           cells="(tag|manifest) delete"),
    Mutant("blob-delete-by-push", 3,
           "The same of its sibling.",
           OCI, '{Method::remove, "/v2/{name}/blobs/{digest}", '
           "Action::remove, true,",
           '{Method::remove, "/v2/{name}/blobs/{digest}", '
           "Action::push, true,", cells="blob delete"),
    Mutant("upload-by-pull", 3,
           "POST was looked at as a read.",
           OCI, '{Method::post, "/v2/{name}/blobs/uploads/", Action::push,',
           '{Method::post, "/v2/{name}/blobs/uploads/", Action::pull,',
           cells="upload"),
    Mutant("cancel-by-pull", 3,
           "An upload was cancelled by who could only read.",
           OCI, """\
             {Method::remove, "/v2/{name}/blobs/uploads/{id}", Action::push,
""", """\
             {Method::remove, "/v2/{name}/blobs/uploads/{id}", Action::pull,
""", cells="session delete"),
    Mutant("tag-delete-switched-off", 3,
           "With deleting switched off a tag could still be deleted.",
           "daemon/formats/oci/manifest.cpp", """\
    LS_CHECK(check_delete_allowed(ctx));
    Digest digest;
    if (Digest::parse(request.reference, digest)) {
""", """\
    Digest digest;
    if (Digest::parse(request.reference, digest)) {
        LS_CHECK(check_delete_allowed(ctx));
""", (PROTOCOL + "deleting_can_be_switched_off",)),
    Mutant("blob-delete-switched-off", 3,
           "With deleting switched off a blob could still be deleted.",
           "daemon/formats/oci/blob.cpp",
           "    LS_CHECK(check_delete_allowed(ctx));\n", "",
           (PROTOCOL + "deleting_can_be_switched_off",)),

    Mutant("blob-of-the-store", 5,
           "A blob that was anywhere was everywhere.",
           "daemon/registry/catalog.cpp", """\
    if (!size) {
        return Error{
            Code::not_found,
            "blob \"""", """\
    if (auto stored = store_.size(digest); !size && stored) {
        size = *stored;
    }
    if (!size) {
        return Error{
            Code::not_found,
            "blob \"""", cells="blob (get|head|range)"),
    Mutant("manifest-of-another", 9,
           "A manifest was found by its digest in any project.",
           DB, """\
        " FROM names n, blobs b, manifests m"
        " WHERE n.name = $1 AND b.digest = $2\"""", """\
        " FROM names n, blobs b, manifests m"
        " WHERE (n.name = $1 OR 1) AND b.digest = $2\"""",
           cells="manifest (get|head)"),
    Mutant("referrers-of-another", 5,
           "What is attached was listed over all projects.",
           DB, '" AND m.name_id + 0 = n.id AND m.subject_id = s.id',
           '" AND m.name_id + 0 > 0 AND m.subject_id = s.id',
           ("unit_daemon RegistryTest.ReferrersOfAnotherNameAreNotListed",)),
    Mutant("missing-blob-of-another", 5,
           "An image could name layers that its owner could not read.",
           "daemon/registry/publisher.cpp",
           ": db::is_linked(t, name->id, blob->id));",
           ": Result<bool>(blob->size_bytes.has_value()));",
           ("unit_daemon RegistryTest.BlobsOfAnotherNameAreMissing",)),
    Mutant("mount-without-from", 6,
           "With `from` the source was asked for, without it was not.",
           "daemon/formats/oci/upload.cpp", """\
    LS_TRY(source, mount_source(ctx, request, digest));
""", """\
    if (!request.argument("from")) {
        return link(ctx, request, digest);
    }
    LS_TRY(source, mount_source(ctx, request, digest));
""", (DAEMON + "mount_needs_pull_on_its_source",)),
    Mutant("mount-of-the-store", 6,
           "The source's right was asked for, not whether it has the blob.",
           "daemon/formats/oci/upload.cpp",
           "    LS_TRY(size, ctx.catalog.blob(source, digest));\n",
           "    LS_TRY(size, Result<int>(source.name().text().size() > 0));\n",
           cells="mount"),

    Mutant("catalog-of-all", 11,
           "The list of names ignored who asked.",
           "daemon/formats/oci/catalog.cpp",
           "if (ctx.may_list(ctx.authority, name) && !visit(name)) {",
           "if (!visit(name)) {", cells="catalog"),
    Mutant("next-page-of-hidden", 13,
           "A further page was promised for rows that nobody may see.",
           "daemon/formats/oci/catalog.cpp",
           "if (page.more && !page.items.empty()) {",
           "if (page.items.size() == query.n && !page.items.empty()) {",
           (DAEMON + "the_catalog_shows_what_may_be_pulled",)),
    Mutant("artifact-type-not-asked", 13,
           "A filter was accepted, said to be applied, and was not.",
           DB, "m.artifact_type = $3)", "m.artifact_type <> $3)",
           ("unit_daemon RegistryTest.Referrers",)),

    Mutant("name-as-wildcard", 12,
           "`_` in a name stood for any letter.",
           DB, '"SELECT id, indexed FROM names WHERE name = $1"',
           '"SELECT id, indexed FROM names WHERE name LIKE $1"',
           ("unit_daemon RegistryTest.NamesAreNoPatterns",)),
    Mutant("tag-as-wildcard", 12,
           "`_` in a tag stood for any letter.",
           DB, '" WHERE n.name = $1 AND t.tag = $2"',
           '" WHERE n.name = $1 AND t.tag LIKE $2"',
           ("unit_daemon RegistryTest.NamesAreNoPatterns",)),
    Mutant("deleted-tag-as-wildcard", 12,
           "A delete took the rows whose names were alike.",
           DB, '"DELETE FROM tags WHERE name_id = $1 AND tag = $2"',
           '"DELETE FROM tags WHERE name_id = $1 AND tag LIKE $2"',
           ("unit_daemon RegistryTest.NamesAreNoPatterns",)),
    Mutant("principal-as-wildcard", 12,
           "`_` in a user's name stood for any letter.",
           "daemon/db/accounts.cpp",
           '" created_at_ms, changed_at_ms FROM principals WHERE name = $1"',
           '" created_at_ms, changed_at_ms FROM principals WHERE name LIKE'
           ' $1"', ("unit_daemon AccountsTest.NamesAreNoPatterns",)),
    Mutant("grant-as-wildcard", 12,
           "To take one grant away took others with it.",
           "daemon/db/accounts.cpp",
           '"DELETE FROM grants WHERE principal_id = $1 AND pattern = $2"',
           '"DELETE FROM grants WHERE principal_id = $1 AND pattern LIKE $2"',
           ("unit_daemon AccountsTest.NamesAreNoPatterns",)),

    Mutant("credential-to-a-foreign-realm", 14,
           "A 401 named a foreign token service, which got the password.",
           "ctl/doctor.cpp",
           "realm->host != own.host || realm->port != own.port) {",
           "realm->scheme != own.scheme) {",
           ("cli/test_registryctl_doctor.py",)),

    Mutant("page-without-bound", 23,
           "`n=` of a list was taken as it came.",
           "daemon/http/page.cpp", "std::min<std::uint64_t>(n, cap)",
           "std::max<std::uint64_t>(n, 0)",
           ("unit_daemon Page.NumbersAreDecimalAndCapped",)),
    Mutant("manifest-of-any-length", 23,
           "A manifest had no limit until it was in memory.",
           "daemon/formats/oci/manifest.cpp",
           "        reply.body = ReceiveMemory{limit};",
           "        reply.body = ReceiveMemory{64 * limit};",
           (PROTOCOL + "size_limit_of_manifests",)),
    Mutant("nested-without-bound", 23,
           "A document nested deeply took the stack.",
           "daemon/formats/oci/manifest_parse.cpp",
           "if (keys_.size() >= kMaxDepth) {",
           "if (keys_.size() >= 100 * kMaxDepth) {",
           ("unit_daemon ManifestParse.*",)),
)
