-- Apps that got a grant in a session, and those of them that are to be told that it ended. Whoever deletes
-- the session, in whichever process, leaves that here in the same commit. No client and no person takes
-- all of the room. A session that ran out has no
-- apps left by then: its time was theirs.

CREATE TABLE openid_apps (
    session_id TEXT    NOT NULL,
    client     TEXT    NOT NULL,
    over_at    INTEGER NOT NULL, -- Unix seconds
    PRIMARY KEY (session_id, client)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO openid_apps (session_id, client, over_at)
SELECT session_id, json_extract(body, '$.client'), max(over_at) FROM openid_grants
WHERE json_valid(body) AND json_extract(body, '$.client') IS NOT NULL
GROUP BY session_id, json_extract(body, '$.client');

CREATE TABLE openid_logouts (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    client     TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    person_id  TEXT    NOT NULL,
    failed     INTEGER NOT NULL DEFAULT 0, -- tries
    next_at    INTEGER NOT NULL DEFAULT 0  -- Unix seconds
) STRICT;

CREATE INDEX openid_logouts_due ON openid_logouts (next_at);
CREATE INDEX openid_logouts_by_client ON openid_logouts (client);
CREATE INDEX openid_logouts_by_person ON openid_logouts (person_id);

CREATE TRIGGER an_app_is_told AFTER DELETE ON sessions
WHEN EXISTS (SELECT 1 FROM openid_apps WHERE session_id = OLD.id)
BEGIN
    INSERT INTO openid_logouts (client, session_id, person_id)
    SELECT client, OLD.id, OLD.person_id FROM openid_apps
    WHERE session_id = OLD.id
    AND (SELECT count(*) FROM openid_logouts AS w WHERE w.client = openid_apps.client) < 2500
    AND (SELECT count(*) FROM openid_logouts AS w WHERE w.person_id = OLD.person_id) < 500
    LIMIT max(0, 10000 - (SELECT count(*) FROM openid_logouts));
    DELETE FROM openid_apps WHERE session_id = OLD.id;
END;
