-- Passkeys, links that let somebody join or get in again, and until when a guest may come.

ALTER TABLE people ADD COLUMN until INTEGER;                     -- seconds since 1970; NULL: no end
ALTER TABLE people ADD COLUMN chosen INTEGER NOT NULL DEFAULT 0; -- 1: they chose the address

CREATE TABLE passkeys (
    id         TEXT    NOT NULL PRIMARY KEY, -- base64url
    owner      TEXT    NOT NULL,             -- a person's id
    public_key BLOB    NOT NULL,             -- SubjectPublicKeyInfo
    counter    INTEGER NOT NULL,
    label      TEXT    NOT NULL,
    added_at   INTEGER NOT NULL,             -- seconds since 1970
    used_at    INTEGER,                      -- seconds since 1970
    checksum   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX passkeys_by_owner ON passkeys (owner, added_at);

CREATE TABLE account_links (
    digest   BLOB    NOT NULL PRIMARY KEY,   -- SHA-256 of the token
    over_at  INTEGER NOT NULL,               -- seconds since 1970
    body     TEXT    NOT NULL,               -- JSON
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
