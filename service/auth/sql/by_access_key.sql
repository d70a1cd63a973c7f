-- Finds the credential with this access key.
-- $1 access key text
-- auth.credentials_access_key_key
SELECT key_id, token_sha256, username, password_sha256, access_key, secret_encrypted
FROM auth.credentials
WHERE access_key = $1
