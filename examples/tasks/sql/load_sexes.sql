-- Load the sexes; NA is none.
insert or ignore into sexes select distinct sex from birds where sex <> 'NA'
