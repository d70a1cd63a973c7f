-- Read whether the service's role exists, and whether the login role may become it.
-- $1 the service's role.
-- Index: none.
select
    current_user::text as login,
    to_regrole($1) is not null as role_exists,
    coalesce(pg_has_role(current_user, to_regrole($1)::oid, 'MEMBER'), false) as is_member
