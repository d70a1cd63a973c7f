-- Load a penguin; loading it again changes nothing.
-- Named as the row's columns.
insert into penguins
values (:study, :sample, :species, :island, :date_egg, :flipper_length_mm, :body_mass_g, :sex)
on conflict do nothing
