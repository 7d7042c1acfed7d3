-- Deleted manifests that registryctl asked registryd to bring back. A state
-- that is 'wanted' when the daemon starts is done then: what was done of it
-- before is done again, which changes nothing.
--
-- tags, missing: words with a space between them.
CREATE TABLE undeletes (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    state        TEXT NOT NULL CHECK (state IN ('wanted', 'done', 'failed')),
    wanted_at_ms INTEGER NOT NULL,
    peer         TEXT NOT NULL,
    name         TEXT NOT NULL,
    digest       TEXT NOT NULL,
    tags         TEXT NOT NULL,
    manifests    INTEGER NOT NULL,
    blobs        INTEGER NOT NULL,
    missing      TEXT NOT NULL,
    error        TEXT NOT NULL
) STRICT;
