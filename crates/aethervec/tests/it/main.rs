//! Whole databases: against a model, through power cuts and kills, with bad input and on real vectors.

mod bad_input;
mod common;
mod corruption;
mod crash;
mod isolation;
mod kill;
mod model;
mod program;
mod recall;
