//! The checker finds planted anomalies, and nothing in histories that are right.

mod planted;
mod simulated;
