-- The staging table and the seven tables of example.PLAN, in SQLite.
create table birds (
    study, sample, species, region, island, stage, individual, clutch, date_egg, culmen_length,
    culmen_depth, flipper_length, body_mass, sex, delta_15_n, delta_13_c, comments
);

create table regions (name text primary key);
create table islands (name text primary key, region text not null references regions);
create table species (name text primary key, latin text not null);
create table sexes (name text primary key);
create table studies (name text primary key, first_egg text not null, last_egg text not null);

create table penguins (
    study text not null references studies,
    sample integer not null,
    species text not null references species,
    island text not null references islands,
    sex text references sexes,
    body_mass_g integer,
    primary key (study, species, sample)
);

create table isotopes (
    study text not null,
    species text not null,
    sample integer not null,
    delta_15_n real not null,
    delta_13_c real not null,
    primary key (study, species, sample),
    foreign key (study, species, sample) references penguins
);
