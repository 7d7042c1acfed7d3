-- Who may do what: accounts, credentials, grants, visibility.
--
-- Nothing here holds a secret: passwords are slow hashes, tokens the SHA-256
-- of what was handed out. A time of 0 means never.

-- anonymous and authenticated are rows like any other, so that a grant names
-- every subject in the same way. AUTOINCREMENT: an id that access tokens may
-- still name is never given to somebody else.
-- password_hash '': no password. generation grows when what was issued in
-- this principal's name must end.
CREATE TABLE principals (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    kind          TEXT NOT NULL
                  CHECK (kind IN ('user', 'service', 'group', 'builtin')),
    name          TEXT NOT NULL UNIQUE,
    source        TEXT NOT NULL CHECK (source IN ('local', 'htpasswd')),
    password_hash TEXT NOT NULL,
    disabled      INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO principals (id, kind, name, source, password_hash, disabled,
                        generation, created_at_ms, changed_at_ms)
    VALUES (1, 'builtin', 'anonymous', 'local', '', 0, 0, 0, 0),
           (2, 'builtin', 'authenticated', 'local', '', 0, 0, 0, 0);

CREATE TABLE memberships (
    member_id INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    group_id  INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    PRIMARY KEY (member_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_group ON memberships (group_id);

-- id: the public part of the token. actions: a sum of 1 pull, 2 push,
-- 4 delete, 8 admin. patterns: between spaces; '' is no limit.
CREATE TABLE api_tokens (
    id            TEXT PRIMARY KEY,
    principal_id  INTEGER NOT NULL
                  REFERENCES principals (id) ON DELETE CASCADE,
    secret_hash   TEXT NOT NULL,
    name          TEXT NOT NULL,
    actions       INTEGER NOT NULL,
    patterns      TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    used_at_ms    INTEGER NOT NULL,
    revoked_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_tokens_principal ON api_tokens (principal_id);

-- What a client keeps to get access tokens with. api_token_id '': it was
-- had for a password. Void once the principal has another generation.
CREATE TABLE refresh_tokens (
    id            TEXT PRIMARY KEY,
    principal_id  INTEGER NOT NULL
                  REFERENCES principals (id) ON DELETE CASCADE,
    secret_hash   TEXT NOT NULL,
    generation    INTEGER NOT NULL,
    api_token_id  TEXT NOT NULL,
    client        TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_principal ON refresh_tokens (principal_id);
CREATE INDEX refresh_tokens_end ON refresh_tokens (expires_at_ms);

-- fingerprint: SHA-256 of the certificate, lower-case hex.
CREATE TABLE client_certificates (
    fingerprint   TEXT PRIMARY KEY,
    principal_id  INTEGER NOT NULL
                  REFERENCES principals (id) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX client_certificates_principal
    ON client_certificates (principal_id);

CREATE TABLE grants (
    principal_id  INTEGER NOT NULL
                  REFERENCES principals (id) ON DELETE CASCADE,
    pattern       TEXT NOT NULL,
    actions       INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (principal_id, pattern)
) STRICT, WITHOUT ROWID;

CREATE TABLE visibility (
    pattern    TEXT PRIMARY KEY,
    visibility TEXT NOT NULL CHECK (visibility IN ('public', 'private'))
) STRICT, WITHOUT ROWID;

-- The version grows in the transaction of every change of the above; the
-- change says whose credentials or state it was, 0: the policy of all.
CREATE TABLE policy (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO policy (id, version) VALUES (1, 1);
CREATE TABLE policy_changes (
    version      INTEGER PRIMARY KEY,
    principal_id INTEGER NOT NULL,
    at_ms        INTEGER NOT NULL
) STRICT;

-- Wrong passwords by name, whether there is such a principal or not.
CREATE TABLE login_failures (
    name            TEXT PRIMARY KEY,
    failures        INTEGER NOT NULL,
    failed_at_ms    INTEGER NOT NULL,
    locked_until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_failures_time ON login_failures (failed_at_ms);
