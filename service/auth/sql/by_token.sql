-- Finds the credential with this token.
-- $1 SHA-256 of the token bytea
-- auth.credentials_token_sha256_key
SELECT key_id, token_sha256, username, password_sha256, access_key, secret_encrypted
FROM auth.credentials
WHERE token_sha256 = $1
