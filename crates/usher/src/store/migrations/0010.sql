-- Tokens of apps whose sessions are gone, until the server that made them has dropped them, too:
-- whoever deletes the session, in whichever process, leaves its token here in the same commit.

CREATE TABLE ended_apps (
    token     TEXT NOT NULL PRIMARY KEY, -- SHA-256 in hexadecimal digits
    server    TEXT NOT NULL,
    host      TEXT NOT NULL,
    device_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER an_app_ends AFTER DELETE ON sessions
WHEN CASE WHEN json_valid(OLD.body)
          THEN json_extract(OLD.body, '$.app.token') IS NOT NULL
          ELSE FALSE END
BEGIN
    INSERT OR IGNORE INTO ended_apps (token, server, host, device_id) VALUES (
        json_extract(OLD.body, '$.app.token'),
        COALESCE(json_extract(OLD.body, '$.app.server'), ''),
        COALESCE(json_extract(OLD.body, '$.app.host'), ''),
        COALESCE(json_extract(OLD.body, '$.app.device_id'), '')
    );
END;
