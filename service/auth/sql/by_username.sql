-- Finds the credential with this username.
-- $1 username text
-- auth.credentials_username_key
SELECT key_id, token_sha256, username, password_sha256, access_key, secret_encrypted
FROM auth.credentials
WHERE username = $1
