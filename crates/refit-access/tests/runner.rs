//! What may be done, asked for cell by cell: one module per behaviour.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod rights;
