-- One moment a row at which the sweep has to look at it; moving it on is at once a lease and a back-off.
ALTER TABLE uploads ADD COLUMN sweep_at INTEGER;
ALTER TABLE uploads ADD COLUMN sweep_attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN may_have_twins INTEGER NOT NULL DEFAULT 0;
-- How far the reading back of a finished object is; null while nobody is at it.
ALTER TABLE uploads ADD COLUMN verified_bytes INTEGER;

UPDATE uploads SET sweep_at = CASE
    WHEN state IN ('creating', 'open') THEN expires_at
    WHEN state IN ('completing', 'aborting') THEN updated_at
    WHEN state = 'failed' THEN urls_expire_at
END;

DROP INDEX uploads_unfinished;
DROP INDEX uploads_failed_with_urls;
DROP INDEX uploads_finished;
CREATE INDEX uploads_due ON uploads (sweep_at) WHERE sweep_at IS NOT NULL;
-- Finished, and nothing left to do in storage: forgotten after a while.
CREATE INDEX uploads_finished ON uploads (updated_at)
    WHERE state IN ('completed', 'failed', 'aborted', 'expired') AND sweep_at IS NULL;
-- Whose a multipart upload in the bucket is.
CREATE INDEX uploads_by_s3_upload_id ON uploads (s3_upload_id) WHERE s3_upload_id IS NOT NULL;

-- Readiness writes here: a full disk shows only in a write.
CREATE TABLE health (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), checked_at INTEGER NOT NULL) STRICT;
INSERT INTO health VALUES (1, 0);

-- What one gateway does for all, and when it is due again.
CREATE TABLE jobs (name TEXT NOT NULL PRIMARY KEY, due_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
