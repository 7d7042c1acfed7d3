-- What nginx must forget because of changes that were made beside the daemon,
-- by registryctl. The daemon tells it within a second and takes the rows away.

CREATE TABLE drops (
    id  INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL
) STRICT;
