mod arbitrary;
mod reader;
