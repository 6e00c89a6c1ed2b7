//! Tests of whole bundles, and the disk in memory that they and the tests of the layer use.

pub(crate) mod mem_disk;
mod power_cut;
