-- Holds the credentials: they can be read, and none is made or changed, until the transaction ends.
-- no parameters
-- no index
LOCK TABLE auth.credentials IN SHARE ROW EXCLUSIVE MODE
