-- Identities that wait for the civil registry, as migrations/sqlite/0002.sql has them; what is said there holds here.

CREATE TABLE pending_identities (
    account       bigint PRIMARY KEY,
    asked_at      double precision NOT NULL,
    claimed_until double precision NOT NULL,
    problem       text
);
CREATE INDEX pending_identities_waiting ON pending_identities (asked_at) WHERE problem IS NULL;
