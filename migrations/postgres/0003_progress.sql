-- What need not be sent again of an upload, so that nobody reads its parts to know: always what `parts` say. A table of
-- its own, because it changes with every report: rows of `uploads` are wide, and their indexes many. The room that is
-- left free in each page is for the next version of a row, beside the one before.
CREATE TABLE progress (
    upload_id   uuid        NOT NULL PRIMARY KEY REFERENCES uploads (id) ON DELETE CASCADE,
    -- One bit a part.
    received    bit varying NOT NULL,
    -- The size of each received part, by number, that has not the size of the upload's parts. Null for none.
    odd_sizes   jsonb,
    -- When a part was last reported; null if never.
    reported_at bigint
) WITH (fillfactor = 50);

INSERT INTO progress (upload_id, received, odd_sizes)
SELECT upload_id,
    substring(bit_or(set_bit(0::bit(10000), number::int - 1, 1)), 1, (max(number)::int + 7) / 8 * 8),
    jsonb_object_agg(number, parts.size_bytes) FILTER (WHERE parts.size_bytes <> part_size_bytes)
FROM parts JOIN uploads ON uploads.id = upload_id WHERE evidence <> 'mismatched' GROUP BY upload_id;
