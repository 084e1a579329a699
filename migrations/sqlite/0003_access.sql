-- Within the tenant: whose upload it is; null for the tenant's backend's own. Nobody is named by nothing, because
-- indexes read null as ''.
ALTER TABLE uploads ADD COLUMN owner TEXT CHECK (owner <> '');
-- What it takes of quotas: its size as declared, or what was signed of a stream so far.
ALTER TABLE uploads ADD COLUMN reserved_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE uploads SET reserved_bytes = size_bytes WHERE size_bytes IS NOT NULL;

-- As before, and each owner for themselves.
DROP INDEX uploads_by_idempotency_key;
CREATE UNIQUE INDEX uploads_by_idempotency_key ON uploads (tenant, coalesce(owner, ''), idempotency_key)
    WHERE idempotency_key IS NOT NULL;
DROP INDEX uploads_by_fingerprint;
CREATE UNIQUE INDEX uploads_by_fingerprint
    ON uploads (tenant, coalesce(owner, ''), fingerprint, coalesce(size_bytes, -1))
    WHERE fingerprint IS NOT NULL AND state IN ('creating', 'open');
-- Lists of one owner, newest first.
CREATE INDEX uploads_by_owner ON uploads (tenant, owner, id) WHERE owner IS NOT NULL;
-- What a tenant has in use, answered without reading a row.
CREATE INDEX uploads_in_use ON uploads (tenant, state, reserved_bytes)
    WHERE state IN ('creating', 'open', 'completing', 'aborting');

CREATE TABLE api_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    -- Null for an operator's key, which is good for every tenant.
    tenant       TEXT,
    name         TEXT    NOT NULL,
    roles        TEXT    NOT NULL,
    secret_hash  TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    expires_at   INTEGER,
    revoked_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
    name       TEXT    NOT NULL PRIMARY KEY,
    -- JSON.
    settings   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was used of limits that are not about what is there now: of a grant, of a day.
CREATE TABLE counters (
    name      TEXT    NOT NULL PRIMARY KEY,
    uploads   INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    forget_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_to_forget ON counters (forget_at);
