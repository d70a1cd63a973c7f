-- Load the regions of the staged birds.
insert or ignore into regions select distinct region from birds
