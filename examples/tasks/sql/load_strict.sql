-- A table that takes only birds that were weighed. The task executes these statements one by
-- one and reports the line at which the failing one begins.
create table if not exists weighed_penguins (
    study text not null,
    sample integer not null,
    species text not null,
    body_mass_g integer not null check (body_mass_g > 0),
    primary key (study, species, sample)
);

-- One bird.
insert into weighed_penguins (study, sample, species, body_mass_g)
values (:study, :sample, :species, :body_mass_g)
on conflict (study, species, sample) do nothing;
