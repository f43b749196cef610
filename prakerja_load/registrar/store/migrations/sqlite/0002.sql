-- Identities that the civil registry is still to be asked about, and those it refused afterwards. One that waits has its
-- row in `identities` too, so that one rule keeps every NIK to one account, checked or not; a refused one has lost it.
-- `problem`: what the registry said, null while it waits. Times in Unix seconds; nobody else asks before `claimed_until`.
CREATE TABLE pending_identities (
    account       INTEGER PRIMARY KEY,
    asked_at      REAL NOT NULL,
    claimed_until REAL NOT NULL,
    problem       TEXT
) STRICT;
CREATE INDEX pending_identities_waiting ON pending_identities (asked_at) WHERE problem IS NULL;
