-- Package repositories: every format but OCI. Their metadata lives only here
-- (the disk has the bytes), so this is what a backup is of.
--
-- `key` columns hold the normalised spelling, `data` the format's JSON.
-- PostgreSQL's file of the same number has a tsvector column in packages in
-- the place of package_search.

ALTER TABLE repositories ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE repositories ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE repositories ADD COLUMN created_at_ms INTEGER NOT NULL DEFAULT 0;

-- latest: the version of the greatest sort_key that is not yanked, or ''.
CREATE TABLE packages (
    id            INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES repositories (id),
    key           TEXT NOT NULL,
    name          TEXT NOT NULL,
    revision      INTEGER NOT NULL,
    data          TEXT NOT NULL,
    summary       TEXT NOT NULL,
    keywords      TEXT NOT NULL,
    latest        TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    downloads     INTEGER NOT NULL,
    UNIQUE (repository_id, key)
) STRICT;

CREATE TABLE versions (
    id              INTEGER PRIMARY KEY,
    package_id      INTEGER NOT NULL REFERENCES packages (id),
    key             TEXT NOT NULL,
    version         TEXT NOT NULL,
    sort_key        TEXT NOT NULL,
    state           TEXT NOT NULL
                    CHECK (state IN ('active', 'yanked', 'deprecated')),
    reason          TEXT NOT NULL,
    data            TEXT NOT NULL,
    publisher       TEXT NOT NULL,
    published_at_ms INTEGER NOT NULL,
    UNIQUE (package_id, key)
) STRICT;
CREATE INDEX versions_order ON versions (package_id, sort_key);

-- A path names one file for ever. version_id NULL: a file of the repository
-- itself, such as an RPM repository's comps.
CREATE TABLE files (
    id            INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES repositories (id),
    version_id    INTEGER REFERENCES versions (id),
    path          TEXT NOT NULL,
    blob_id       INTEGER NOT NULL REFERENCES blobs (id),
    role          TEXT NOT NULL,
    media_type    TEXT NOT NULL,
    data          TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    downloads     INTEGER NOT NULL,
    UNIQUE (repository_id, path)
) STRICT;
CREATE INDEX files_version ON files (version_id, path);
CREATE INDEX files_order ON files (repository_id, id);
CREATE INDEX files_blob ON files (blob_id);

-- Files of a repository by their ids, 512 to a bucket: its revision grows with
-- each of them that is added, changed or removed. Who makes an index of all
-- files makes anew what is of a changed bucket.
CREATE TABLE file_buckets (
    repository_id INTEGER NOT NULL REFERENCES repositories (id),
    bucket        INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    PRIMARY KEY (repository_id, bucket)
) STRICT, WITHOUT ROWID;

-- Digests of a blob beside its name; '' was never asked for.
CREATE TABLE blob_digests (
    blob_id     INTEGER PRIMARY KEY REFERENCES blobs (id),
    md5         TEXT NOT NULL,
    sha1        TEXT NOT NULL,
    sha512      TEXT NOT NULL,
    blake2b_256 TEXT NOT NULL
) STRICT;

CREATE TABLE package_tags (
    package_id INTEGER NOT NULL REFERENCES packages (id),
    tag        TEXT NOT NULL,
    version_id INTEGER NOT NULL REFERENCES versions (id),
    PRIMARY KEY (package_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX package_tags_version ON package_tags (version_id);

-- subject: 'package', 'version' or 'file', and its row.
CREATE TABLE properties (
    repository_id INTEGER NOT NULL REFERENCES repositories (id),
    subject       TEXT NOT NULL
                  CHECK (subject IN ('package', 'version', 'file')),
    subject_id    INTEGER NOT NULL,
    name          TEXT NOT NULL,
    value         TEXT NOT NULL,
    PRIMARY KEY (subject, subject_id, name, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX properties_value
    ON properties (repository_id, name, value, subject, subject_id);

-- What was deleted and must not come back with other bytes. path '': the
-- whole version; version_key '': the whole package.
CREATE TABLE tombstones (
    repository_id INTEGER NOT NULL REFERENCES repositories (id),
    package_key   TEXT NOT NULL,
    version_key   TEXT NOT NULL,
    path          TEXT NOT NULL,
    removed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (repository_id, package_key, version_key, path)
) STRICT, WITHOUT ROWID;

-- Documents derived from packages; their bytes are in <root>/documents.
-- variant: the base URL in those that hold URLs, else ''. expires_at_ms 0:
-- of the present generation; else until then for who still asks for it.
CREATE TABLE documents (
    repository_id  INTEGER NOT NULL REFERENCES repositories (id),
    path           TEXT NOT NULL,
    variant        TEXT NOT NULL,
    encoding       TEXT NOT NULL,
    scope          TEXT NOT NULL,
    digest         TEXT NOT NULL,
    size_bytes     INTEGER NOT NULL,
    media_type     TEXT NOT NULL,
    grace_ms       INTEGER NOT NULL,
    modified_at_ms INTEGER NOT NULL,
    expires_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (repository_id, path, variant, encoding)
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_scope ON documents (repository_id, scope, variant);
CREATE INDEX documents_digest ON documents (digest);
CREATE INDEX documents_expired ON documents (expires_at_ms)
    WHERE expires_at_ms > 0;

-- Bytes that no document had at some moment; looked at again before they go.
CREATE TABLE document_leftovers (
    digest TEXT PRIMARY KEY,
    at_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Scopes whose documents lag behind their packages (rendered < changed), or
-- are not durable yet.
CREATE TABLE stale_scopes (
    repository_id INTEGER NOT NULL REFERENCES repositories (id),
    scope         TEXT NOT NULL,
    changed       INTEGER NOT NULL,
    rendered      INTEGER NOT NULL,
    PRIMARY KEY (repository_id, scope)
) STRICT, WITHOUT ROWID;

-- Downloads of a file by day (days since 1970-01-01, UTC).
CREATE TABLE file_downloads (
    file_id INTEGER NOT NULL REFERENCES files (id),
    day     INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (file_id, day)
) STRICT, WITHOUT ROWID;

-- rowid is the package's; `place` is the word r<repository id>.
CREATE VIRTUAL TABLE package_search USING fts5 (
    name, summary, keywords, place,
    tokenize = "unicode61 remove_diacritics 2",
    prefix = '2 3'
);

-- Charts of Helm among the artifacts of OCI names.
CREATE INDEX manifests_charts ON manifests (name_id, blob_id)
    WHERE artifact_type = 'application/vnd.cncf.helm.config.v1+json';
