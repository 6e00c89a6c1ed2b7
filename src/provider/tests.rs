mod arbitrary;
mod reader;
mod streams;
mod usage;
