-- Who did what, from where, with which verdict: docs/audit.md. Append-only;
-- each row's hash is over the row before it, so that what was changed, taken
-- away or put elsewhere shows.
--
-- id counts from 1 without gaps. count: how many such there were. A time is
-- in milliseconds since 1970.
CREATE TABLE audit (
    id            INTEGER PRIMARY KEY,
    at_ms         INTEGER NOT NULL,
    action        TEXT NOT NULL,
    verdict       TEXT NOT NULL
                  CHECK (verdict IN ('done', 'refused', 'suppressed')),
    status        INTEGER NOT NULL,
    principal_id  INTEGER NOT NULL,
    principal     TEXT NOT NULL,
    credential    TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    peer          TEXT NOT NULL,
    request_id    TEXT NOT NULL,
    repository    TEXT NOT NULL,
    target        TEXT NOT NULL,
    detail        TEXT NOT NULL,
    count         INTEGER NOT NULL,
    hash          TEXT NOT NULL
) STRICT;

-- Up to where rows may be removed, and the hash that the first row left was
-- made with. It only goes forward, and only to a row that is there; before
-- the first row it may be set freely (a rebuild copies it).
CREATE TABLE audit_checkpoint (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    through_id INTEGER NOT NULL,
    hash       TEXT NOT NULL
) STRICT;
INSERT INTO audit_checkpoint (id, through_id, hash) VALUES (1, 0,
    '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TRIGGER audit_insert BEFORE INSERT ON audit
WHEN NEW.id IS NOT 1 + coalesce((SELECT max(id) FROM audit),
    (SELECT through_id FROM audit_checkpoint))
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only added to at its end');
END;

CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_delete BEFORE DELETE ON audit
WHEN OLD.id > (SELECT through_id FROM audit_checkpoint)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_checkpoint_update BEFORE UPDATE ON audit_checkpoint
WHEN EXISTS (SELECT 1 FROM audit) AND (NEW.through_id < OLD.through_id
    OR NEW.hash IS NOT (SELECT hash FROM audit WHERE id = NEW.through_id))
BEGIN
    SELECT RAISE(ABORT, 'the checkpoint of the audit log is no row of it');
END;

CREATE TRIGGER audit_checkpoint_delete BEFORE DELETE ON audit_checkpoint
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_checkpoint_insert BEFORE INSERT ON audit_checkpoint
BEGIN
    SELECT RAISE(ABORT, 'the audit log has its checkpoint');
END;
