-- Updates the planner's statistics of a version's tables: those of the first schema in the search path.
-- no parameters
-- no index
do $$
declare each text;
begin
    for each in select t.tablename from pg_catalog.pg_tables t where t.schemaname = current_schema() loop
        execute format('analyze %I', each);
    end loop;
end
$$
