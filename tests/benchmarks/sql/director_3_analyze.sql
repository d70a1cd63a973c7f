-- Tell the planner what is there.
-- No parameters.
-- No index.
analyze
