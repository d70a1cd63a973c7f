-- The digests and the encrypted secret that a credential is recognised by. The log says who it belongs
-- to, what it may do, and whether it is revoked (KeyCreated, KeyRevoked).

create schema auth;

create table auth.credentials (
    key_id uuid primary key,
    token_sha256 bytea not null unique check (length(token_sha256) = 32),
    username text collate "C" not null unique,
    password_sha256 bytea not null check (length(password_sha256) = 32),
    access_key text collate "C" not null unique,
    secret_encrypted bytea not null,
    created_at timestamptz not null default clock_timestamp()
);

create index credentials_created_at on auth.credentials (created_at);
