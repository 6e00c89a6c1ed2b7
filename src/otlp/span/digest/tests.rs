mod arbitrary;
mod graph;
mod requests;
mod responses;
mod tools;
