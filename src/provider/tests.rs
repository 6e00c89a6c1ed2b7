mod arbitrary;
mod call_ids;
mod reader;
mod streams;
mod usage;
