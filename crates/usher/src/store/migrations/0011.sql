-- Devices that people enrolled: keys on which sessions are proven. A session of before names one that is
-- not here, and counts as proven on none.

CREATE TABLE enrolled_devices (
    id       TEXT    NOT NULL PRIMARY KEY, -- that of the credential, base64url
    owner    TEXT    NOT NULL,             -- a person's id
    body     TEXT    NOT NULL,             -- JSON
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX enrolled_devices_by_owner ON enrolled_devices (owner);
