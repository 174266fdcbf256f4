//! The one text of a selector: equal selectors print equal, and what is printed reads as the same selector.

use crate::token::is_bare;
use crate::tree::{Bound, Selector, Term, Test, Tree, Value};
use core::fmt::{self, Display, Formatter, Write};

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.tree, f)
    }
}

impl Display for Tree {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => joined(f, parts, " and "),
            Self::Or(parts) => joined(f, parts, " or "),
            Self::Not(part) => {
                f.write_str("not ")?;
                grouped(f, part)
            }
            Self::Term(term) => Display::fmt(term, f),
        }
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Tree], with: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        f.write_str(if at == 0 { "" } else { with })?;
        grouped(f, part)?;
    }
    Ok(())
}

fn grouped(f: &mut Formatter<'_>, part: &Tree) -> fmt::Result {
    match part {
        Tree::And(_) | Tree::Or(_) => write!(f, "({part})"),
        Tree::Not(_) | Tree::Term(_) => Display::fmt(part, f),
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Online => f.write_str("online"),
            Self::Drifting => f.write_str("drifting"),
            Self::Sample(share) => write!(f, "sample {share}"),
            Self::InList(name) => write!(f, "in list {name}"),
            Self::Has(field) => write!(f, "has {field}"),
            Self::Compare(field, test) => write!(f, "{field} {test}"),
        }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(values) => one_or_many(f, values, "=", "in"),
            Self::IsNot(values) => one_or_many(f, values, "!=", "not in"),
            Self::Like(glob) => {
                f.write_str("~ ")?;
                quoted(f, glob)
            }
            Self::Order(bound, value) => write!(f, "{} {value}", bound.as_str()),
            Self::Within(span) => write!(f, "within {span}"),
        }
    }
}

fn one_or_many(f: &mut Formatter<'_>, values: &[Value], one: &str, many: &str) -> fmt::Result {
    if let [value] = values {
        return write!(f, "{one} {value}");
    }
    write!(f, "{many} (")?;
    for (at, value) in values.iter().enumerate() {
        write!(f, "{}{value}", if at == 0 { "" } else { ", " })?;
    }
    f.write_str(")")
}

impl Bound {
    /// Returns its sign.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if is_bare(text) => f.write_str(text),
            Self::Text(text) => quoted(f, text),
            Self::Number(number) => Display::fmt(number, f),
            Self::Version(version) => Display::fmt(version, f),
            Self::Time(moment) => Display::fmt(moment, f),
        }
    }
}

fn quoted(f: &mut Formatter<'_>, text: impl Display) -> fmt::Result {
    f.write_str("\"")?;
    write!(Escaped(f), "{text}")?;
    f.write_str("\"")
}

/// Puts a backslash before what would end the text.
struct Escaped<'a, 'b>(&'a mut Formatter<'b>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                self.0.write_char('\\')?;
            }
            self.0.write_char(c)?;
        }
        Ok(())
    }
}
