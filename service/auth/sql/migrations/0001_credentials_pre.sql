-- What a credential is recognised by: digests and one encrypted secret. Whether it is valid, whose it is
-- and what it may do, the log says (KeyCreated, KeyRevoked).
CREATE SCHEMA auth;

CREATE TABLE auth.credentials (
    key_id uuid PRIMARY KEY,
    token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    username text COLLATE "C" NOT NULL UNIQUE,
    password_sha256 bytea NOT NULL CHECK (length(password_sha256) = 32),
    access_key text COLLATE "C" NOT NULL UNIQUE,
    secret_encrypted bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX credentials_created_at ON auth.credentials (created_at);

GRANT USAGE ON SCHEMA auth TO flowledger_app;
GRANT SELECT, INSERT ON auth.credentials TO flowledger_app;
