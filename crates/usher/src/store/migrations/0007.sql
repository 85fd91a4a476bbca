-- What became of each code of our OpenID provider: whether it was redeemed, and which refresh token of
-- it counts.

CREATE TABLE openid_grants (
    id         TEXT    NOT NULL PRIMARY KEY,
    session_id TEXT    NOT NULL,
    begun_at   INTEGER NOT NULL, -- Unix seconds
    over_at    INTEGER NOT NULL,
    body       TEXT    NOT NULL, -- JSON
    checksum   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX openid_grants_of_session ON openid_grants (session_id, begun_at);
