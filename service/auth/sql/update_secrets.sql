-- Replaces encrypted secrets.
-- $1 key ids uuid[], $2 encrypted secrets bytea[]
-- auth.credentials_pkey
UPDATE auth.credentials AS c
SET secret_encrypted = n.secret
FROM unnest($1::uuid[], $2::bytea[]) AS n (key_id, secret)
WHERE c.key_id = n.key_id
