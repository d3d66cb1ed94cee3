//! The audit log. There is no statement that changes or removes a row, and the schema refuses any.

statements! {
    /// Numbers without a gap, and times that never go back even when the clock does.
    INSERT = "INSERT INTO audit (number, at, actor, action, subject, detail)
        SELECT COALESCE(MAX(number), 0) + 1,
            CASE WHEN $1 < COALESCE(MAX(at), $1) THEN MAX(at) ELSE $1 END, $2, $3, $4, $5 FROM audit
        RETURNING number";
    PAGE = "SELECT number, at, actor, action, subject, detail FROM audit WHERE number > $1 ORDER BY number LIMIT $2";
    SUBJECT_PAGE = "SELECT number, at, actor, action, subject, detail FROM audit WHERE subject = $1 AND number > $2
        ORDER BY number LIMIT $3";
}
