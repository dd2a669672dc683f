-- Layout 1. Never edited once released: a change is a new file with the next number.

CREATE TABLE objects (
    id         INTEGER PRIMARY KEY,
    kind       TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    uid        TEXT    NOT NULL,
    labels     TEXT    NOT NULL,
    spec       TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (kind, project, name)
) STRICT;

-- The labels of `objects.labels` once more, for selectors.
CREATE TABLE labels (
    object INTEGER NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    key    TEXT    NOT NULL,
    value  TEXT    NOT NULL,
    PRIMARY KEY (object, key)
) STRICT, WITHOUT ROWID;

-- What watchers read. `object` is NULL after a delete.
CREATE TABLE changes (
    revision INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    project  TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    object   TEXT
) STRICT;

-- One row: the revision of the last change, and the highest one that `changes` no longer has.
CREATE TABLE counters (
    only      INTEGER PRIMARY KEY CHECK (only = 1),
    revision  INTEGER NOT NULL,
    compacted INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES (1, 0, 0);

CREATE TABLE timeline (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id       BLOB    NOT NULL UNIQUE,
    at       INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    act      TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    project  TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    replica  INTEGER,
    node     TEXT,
    plan     BLOB,
    reason   TEXT    NOT NULL,
    outcome  TEXT    NOT NULL,
    before   TEXT,
    after    TEXT
) STRICT;
CREATE INDEX timeline_subject ON timeline (kind, project, name);
CREATE INDEX timeline_project ON timeline (project);
CREATE INDEX timeline_node ON timeline (node) WHERE node IS NOT NULL;
CREATE INDEX timeline_plan ON timeline (plan) WHERE plan IS NOT NULL;
CREATE INDEX timeline_act ON timeline (act);
CREATE INDEX timeline_at ON timeline (at);

CREATE TABLE leases (
    name       TEXT    PRIMARY KEY,
    holder     TEXT,
    token      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
