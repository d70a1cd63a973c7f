-- Load the isotopes of those penguins whose blood was enough.
insert or ignore into isotopes
select study, species, sample, delta_15_n, delta_13_c
from birds
where delta_15_n <> 'NA' and delta_13_c <> 'NA'
