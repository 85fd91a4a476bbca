-- App passwords: for clients that know only a name and a password.

CREATE TABLE app_passwords (
    digest   BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of the password
    id       TEXT    NOT NULL UNIQUE,      -- that of the session that it leads to
    owner    TEXT    NOT NULL,             -- a person's id
    body     TEXT    NOT NULL,             -- JSON
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX app_passwords_by_owner ON app_passwords (owner);
