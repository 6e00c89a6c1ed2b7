mod anything;
mod graph;
mod requests;
mod responses;
mod tools;
