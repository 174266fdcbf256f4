//! Private connections, talked to by rustls', OpenSSL's and Python's clients: one module per behaviour.

// The attribute tells the lints that all of it is a test.
#[cfg(test)]
mod authority;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod own;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod splits;
