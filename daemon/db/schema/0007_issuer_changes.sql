-- Issuers change. An access token names the generation of its issuer, which
-- grows with each change, so that what was had before ends with it.
-- audiences: one or more, between spaces; a token is for one of them.
ALTER TABLE issuers RENAME COLUMN audience TO audiences;
ALTER TABLE issuers ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
