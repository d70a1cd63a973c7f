-- Load the islands, each with its region.
insert or ignore into islands select distinct island, region from birds
