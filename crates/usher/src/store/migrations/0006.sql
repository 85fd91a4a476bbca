-- How often something was changed that ended somebody's sessions: a sign-in that was under way must
-- not outlive the change.

ALTER TABLE people ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
