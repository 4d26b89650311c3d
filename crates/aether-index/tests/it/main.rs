//! Whole indexes on real and random vectors, against exact search.

mod checkpoint;
mod churn;
mod concurrent;
mod data;
mod numbers;
mod recall;
