-- What was learnt elsewhere and is no secret: the last good key of an authenticate service.

CREATE TABLE remembered (
    name     TEXT    NOT NULL PRIMARY KEY,
    value    BLOB    NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
