-- Times are microseconds since 1970-01-01 UTC; sizes are bytes.
CREATE TABLE uploads (
    id                 TEXT    NOT NULL PRIMARY KEY,
    tenant             TEXT    NOT NULL,
    state              TEXT    NOT NULL CHECK (state IN (
        'creating', 'open', 'completing', 'completed', 'failed', 'aborting', 'aborted', 'expired')),
    version            INTEGER NOT NULL,
    transfer           TEXT    NOT NULL CHECK (transfer IN ('empty', 'put', 'multipart')),
    bucket             TEXT    NOT NULL,
    object_key         TEXT    NOT NULL,
    filename           TEXT    NOT NULL,
    content_type       TEXT    NOT NULL,
    checksum_algorithm TEXT    NOT NULL,
    metadata           TEXT    NOT NULL,
    overwrite          INTEGER NOT NULL,
    fingerprint        TEXT,
    idempotency_key    TEXT,
    size_bytes         INTEGER,
    part_size_bytes    INTEGER NOT NULL,
    sha256             TEXT,
    checksum           TEXT,
    s3_upload_id       TEXT,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    expires_at         INTEGER NOT NULL,
    urls_expire_at     INTEGER,
    abort_reason       TEXT,
    -- The finished object.
    etag               TEXT,
    version_id         TEXT,
    object_size_bytes  INTEGER,
    object_checksum    TEXT,
    proven_sha256      TEXT,
    completed_at       INTEGER,
    -- Why it failed.
    failure_code       TEXT,
    failure_detail     TEXT
) STRICT;

-- A retried init whose answer was lost finds its upload.
CREATE UNIQUE INDEX uploads_by_idempotency_key ON uploads (tenant, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- Another device finds the open upload of the same content; two inits at once make one upload.
CREATE UNIQUE INDEX uploads_by_fingerprint ON uploads (tenant, fingerprint, ifnull(size_bytes, -1))
    WHERE fingerprint IS NOT NULL AND state IN ('creating', 'open');
-- Lists, newest first: ids of version 7 sort by time.
CREATE INDEX uploads_by_tenant ON uploads (tenant, id);
CREATE INDEX uploads_by_tenant_and_state ON uploads (tenant, state, id);
-- The sweep.
CREATE INDEX uploads_unfinished ON uploads (state, expires_at)
    WHERE state IN ('creating', 'open', 'completing', 'aborting');
CREATE INDEX uploads_failed_with_urls ON uploads (urls_expire_at)
    WHERE state = 'failed' AND urls_expire_at IS NOT NULL;
CREATE INDEX uploads_finished ON uploads (updated_at)
    WHERE state IN ('completed', 'failed', 'aborted', 'expired');

CREATE TABLE parts (
    upload_id   TEXT    NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL CHECK (number BETWEEN 1 AND 10000),
    size_bytes  INTEGER NOT NULL,
    etag        TEXT,
    checksum    TEXT,
    evidence    TEXT    NOT NULL CHECK (evidence IN ('reported', 'listed', 'mismatched')),
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (upload_id, number)
) STRICT, WITHOUT ROWID;
