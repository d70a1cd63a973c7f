-- Creates a row per flow: its newest version as a document, and whether it is retired.
-- no parameters
-- flows_fullname
create table flows (
    tenant text collate "C" not null,
    fullname text collate "C" not null,
    document bytea not null
)
