-- Load a penguin; loading it again changes nothing.
-- $1 study, $2 sample, $3 species, $4 island, $5 date, $6 flipper length, $7 body mass, $8 sex.
insert into penguins values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict do nothing
