-- The corridor: sources, events, destinations, deliveries, attempts, requests.
-- Times are microseconds since 1970, UTC. Lengths of time are nanoseconds.

CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT;

CREATE TABLE sources (
	n              INTEGER PRIMARY KEY,             -- events refer to it
	id             TEXT NOT NULL UNIQUE,
	name           TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
	provider       TEXT NOT NULL CHECK (provider <> ''),
	tenant         TEXT NOT NULL DEFAULT '' CHECK (length(tenant) <= 255), -- its events belong to this tenant
	settings       BLOB NOT NULL,                   -- sealed
	max_body_bytes INTEGER NOT NULL CHECK (max_body_bytes >= 0),
	disabled       INTEGER NOT NULL CHECK (disabled IN (0, 1)),
	reply          TEXT    NOT NULL DEFAULT '',     -- JSON; '' is the provider's answer
	expect_every   INTEGER NOT NULL DEFAULT 0 CHECK (expect_every >= 0),
	last_event_at  INTEGER,                         -- to some minutes; of a source with expect_every alone
	silent_since   INTEGER,                         -- of the silence that was announced
	created_at     INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL,
	secrets_at     TEXT NOT NULL,                     -- JSON: when each secret was set, by its path
	deleted_at     INTEGER                          -- kept while events refer to it
) STRICT;
CREATE UNIQUE INDEX sources_name ON sources (name) WHERE deleted_at IS NULL;

CREATE TABLE destinations (
	n            INTEGER PRIMARY KEY,               -- deliveries refer to it
	id           TEXT NOT NULL UNIQUE,
	name         TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
	type         TEXT NOT NULL CHECK (type <> ''),
	tenant       TEXT NOT NULL DEFAULT '' CHECK (length(tenant) <= 255), -- its deliveries belong to this tenant
	tenants      TEXT,                              -- JSON: further tenants whose events it may get; NULL is none
	url          BLOB NOT NULL,                     -- sealed: its path or query may be secret
	settings     BLOB NOT NULL,                     -- sealed
	access       BLOB NOT NULL,                     -- sealed; empty is none
	match        TEXT NOT NULL,                     -- JSON
	timeout      INTEGER NOT NULL CHECK (timeout > 0),
	concurrency  INTEGER NOT NULL CHECK (concurrency BETWEEN 1 AND 1024),
	rate         TEXT,                              -- JSON: per second, burst; NULL is no limit
	batch        TEXT,                              -- JSON: max events, max wait; NULL is one event at a time
	order_by     TEXT NOT NULL CHECK (order_by IN ('none', 'source', 'subject')),
	retry        TEXT NOT NULL,                     -- JSON
	breaker      TEXT NOT NULL,                     -- JSON
	expires_at   INTEGER,
	handshake    TEXT NOT NULL,
	granted      TEXT,                              -- as rate: granted by the receiver when it agreed
	state        TEXT NOT NULL CHECK (state IN ('active', 'paused', 'disabled', 'unverified', 'expired')),
	state_reason TEXT NOT NULL,
	failing_since INTEGER,                          -- while its breaker holds it back
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	secrets_at   TEXT NOT NULL,                     -- JSON: when each secret was set, by its path
	deleted_at   INTEGER                            -- kept while deliveries refer to it
) STRICT;
CREATE UNIQUE INDEX destinations_name ON destinations (name) WHERE deleted_at IS NULL;

-- A question that a receiver may still answer, by calling a URL of the gateway that contains the token.
CREATE TABLE handshakes (
	destination INTEGER PRIMARY KEY REFERENCES destinations (n),
	token       BLOB NOT NULL UNIQUE CHECK (length(token) = 32), -- SHA-256 of the token
	until       INTEGER NOT NULL,
	asked       TEXT                                              -- as rate: granted if the answer names no rate
) STRICT;

-- An event's number grows with time, so rows are appended; its id is that number and the tag of this store.
CREATE TABLE events (
	n            INTEGER PRIMARY KEY,
	source       INTEGER NOT NULL,
	type         TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 255),
	subject      TEXT,
	provider_id  TEXT,
	tenant       TEXT,                              -- of an event whose source has none
	time         INTEGER,
	received_at  INTEGER NOT NULL,
	content_type TEXT,
	header       BLOB,
	sha256       BLOB NOT NULL CHECK (length(sha256) = 32),
	fingerprint  BLOB CHECK (length(fingerprint) = 32), -- tells repeats from conflicts; NULL is sha256
	variant      INTEGER NOT NULL,                  -- 0; of a conflict: 63 bits of its fingerprint
	conflicts    INTEGER,                           -- the first event with the same provider_id, of a conflict
	cause        INTEGER,                           -- of an event that an action published: the event that it was for
	body         BLOB NOT NULL
) STRICT;
-- The first event with its provider_id has variant 0, and is found without a look at its fingerprint.
CREATE UNIQUE INDEX events_provider_id ON events (source, provider_id, variant) WHERE provider_id IS NOT NULL;
CREATE INDEX events_conflicts ON events (conflicts, n) WHERE conflicts IS NOT NULL;
CREATE INDEX events_cause ON events (cause, n) WHERE cause IS NOT NULL;

-- The number of a delivery is that of its event, times 65536, plus its place among the deliveries of the
-- event: rows are appended, and the deliveries of an event lie side by side without an index. The row carries
-- the last attempt.
CREATE TABLE deliveries (
	n           INTEGER PRIMARY KEY,
	destination INTEGER NOT NULL,
	-- Written with OR: for IN, SQLite builds a table of the words each time a row is written.
	state       TEXT NOT NULL CHECK (state = 'leased' OR state = 'delivered' OR state = 'pending'
	            OR state = 'dead' OR state = 'cancelled'),
	attempts    INTEGER NOT NULL CHECK (attempts >= 0),
	next_at     INTEGER,
	updated_at  INTEGER,
	started_at  INTEGER,
	duration    INTEGER,
	status      INTEGER,
	error       TEXT,
	detail      TEXT,
	reply       BLOB CHECK (length(reply) <= 4096),
	key         INTEGER,                            -- of an order: deliveries with one key go one after the other
	line        INTEGER,                            -- the key, while the delivery is not finished
	spared      INTEGER,                            -- attempts that do not count against the schedule
	created_at  INTEGER,                            -- of a replay; NULL: when the event came in
	progress    BLOB CHECK (length(progress) <= 65536), -- of an action, for its next attempt
	CHECK ((state = 'pending') = (next_at IS NOT NULL))
) STRICT;
-- The schedule. Rows that are delivered at once never enter it. Rows with a key are apart: they may be due and
-- yet have to wait.
CREATE INDEX deliveries_due ON deliveries (destination, (key IS NULL), next_at) WHERE state = 'pending';
-- The unfinished deliveries with a key: of each key the first goes next, and the others wait for it. The index
-- does not name the state: otherwise SQLite would look at it for every delivery whose state changes, and most
-- deliveries have no key.
CREATE INDEX deliveries_order ON deliveries (destination, line, n) WHERE line IS NOT NULL;
-- The leases that a crash leaves behind. As small as the lanes, whatever the size of the table.
CREATE INDEX deliveries_leased ON deliveries (n) WHERE state = 'leased';
CREATE INDEX deliveries_dead ON deliveries (destination, n) WHERE state = 'dead';

-- All attempts but the last one, of deliveries that needed more than one.
CREATE TABLE attempts (
	delivery   INTEGER NOT NULL,
	number     INTEGER NOT NULL CHECK (number >= 1),
	started_at INTEGER NOT NULL,
	duration   INTEGER NOT NULL,
	status     INTEGER NOT NULL,
	error      TEXT NOT NULL,
	detail     TEXT NOT NULL,
	reply      BLOB CHECK (length(reply) <= 4096),
	PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

-- Requests, except those with exactly one event that was accepted: the event has everything of those.
CREATE TABLE requests (
	n           INTEGER PRIMARY KEY,
	source      INTEGER,                            -- NULL: there is no source with the name in the path
	request_name TEXT CHECK (length(request_name) <= 128), -- that name
	outcome     TEXT NOT NULL CHECK (outcome IN ('accepted', 'handshake', 'refused', 'partial')),
	status      INTEGER NOT NULL,
	reason      TEXT NOT NULL,
	detail      TEXT NOT NULL,
	method      TEXT NOT NULL,
	target      TEXT NOT NULL,
	remote_addr TEXT NOT NULL,
	header      BLOB,
	body        BLOB,
	body_bytes  INTEGER NOT NULL,
	events      INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	CHECK ((source IS NULL) = (request_name IS NOT NULL))
) STRICT;
CREATE INDEX requests_source ON requests (source, n);

-- How much happened in each span of time. Rows are added to once a minute, and their order is that of the time.
CREATE TABLE series (
	step   INTEGER NOT NULL,                        -- the length of the span, in seconds
	side   INTEGER NOT NULL CHECK (side IN (0, 1)), -- 0: events and requests of sources; 1: attempts at destinations
	at     INTEGER NOT NULL,                        -- its beginning
	noun   INTEGER NOT NULL,                        -- the source or destination; 0 is all of the side
	tenant TEXT NOT NULL,                           -- of events whose source has none
	good   INTEGER NOT NULL,                        -- accepted events; deliveries that were taken
	bad    INTEGER NOT NULL,                        -- refused requests; failed attempts
	PRIMARY KEY (step, side, at, noun, tenant)
) STRICT, WITHOUT ROWID;

-- A replay, retry or cancel of many, selected by a filter. It goes in steps, and the row says how far it is.
CREATE TABLE repairs (
	n          INTEGER PRIMARY KEY,
	id         TEXT NOT NULL UNIQUE,
	kind       TEXT NOT NULL CHECK (kind IN ('replay', 'retry', 'cancel')),
	filter     TEXT NOT NULL,                       -- JSON
	rate       REAL NOT NULL CHECK (rate >= 0),     -- deliveries a second; 0 is no limit
	cursor     INTEGER NOT NULL,                    -- the event or delivery inspected last
	bound      INTEGER NOT NULL,                    -- the last one to inspect
	looked_at  INTEGER NOT NULL,                    -- events or deliveries selected
	changed    INTEGER NOT NULL,
	skipped    INTEGER NOT NULL,
	state      TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'cancelled', 'failed')),
	reason     TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	starts_at  INTEGER NOT NULL                     -- of its first step
) STRICT;
CREATE INDEX repairs_running ON repairs (n) WHERE state IN ('waiting', 'running');

-- Who we are at the API of a provider.
CREATE TABLE connections (
	n          INTEGER PRIMARY KEY,
	id         TEXT NOT NULL UNIQUE,
	name       TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
	provider   TEXT NOT NULL CHECK (provider <> ''),
	tenant     TEXT NOT NULL DEFAULT '' CHECK (length(tenant) <= 255),
	settings   BLOB NOT NULL,                       -- sealed
	tokens     BLOB,                                -- sealed; NULL is none
	state      TEXT NOT NULL CHECK (state IN ('ready', 'signed_out', 'failing')),
	reason     TEXT NOT NULL,
	account    TEXT NOT NULL,
	expires_at INTEGER,                             -- of the access token
	used_at    INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,                    -- of name and settings
	secrets_at TEXT NOT NULL                        -- JSON: when each secret was set, by its path
) STRICT;

-- The customers. Nouns name them, and no row here refers to a noun.
CREATE TABLE tenants (
	n            INTEGER PRIMARY KEY,
	id           TEXT NOT NULL UNIQUE,
	name         TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64), -- it never changes
	events       TEXT,                              -- JSON: per second, burst; NULL is no limit
	stored_bytes INTEGER NOT NULL CHECK (stored_bytes >= 0),                 -- 0 is no limit
	destinations INTEGER NOT NULL CHECK (destinations >= 0),                 -- 0 is no limit
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL
) STRICT;

-- The keys of the API. None of them can be read out of its row.
CREATE TABLE keys (
	n            INTEGER PRIMARY KEY,
	id           TEXT NOT NULL UNIQUE,
	name         TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
	scope        TEXT NOT NULL CHECK (scope IN ('admin', 'operate', 'read', 'publish')),
	tenant       TEXT NOT NULL CHECK (length(tenant) <= 255), -- empty is all
	hash         BLOB NOT NULL CHECK (length(hash) = 32),     -- SHA-256 of its text
	created_at   INTEGER NOT NULL,
	expires_at   INTEGER,
	last_used_at INTEGER,
	last_address TEXT NOT NULL
) STRICT;

-- Requests of the API with an Idempotency-Key, for a day.
CREATE TABLE submissions (
	key      BLOB PRIMARY KEY CHECK (length(key) = 32),     -- SHA-256 of who sent it and of its key
	request  BLOB NOT NULL CHECK (length(request) = 32),    -- SHA-256 of what it asks for
	begun_at INTEGER NOT NULL,
	status   INTEGER,                               -- of the answer; NULL: there is none yet
	answer   BLOB,                                  -- sealed
	CHECK ((status IS NULL) = (answer IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX submissions_age ON submissions (begun_at);

-- Sessions of browsers, and the links that begin one. No token can be read out of its row.
CREATE TABLE sessions (
	hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),     -- SHA-256 of its token
	key_id     TEXT NOT NULL,                                  -- empty is the admin key
	key_hash   BLOB NOT NULL CHECK (length(key_hash) = 32),    -- SHA-256 of the text of the key
	person     TEXT NOT NULL,                                  -- name at the OpenID issuer; empty of a key
	rule       TEXT NOT NULL,                                  -- that let the person in; empty of a key
	portal     TEXT NOT NULL,                                  -- id of the portal link; empty: of the pages
	created_at INTEGER NOT NULL,
	used_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_portal ON sessions (portal) WHERE portal <> '';
CREATE TABLE sign_in_links (
	hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
	key_id     TEXT NOT NULL,
	key_hash   BLOB NOT NULL CHECK (length(key_hash) = 32),
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Links to the portals of tenants. The session that a link begins ends with its row.
CREATE TABLE portal_links (
	n               INTEGER PRIMARY KEY,
	id              TEXT NOT NULL UNIQUE,
	hash            BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),    -- SHA-256 of its token
	tenant          TEXT NOT NULL CHECK (length(tenant) BETWEEN 1 AND 255),
	rights          TEXT NOT NULL CHECK (rights IN ('read', 'retry', 'manage')),
	frame_ancestors TEXT NOT NULL,                                     -- origins, with a blank between them
	key             TEXT NOT NULL,                                     -- the name of who made it
	key_id          TEXT NOT NULL,                                     -- empty is the admin key
	key_hash        BLOB NOT NULL CHECK (length(key_hash) = 32),
	created_at      INTEGER NOT NULL,
	open_until      INTEGER NOT NULL,
	opened_at       INTEGER,
	expires_at      INTEGER NOT NULL
) STRICT;

-- Who changed what: written in the transaction of the change. The latest 10,000 are kept.
CREATE TABLE audit (
	n       INTEGER PRIMARY KEY,
	at      INTEGER NOT NULL,
	key     TEXT NOT NULL,                             -- the name of the key, at that time
	key_id  TEXT NOT NULL,                             -- empty is the admin key
	key_tenant TEXT NOT NULL,                          -- that the key is bound to
	noun    TEXT NOT NULL,
	noun_id TEXT NOT NULL,
	name    TEXT NOT NULL,                             -- of the noun, at that time
	tenant  TEXT NOT NULL,
	action  TEXT NOT NULL
) STRICT;

-- The nouns that configurations made, by id: a later one without them may delete these, and no others.
CREATE TABLE declared (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Our registrations at providers. One goroutine at a time changes a row.
CREATE TABLE subscriptions (
	n               INTEGER PRIMARY KEY,
	id              TEXT NOT NULL UNIQUE,
	name            TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
	provider        TEXT NOT NULL CHECK (provider <> ''),
	tenant          TEXT NOT NULL CHECK (length(tenant) <= 255),
	source          TEXT NOT NULL,                   -- ids: a source or connection may be deleted before it
	connection      TEXT NOT NULL,
	resource        TEXT NOT NULL CHECK (length(resource) BETWEEN 1 AND 1024),
	change_types    TEXT NOT NULL,                   -- JSON
	settings        BLOB NOT NULL,                   -- sealed
	secrets         BLOB NOT NULL,                   -- sealed JSON: client state, certificates
	expect_every    INTEGER NOT NULL CHECK (expect_every >= 0),
	state           TEXT NOT NULL
	                CHECK (state IN ('pending', 'active', 'renewing', 'paused', 'expired', 'removed', 'failed')),
	reason          TEXT NOT NULL,
	remote_id       TEXT NOT NULL,
	remote_resource TEXT NOT NULL,
	url             TEXT NOT NULL,
	expires_at      INTEGER,
	renew_at        INTEGER,
	lifetime        INTEGER NOT NULL,
	failures        INTEGER NOT NULL,
	lost_at         INTEGER,
	last_event_at   INTEGER,
	silent_since    INTEGER,
	deleting        INTEGER NOT NULL CHECK (deleting IN (0, 1)),
	created_at      INTEGER NOT NULL,
	updated_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX subscriptions_source ON subscriptions (source);

-- The latest calls of each. One without an outcome was under way when the program ended.
CREATE TABLE subscription_calls (
	n            INTEGER PRIMARY KEY,
	subscription INTEGER NOT NULL,
	at           INTEGER NOT NULL,
	what         TEXT NOT NULL,
	status       INTEGER NOT NULL,
	done         INTEGER NOT NULL CHECK (done IN (0, 1)),
	outcome      TEXT NOT NULL,
	handshake    TEXT NOT NULL,
	took         INTEGER NOT NULL
) STRICT;
CREATE INDEX subscription_calls_of ON subscription_calls (subscription, n);

CREATE TABLE gaps (
	n            INTEGER PRIMARY KEY,
	id           TEXT NOT NULL UNIQUE,
	subscription INTEGER NOT NULL,
	from_at      INTEGER NOT NULL,
	to_at        INTEGER NOT NULL,
	reason       TEXT NOT NULL,
	state        TEXT NOT NULL CHECK (state IN ('open', 'filling', 'filled', 'unknown')),
	outcome      TEXT NOT NULL,                      -- in words
	since        INTEGER,                            -- what the provider was asked for
	until        INTEGER,
	found        INTEGER NOT NULL CHECK (found >= 0),
	folded       INTEGER NOT NULL CHECK (folded BETWEEN 0 AND found),
	announced    INTEGER NOT NULL CHECK (announced IN (0, 1)),
	CHECK (from_at <= to_at)
) STRICT;
CREATE INDEX gaps_of ON gaps (subscription, n);
CREATE INDEX gaps_to_announce ON gaps (n) WHERE announced = 0;
CREATE INDEX gaps_to_fill ON gaps (n) WHERE state = 'open' OR state = 'filling';

-- Positions in the change logs of outside systems. They go with their owner.
CREATE TABLE cursors (
	owner    TEXT NOT NULL,                          -- the id of a subscription or a destination
	key      TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 512),
	value    BLOB NOT NULL,                          -- sealed
	saved_at INTEGER NOT NULL,
	PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

-- The files that actions keep. The bytes are in the storage of files: under the name once the file is whole, and until
-- then under the id.
CREATE TABLE files (
	n            INTEGER PRIMARY KEY,
	id           TEXT NOT NULL UNIQUE,
	name         TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 900),
	state        TEXT NOT NULL CHECK (state IN ('partial', 'whole')),
	doom         TEXT CHECK (doom IN ('asked', 'expired', 'event', 'abandoned')), -- why its bytes are being removed
	size         INTEGER NOT NULL CHECK (size >= 0), -- bytes that are durable
	total        INTEGER NOT NULL CHECK (total >= -1),
	sha256       TEXT NOT NULL CHECK (length(sha256) IN (0, 64)),
	hash         BLOB,                               -- of a partial file: the state of SHA-256 after size bytes
	upload       TEXT NOT NULL,                      -- of a partial file in a bucket
	content_type TEXT NOT NULL CHECK (length(content_type) <= 255),
	source       INTEGER NOT NULL,
	event        INTEGER NOT NULL,                   -- it may be deleted before the file
	destination  INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	expires_at   INTEGER,                            -- NULL: it goes with its event
	due_at       INTEGER,
	CHECK ((state = 'whole') = (sha256 <> ''))
) STRICT;
CREATE INDEX files_event ON files (event);
CREATE INDEX files_expiry ON files (expires_at) WHERE expires_at IS NOT NULL AND doom IS NULL;
CREATE INDEX files_partial ON files (updated_at) WHERE state = 'partial' AND doom IS NULL;
CREATE INDEX files_doomed ON files (n) WHERE doom IS NOT NULL;
CREATE INDEX files_totals ON files (state, size) WHERE doom IS NULL;
