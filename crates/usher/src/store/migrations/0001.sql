-- Sessions, people and our own keys. `checksum` covers the row (see store/checksum.rs).

CREATE TABLE sessions (
    id         TEXT    NOT NULL PRIMARY KEY, -- the handle's `jti`
    person_id  TEXT    NOT NULL,
    issued_at  INTEGER NOT NULL,             -- seconds since 1970
    expires_at INTEGER NOT NULL,             -- seconds since 1970
    body       TEXT    NOT NULL,             -- the whole session, JSON
    checksum   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_person ON sessions (person_id, issued_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE people (
    id            TEXT    NOT NULL PRIMARY KEY,
    email         TEXT    NOT NULL UNIQUE,   -- normalised
    name          TEXT    NOT NULL,
    groups        TEXT    NOT NULL,          -- a JSON list
    added_at      INTEGER NOT NULL,          -- seconds since 1970
    password_hash TEXT    NOT NULL,          -- PHC string
    checksum      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Ids of people who were removed: a sign-in that was under way must not outlive the removal.
CREATE TABLE removed_people (
    id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    name     TEXT    NOT NULL PRIMARY KEY,
    value    BLOB    NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
