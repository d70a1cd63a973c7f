-- Create the service's role, for an administrator to run where the login role may not.
-- Replace LOGIN by the role in FLOWLEDGER_DATABASE_URL; then run `flowledger migrate` again.
-- Index: none.
create role flowledger_app nologin;
grant flowledger_app to LOGIN;
