-- Passes of the scrubber, which reads all that is stored and compares it with
-- its digests. One that is 'running' when the daemon starts goes on at shelf
-- and digest_before.
--
-- kind: 'files' with the database, or 'database' alone. database_state: '' as
-- long as it was not checked, 'ok', else what is wrong.
CREATE TABLE scrubs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    state          TEXT NOT NULL
                   CHECK (state IN ('wanted', 'running', 'done', 'failed')),
    kind           TEXT NOT NULL CHECK (kind IN ('files', 'database')),
    wanted_at_ms   INTEGER NOT NULL,
    started_at_ms  INTEGER NOT NULL,
    ended_at_ms    INTEGER NOT NULL,
    shelf          INTEGER NOT NULL,
    digest_before  TEXT NOT NULL,
    files          INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    damaged        INTEGER NOT NULL,
    database_state TEXT NOT NULL,
    error          TEXT NOT NULL
) STRICT;

-- What was found damaged. 'suspect': it could not be read once and is looked
-- at again; 'quarantined': out of everybody's sight, in <root>/quarantine;
-- 'closed': the bytes are here again, or nobody wants them any more.
--
-- area: 'blob' or 'document'. used_by: of a document its repository and path,
-- whose rows do not stay.
CREATE TABLE damages (
    digest       TEXT NOT NULL,
    area         TEXT NOT NULL CHECK (area IN ('blob', 'document')),
    state        TEXT NOT NULL
                 CHECK (state IN ('suspect', 'quarantined', 'closed')),
    problem      TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    file         TEXT NOT NULL,
    used_by      TEXT NOT NULL,
    found_at_ms  INTEGER NOT NULL,
    closed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (digest, area)
) STRICT, WITHOUT ROWID;
CREATE INDEX damages_open ON damages (digest, area) WHERE state <> 'closed';
