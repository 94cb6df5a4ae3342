//! `docs/configuration.schema.json` says the same as the filter's own parser, and
//! `docs/configuration.md` says the same as the schema.
//!
//! Configurations are made in every way there is: those of the files here, random ones, and both with
//! something changed. Each is judged by an independent validator and by the parser.

mod agreement;
mod configurations;
mod defaults;
mod durations;
mod files;
mod keys;
mod mutations;
mod only_the_parser;
mod parsed;
mod random;
mod reference;
mod schema;
mod verdict;
