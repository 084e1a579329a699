-- Times are milliseconds since 1970. A `file` names a file in the blobs directory, and exactly one row
-- of `parts` or `extents` refers to it: a file without a row is an orphan, removed at open.

CREATE TABLE IF NOT EXISTS buckets (
    name       TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    cors       TEXT,
    lifecycle  TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS public_access_blocks (
    bucket   TEXT PRIMARY KEY REFERENCES buckets (name) ON DELETE CASCADE,
    document TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS uploads (
    seq                INTEGER PRIMARY KEY,
    s3_upload_id       TEXT NOT NULL UNIQUE,
    bucket             TEXT NOT NULL,
    key                TEXT NOT NULL,
    initiated_ms       INTEGER NOT NULL,
    headers            TEXT NOT NULL,
    checksum_algorithm TEXT,
    checksum_coverage  TEXT,
    -- The answer to CompleteMultipartUpload, kept so that a repeat gets the same one. NULL: still open.
    answer             TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS uploads_open ON uploads (bucket, key, s3_upload_id) WHERE answer IS NULL;

CREATE TABLE IF NOT EXISTS parts (
    upload_seq  INTEGER NOT NULL REFERENCES uploads (seq),
    number      INTEGER NOT NULL,
    file        TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    md5         BLOB NOT NULL,
    crc64nvme   BLOB NOT NULL,
    -- The digest of the upload's declared algorithm.
    checksum    BLOB,
    PRIMARY KEY (upload_seq, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS objects (
    seq                INTEGER PRIMARY KEY,
    bucket             TEXT NOT NULL,
    key                TEXT NOT NULL,
    size_bytes         INTEGER NOT NULL,
    etag               TEXT NOT NULL,
    modified_ms        INTEGER NOT NULL,
    headers            TEXT NOT NULL,
    checksum_algorithm TEXT NOT NULL,
    checksum_coverage  TEXT NOT NULL,
    checksum           TEXT NOT NULL,
    -- NULL for an object that was put in one piece.
    part_count         INTEGER,
    UNIQUE (bucket, key)
) STRICT;

CREATE TABLE IF NOT EXISTS extents (
    object_seq INTEGER NOT NULL REFERENCES objects (seq),
    number     INTEGER NOT NULL,
    file       TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    checksum   BLOB,
    PRIMARY KEY (object_seq, number)
) STRICT, WITHOUT ROWID;
