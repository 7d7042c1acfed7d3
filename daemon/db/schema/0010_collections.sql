-- Runs of the garbage collector: asked for by registryctl, or due by
-- themselves. A state that is 'running' when the daemon starts was ended with
-- it; nothing is half done.
--
-- deep: the folders of blobs were read too. links: blobs taken out of a
-- repository; kept: what nothing refers to but somebody was told of lately.
CREATE TABLE collections (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    state         TEXT NOT NULL
                  CHECK (state IN ('wanted', 'running', 'done', 'failed')),
    deep          INTEGER NOT NULL,
    wanted_at_ms  INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER NOT NULL,
    links         INTEGER NOT NULL,
    blobs         INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    kept          INTEGER NOT NULL,
    error         TEXT NOT NULL
) STRICT;
