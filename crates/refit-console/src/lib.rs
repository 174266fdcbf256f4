//! What does an operator see?
//!
//! *In*: view models, made by whoever has the figures. *Out*: HTML with SVG in it, and the two files beside it.
//!
//! A page is a [`layout::Page`] around *fragments*. A fragment is a function from a view model to HTML with an `id` of
//! its own; the same function draws it when the page is read and when it changes, and the whole of it travels each time,
//! so an event that was lost heals with the next.
//!
//! What every page keeps to: a number is a link to exactly what it counts; a share names what it is a share of; colour
//! never says anything alone; nothing needs a script to be read.
//!
//! *Absent on purpose*: I/O, clocks, figures of its own, inline styles and scripts (the pages are served with a strict
//! Content-Security-Policy).

pub mod asset;
pub mod chart;
pub mod layout;
pub mod page;
pub mod part;
