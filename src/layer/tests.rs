//! Tests of the layer over a disk in memory, and of what a disabled layer costs.

mod faulty_disk;
mod idle;
mod stalled_disk;
