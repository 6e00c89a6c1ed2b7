mod arbitrary;
mod reader;
mod usage;
