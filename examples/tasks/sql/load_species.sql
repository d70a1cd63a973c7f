-- Load the species: the English name, and the Latin one in brackets behind it.
insert or ignore into species
select distinct
    species,
    trim(substr(species, instr(species, '(')), '()')
from birds
