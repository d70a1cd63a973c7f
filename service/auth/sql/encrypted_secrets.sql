-- Reads the encrypted secret of every credential.
-- no parameters
-- auth.credentials_pkey
SELECT key_id, secret_encrypted
FROM auth.credentials
ORDER BY key_id
