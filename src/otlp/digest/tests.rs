mod anything;
mod requests;
mod responses;
mod tools;
