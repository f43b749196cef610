-- The registrar's tables. Each effect of a journey is a row of its own that never changes size, so that pages filled in
-- order of arrival stay full. `key` is the idempotency key of the request that wrote the row (null: imported), `epoch`
-- the number of the export position it was written after.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO settings (name, value) VALUES ('epoch', 1), ('token_key', randomblob(32));

-- One import of complete registrants; they share one password.
CREATE TABLE imports (
    import   INTEGER PRIMARY KEY,
    password TEXT NOT NULL,
    count    INTEGER NOT NULL
) STRICT;

-- `copy` is 0; only the laboratory's defect "duplicate-write" writes a 1, past the uniqueness rule.
CREATE TABLE accounts (
    account      INTEGER PRIMARY KEY,
    email        TEXT NOT NULL,
    full_name    TEXT NOT NULL,
    password     TEXT,
    import       INTEGER REFERENCES imports (import),
    code         INTEGER,
    code_expires INTEGER,
    epoch        INTEGER NOT NULL,
    key          TEXT,
    copy         INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX accounts_email ON accounts (email, copy);

CREATE TABLE email_confirmations (
    account INTEGER PRIMARY KEY,
    epoch   INTEGER NOT NULL,
    key     TEXT
) STRICT;

-- NIK and family card as integers: half the size of their digits, and no leading zero occurs in a NIK.
CREATE TABLE identities (
    account    INTEGER PRIMARY KEY,
    nik        INTEGER NOT NULL,
    kk         INTEGER NOT NULL,
    birth_date INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    key        TEXT
) STRICT;
CREATE UNIQUE INDEX identities_nik ON identities (nik);

-- `full_name` is null where it equals the account's.
CREATE TABLE profiles (
    account    INTEGER PRIMARY KEY,
    full_name  TEXT,
    sex        TEXT NOT NULL,
    province   TEXT NOT NULL,
    regency    TEXT NOT NULL,
    district   TEXT NOT NULL,
    address    TEXT NOT NULL,
    education  TEXT NOT NULL,
    employment TEXT NOT NULL,
    epoch      INTEGER NOT NULL,
    key        TEXT
) STRICT;

-- `kind`: 0 KTP, 1 selfie. The picture lies at `position` in the file beside the database.
CREATE TABLE photos (
    account  INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    sha256   BLOB NOT NULL,
    position INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    key      TEXT,
    PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;

-- A number belongs to the account that asked for a code last, until somebody has confirmed it. Digits without the
-- leading zero of the national form.
CREATE TABLE phones (
    account      INTEGER PRIMARY KEY,
    phone        INTEGER NOT NULL,
    code         INTEGER,
    code_expires INTEGER
) STRICT;
CREATE UNIQUE INDEX phones_phone ON phones (phone);

CREATE TABLE phone_confirmations (
    account INTEGER PRIMARY KEY,
    epoch   INTEGER NOT NULL,
    key     TEXT
) STRICT;

-- Wrong codes; `channel`: 0 e-mail, 1 SMS.
CREATE TABLE code_attempts (
    account      INTEGER NOT NULL,
    channel      INTEGER NOT NULL,
    wrong        INTEGER NOT NULL,
    locked_until INTEGER NOT NULL,
    PRIMARY KEY (account, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE tests (
    account INTEGER PRIMARY KEY,
    test    INTEGER NOT NULL,
    answers TEXT NOT NULL,
    score   INTEGER NOT NULL,
    passed  INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    key     TEXT
) STRICT;

-- Times in Unix seconds; the wave with the highest number is the current one.
CREATE TABLE waves (
    wave      INTEGER PRIMARY KEY,
    name      TEXT NOT NULL,
    quota     INTEGER NOT NULL,
    joined    INTEGER NOT NULL,
    opens_at  REAL,
    closes_at REAL,
    CHECK (joined <= quota)
) STRICT;

CREATE TABLE joins (
    wave      INTEGER NOT NULL,
    account   INTEGER NOT NULL,
    copy      INTEGER NOT NULL,
    joined_at REAL NOT NULL,
    epoch     INTEGER NOT NULL,
    key       TEXT,
    PRIMARY KEY (account, wave, copy)
) STRICT, WITHOUT ROWID;

-- The first answer given under an idempotency key; `scope` is the account, 0 before there is one.
CREATE TABLE replies (
    scope     INTEGER NOT NULL,
    key       TEXT NOT NULL,
    operation INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    status    INTEGER NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (scope, key, operation)
) STRICT, WITHOUT ROWID;
