-- What need not be sent again of an upload, so that nobody reads its parts to know: always what `parts` say. A table of
-- its own, because it changes with every report, and rows of `uploads` are wide.
CREATE TABLE progress (
    upload_id   TEXT    NOT NULL PRIMARY KEY REFERENCES uploads (id) ON DELETE CASCADE,
    -- One bit a part, the first in the highest bit of the first byte.
    received    BLOB    NOT NULL,
    -- JSON: the size of each received part, by number, that has not the size of the upload's parts. Null for none.
    odd_sizes   TEXT,
    -- When a part was last reported; null if never.
    reported_at INTEGER
) STRICT, WITHOUT ROWID;

INSERT INTO progress (upload_id, received, odd_sizes)
WITH
octets AS (
    SELECT upload_id, (number - 1) / 8 AS place, sum(1 << (7 - (number - 1) % 8)) AS bits
    FROM parts WHERE evidence <> 'mismatched' GROUP BY 1, 2
),
places AS (
    SELECT upload_id, max(place) AS place FROM octets GROUP BY 1
    UNION ALL
    SELECT upload_id, place - 1 FROM places WHERE place > 0
)
SELECT upload_id, unhex(group_concat(printf('%02x', coalesce(bits, 0)), '' ORDER BY place)), (
    SELECT nullif(json_group_object(number, parts.size_bytes), '{}') FROM parts JOIN uploads ON uploads.id = upload_id
    WHERE upload_id = places.upload_id AND evidence <> 'mismatched' AND parts.size_bytes <> part_size_bytes
)
FROM places LEFT JOIN octets USING (upload_id, place) GROUP BY upload_id;
