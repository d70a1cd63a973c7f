-- Load the studies, with the days of their first and last egg.
insert or ignore into studies select study, min(date_egg), max(date_egg) from birds group by study
