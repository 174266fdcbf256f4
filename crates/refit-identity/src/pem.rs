//! PEM (RFC 7468), read strictly: the labels that are wanted, a bounded number of them, and nothing broken.

use x509_parser::pem::Pem;

/// The most blocks that are read from one text.
pub const BLOCKS_MAX: usize = 16;

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no block in it.
    #[error("there is no PEM block (`-----BEGIN …-----`) in it")]
    Empty,
    /// A block is broken.
    #[error("a PEM block is broken; send it with its first and last line and as it was made")]
    Broken,
    /// There are more blocks than are wanted.
    #[error("there are more PEM blocks in it than the {0} that are allowed")]
    TooMany(usize),
    /// A block is something else.
    #[error("the PEM block is a {found:?}, not a {wanted}")]
    Label {
        /// What it is, cut.
        found: String,
        /// What is wanted.
        wanted: &'static str,
    },
}

/// Reads exactly one block of one of these labels; its bytes.
pub(crate) fn one(text: &str, labels: &[&'static str]) -> Result<Vec<u8>, Fault> {
    let mut blocks = read(text, labels, 1)?;
    blocks.pop().ok_or(Fault::Empty)
}

/// Reads one to [`BLOCKS_MAX`] certificates; their DER, in order.
pub fn certificates(text: &str) -> Result<Vec<Vec<u8>>, Fault> {
    read(text, &["CERTIFICATE"], BLOCKS_MAX)
}

/// Reads exactly one certificate; its DER.
pub fn certificate(text: &str) -> Result<Vec<u8>, Fault> {
    one(text, &["CERTIFICATE"])
}

/// Cuts a text that [`certificates`] has read into its certificates, each with its first and last line.
pub fn cut(text: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let begin = |piece: &str| piece.find("-----BEGIN CERTIFICATE-----");
    text.split_inclusive(END)
        .filter(|piece| piece.ends_with(END))
        .filter_map(|piece| Some(piece.get(begin(piece)?..)?.to_owned() + "\n"))
        .collect()
}

fn read(text: &str, labels: &[&'static str], most: usize) -> Result<Vec<Vec<u8>>, Fault> {
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(text.as_bytes()) {
        let block = block.map_err(|_| Fault::Broken)?;
        if !labels.contains(&block.label.as_str()) {
            return Err(Fault::Label {
                found: block.label.chars().take(40).collect(),
                wanted: labels.first().copied().unwrap_or_default(),
            });
        }
        if found.len() == most {
            return Err(Fault::TooMany(most));
        }
        found.push(block.contents);
    }
    if found.is_empty() {
        return Err(Fault::Empty);
    }
    Ok(found)
}
