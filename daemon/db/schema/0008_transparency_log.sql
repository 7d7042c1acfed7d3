-- Transparency logs: for a repository a list of records that only grows, and
-- the Merkle tree over it (RFC 6962 section 2.1).
--
-- A record outlives what it tells of; it goes with its repository alone.
-- number counts from 0 without a gap; a record is found by its subject.
CREATE TABLE log_records (
    repository_id INTEGER NOT NULL REFERENCES repositories (id),
    number        INTEGER NOT NULL,
    subject       TEXT NOT NULL,
    record        TEXT NOT NULL,
    PRIMARY KEY (repository_id, number),
    UNIQUE (repository_id, subject)
) STRICT;

-- The tops of complete subtrees: at a level the one of that number covers
-- 2^level records. hash: SHA-256, lower-case hex.
CREATE TABLE log_hashes (
    repository_id INTEGER NOT NULL REFERENCES repositories (id),
    level         INTEGER NOT NULL,
    number        INTEGER NOT NULL,
    hash          TEXT NOT NULL,
    PRIMARY KEY (repository_id, level, number)
) STRICT;
