-- What the server keeps of its own certificate when it gets one by ACME: its account, keys and certificates.
CREATE TABLE certificate_files (
	key      TEXT PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 512), -- parts with slashes between them
	value    BLOB NOT NULL,                                          -- sealed
	saved_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
