-- Finds the credential that was made last.
-- no parameters
-- auth.credentials_created_at
SELECT key_id, token_sha256, username, password_sha256, access_key, secret_encrypted
FROM auth.credentials
ORDER BY created_at DESC
LIMIT 1
