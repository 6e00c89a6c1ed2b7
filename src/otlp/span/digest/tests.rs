mod arbitrary;
mod documented;
mod graph;
mod requests;
mod responses;
mod tools;
