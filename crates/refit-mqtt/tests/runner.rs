//! The endpoint over real sockets, with the real engine and store behind it.

mod client;
mod house;
mod talking;
