//! Tests of what masking costs.

mod bounded_work;
