-- Keys that sign what repositories publish: docs/signing.md.
--
-- Nothing here can be used without <root>/keys/signing.key: sealed is the
-- secret part, encrypted with that key and bound to repository, kind and
-- fingerprint; '' once the key signs no more. public_key is what clients get
-- (openpgp: base64url of the packets; else PEM). A time of 0 means never.

-- state: 'active' signs; 'published' is the one before it, which clients may
-- still know alone, until published_until_ms; 'retired' is only remembered.
-- AUTOINCREMENT: an id is never given to another key. PostgreSQL has the same
-- partial index.
CREATE TABLE signing_keys (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id      INTEGER NOT NULL
                       REFERENCES repositories (id) ON DELETE CASCADE,
    kind               TEXT NOT NULL
                       CHECK (kind IN ('openpgp', 'rsa', 'ed25519')),
    state              TEXT NOT NULL
                       CHECK (state IN ('active', 'published', 'retired')),
    origin             TEXT NOT NULL CHECK (origin IN ('made', 'imported')),
    algorithm          TEXT NOT NULL,
    fingerprint        TEXT NOT NULL,
    key_id             TEXT NOT NULL,
    user_id            TEXT NOT NULL,
    public_key         TEXT NOT NULL,
    sealed             TEXT NOT NULL,
    created_at_ms      INTEGER NOT NULL,
    expires_at_ms      INTEGER NOT NULL,
    published_until_ms INTEGER NOT NULL,
    retired_at_ms      INTEGER NOT NULL,
    CHECK (sealed <> '' OR state = 'retired'),
    UNIQUE (repository_id, kind, fingerprint)
) STRICT;
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (repository_id, kind)
    WHERE state = 'active';
