-- How long the events of a source are kept, and how many bytes of them, in place of what the server says; 0 is that.

ALTER TABLE sources ADD COLUMN retain_age   INTEGER NOT NULL DEFAULT 0 CHECK (retain_age >= 0);
ALTER TABLE sources ADD COLUMN retain_bytes INTEGER NOT NULL DEFAULT 0 CHECK (retain_bytes >= 0);
