-- Stores the secrets of a new credential; it is valid once the log has its KeyCreated.
-- $1 key id uuid, $2 SHA-256 of the token bytea, $3 username text, $4 SHA-256 of the password bytea, $5 access key text, $6 encrypted secret bytea
-- auth.credentials_pkey
INSERT INTO auth.credentials
    (key_id, token_sha256, username, password_sha256, access_key, secret_encrypted)
VALUES ($1, $2, $3, $4, $5, $6)
