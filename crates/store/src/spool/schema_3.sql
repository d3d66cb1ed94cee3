-- Mail that programs write waits in a lane of its own (1), so that what people sent (0) is found past any amount of it.
ALTER TABLE recipient ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
UPDATE recipient SET lane = 1 WHERE message_id IN (SELECT message_id FROM message WHERE purpose IN (2, 3));
DROP INDEX recipient_due;
CREATE INDEX recipient_due ON recipient (hop, lane, state, due_s);

-- Recipients that are held until a time.
CREATE INDEX recipient_ends ON recipient (due_s) WHERE state = 1 AND (traits & 64) <> 0;

DROP TABLE hop;
CREATE TABLE hop (
    hop     TEXT NOT NULL,
    lane    INTEGER NOT NULL,
    due_s   INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    PRIMARY KEY (hop, lane)
) WITHOUT ROWID;
INSERT INTO hop SELECT hop, lane, min(due_s), count(*) FROM recipient WHERE state = 0 GROUP BY hop, lane;
CREATE INDEX hop_due ON hop (lane, due_s, hop);
