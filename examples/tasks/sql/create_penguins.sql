-- The penguins as example.ETL loads them, in SQLite and in Postgres.
create table if not exists penguins (
    study text not null,
    sample integer not null,
    species text not null,
    island text not null,
    date_egg text not null,
    flipper_length_mm integer,
    body_mass_g integer,
    sex text,
    primary key (study, species, sample)
)
