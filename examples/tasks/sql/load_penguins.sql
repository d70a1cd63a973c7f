-- Load the penguins; NA is null.
insert or ignore into penguins
select study, sample, species, island, nullif(sex, 'NA'), nullif(body_mass, 'NA')
from birds
