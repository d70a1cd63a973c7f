-- Locks the credentials for writers until the transaction ends; readers go on.
-- no parameters
-- no index
LOCK TABLE auth.credentials IN SHARE ROW EXCLUSIVE MODE
