-- Which tags and untagged manifests go by themselves, and which tags never
-- change: docs/retention.md.
--
-- Of the policies whose pattern matches a name the most specific counts. 0: no
-- such rule. keep_tags: patterns between spaces.
CREATE TABLE retention_policies (
    pattern               TEXT PRIMARY KEY,
    keep_last             INTEGER NOT NULL,
    keep_tags             TEXT NOT NULL,
    keep_pulled_days      INTEGER NOT NULL,
    keep_younger_days     INTEGER NOT NULL,
    delete_untagged_days  INTEGER NOT NULL,
    changed_at_ms         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- All of them count: a tag is immutable if any of them says so.
CREATE TABLE immutable_tags (
    pattern       TEXT NOT NULL,
    tags          TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (pattern, tags)
) STRICT, WITHOUT ROWID;

-- When a manifest was last asked for (to the hour), and when it was last
-- pushed again or lost a tag. Since when that is known: `uses_since` in meta.
CREATE TABLE manifest_uses (
    name_id      INTEGER NOT NULL,
    blob_id      INTEGER NOT NULL,
    pulled_at_ms INTEGER NOT NULL,
    held_at_ms   INTEGER NOT NULL,
    PRIMARY KEY (name_id, blob_id),
    FOREIGN KEY (name_id, blob_id)
        REFERENCES manifests (name_id, blob_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The newest tags of a name.
CREATE INDEX tags_moved ON tags (name_id, moved_at_ms, tag);

-- Runs, as those of the garbage collector. repository '': all.
CREATE TABLE retention_runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    state         TEXT NOT NULL
                  CHECK (state IN ('wanted', 'running', 'done', 'failed')),
    repository    TEXT NOT NULL,
    wanted_at_ms  INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER NOT NULL,
    tags          INTEGER NOT NULL,
    manifests     INTEGER NOT NULL,
    spared        INTEGER NOT NULL,
    error         TEXT NOT NULL
) STRICT;
