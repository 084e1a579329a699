-- Times are microseconds since 1970-01-01 UTC; sizes are bytes. Text that is indexed is compared as bytes, so that no
-- update of the operating system's collations can spoil an index.
CREATE TABLE uploads (
    id                 uuid    NOT NULL PRIMARY KEY,
    tenant             text    COLLATE "C" NOT NULL,
    state              text    COLLATE "C" NOT NULL CHECK (state IN (
        'creating', 'open', 'completing', 'completed', 'failed', 'aborting', 'aborted', 'expired')),
    version            bigint  NOT NULL,
    transfer           text    NOT NULL CHECK (transfer IN ('empty', 'put', 'multipart')),
    bucket             text    NOT NULL,
    object_key         text    NOT NULL,
    filename           text    NOT NULL,
    content_type       text    NOT NULL,
    checksum_algorithm text    NOT NULL,
    metadata           text    NOT NULL,
    overwrite          boolean NOT NULL,
    fingerprint        text    COLLATE "C",
    idempotency_key    text    COLLATE "C",
    size_bytes         bigint,
    part_size_bytes    bigint  NOT NULL,
    sha256             text,
    checksum           text,
    s3_upload_id       text    COLLATE "C",
    created_at         bigint  NOT NULL,
    updated_at         bigint  NOT NULL,
    expires_at         bigint  NOT NULL,
    urls_expire_at     bigint,
    abort_reason       text,
    -- One moment a row at which the sweep has to look at it; moving it on is at once a lease and a back-off.
    sweep_at           bigint,
    sweep_attempts     bigint  NOT NULL DEFAULT 0,
    may_have_twins     boolean NOT NULL DEFAULT false,
    -- How far the reading back of a finished object is; null while nobody is at it.
    verified_bytes     bigint,
    -- The finished object.
    etag               text,
    version_id         text,
    object_size_bytes  bigint,
    object_checksum    text,
    proven_sha256      text,
    completed_at       bigint,
    -- Why it failed.
    failure_code       text,
    failure_detail     text
);

-- A retried init whose answer was lost finds its upload.
CREATE UNIQUE INDEX uploads_by_idempotency_key ON uploads (tenant, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- Another device finds the open upload of the same content; two inits at once make one upload.
CREATE UNIQUE INDEX uploads_by_fingerprint ON uploads (tenant, fingerprint, coalesce(size_bytes, -1))
    WHERE fingerprint IS NOT NULL AND state IN ('creating', 'open');
-- Lists, newest first: ids of version 7 sort by time.
CREATE INDEX uploads_by_tenant ON uploads (tenant, id);
CREATE INDEX uploads_by_tenant_and_state ON uploads (tenant, state, id);
-- The sweep.
CREATE INDEX uploads_due ON uploads (sweep_at) WHERE sweep_at IS NOT NULL;
-- Finished, and nothing left to do in storage: forgotten after a while.
CREATE INDEX uploads_finished ON uploads (updated_at)
    WHERE state IN ('completed', 'failed', 'aborted', 'expired') AND sweep_at IS NULL;
-- Whose a multipart upload in the bucket is. Only ever asked for equality, and some stores' ids are longer than an
-- entry of a B-tree may be (2,704 bytes).
CREATE INDEX uploads_by_s3_upload_id ON uploads USING hash (s3_upload_id);

CREATE TABLE parts (
    upload_id   uuid   NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    number      bigint NOT NULL CHECK (number BETWEEN 1 AND 10000),
    size_bytes  bigint NOT NULL,
    recorded_at bigint NOT NULL,
    evidence    text   NOT NULL CHECK (evidence IN ('reported', 'listed', 'mismatched')),
    etag        text,
    checksum    text,
    PRIMARY KEY (upload_id, number)
);

-- Readiness writes here: a full disk, or a server that takes no writes, shows only in a write.
CREATE TABLE health (id bigint NOT NULL PRIMARY KEY CHECK (id = 1), checked_at bigint NOT NULL);
INSERT INTO health VALUES (1, 0);

-- What one gateway does for all, and when it is due again.
CREATE TABLE jobs (name text COLLATE "C" NOT NULL PRIMARY KEY, due_at bigint NOT NULL);
