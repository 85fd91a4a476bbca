-- Beside a password: an app that shows codes, and codes for the day on which it is lost.

CREATE TABLE second_factors (
    person_id TEXT    NOT NULL PRIMARY KEY,
    body      TEXT    NOT NULL, -- JSON
    checksum  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
