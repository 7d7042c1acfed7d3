-- Issuers of tokens that are taken in place of a password, and what their
-- tokens may do. Nothing here is secret: the keys are public ones.
--
-- Issuers and rules are made and removed, never changed, and their ids never
-- come again: an access token names those that it was had by.
-- keys_from: 'discovery' of the URL, 'url' (keys_url), 'file' (given once).
CREATE TABLE issuers (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL UNIQUE,
    url             TEXT NOT NULL UNIQUE,
    audience        TEXT NOT NULL CHECK (audience <> ''),
    keys_from       TEXT NOT NULL
                    CHECK (keys_from IN ('discovery', 'url', 'file')),
    keys_url        TEXT NOT NULL,
    ca_file         TEXT NOT NULL,
    private_network INTEGER NOT NULL,
    leeway_s        INTEGER NOT NULL,
    max_lifetime_s  INTEGER NOT NULL,
    created_at_ms   INTEGER NOT NULL
) STRICT;

-- What was read last, so that neither a restart nor an issuer that is away
-- ends logins. version grows with each other set; jwks '': none yet.
CREATE TABLE issuer_keys (
    issuer_id     INTEGER PRIMARY KEY
                  REFERENCES issuers (id) ON DELETE CASCADE,
    jwks          TEXT NOT NULL,
    version       INTEGER NOT NULL,
    fetched_at_ms INTEGER NOT NULL,
    tried_at_ms   INTEGER NOT NULL,
    error         TEXT NOT NULL
) STRICT;

-- conditions: one in a line. Either actions (a sum of 1 pull, 2 push,
-- 4 delete, 8 admin) on patterns (between spaces), or a service account.
CREATE TABLE issuer_rules (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer_id     INTEGER NOT NULL REFERENCES issuers (id) ON DELETE CASCADE,
    conditions    TEXT NOT NULL,
    actions       INTEGER NOT NULL,
    patterns      TEXT NOT NULL,
    principal_id  INTEGER REFERENCES principals (id) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX issuer_rules_issuer ON issuer_rules (issuer_id);
CREATE INDEX issuer_rules_principal ON issuer_rules (principal_id)
    WHERE principal_id IS NOT NULL;
