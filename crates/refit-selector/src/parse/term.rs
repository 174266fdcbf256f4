//! One term: its field, its sign, and whether the two and the value go together.

use super::Parser;
use crate::facts::Certificate;
use crate::field::{Field, Kind as FieldKind};
use crate::glob::Glob;
use crate::limits::is_name;
use crate::mistake::Mistake;
use crate::time::Second;
use crate::token::{Kind, Token, is_bare, is_keyword};
use crate::tree::{Bound, Term, Test, Value};
use crate::{number, version};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use refit_protocol::job::Status;
use refit_protocol::measure::{Share, Span};
use refit_protocol::near::nearest;

/// The words that begin a term and are no field.
const OPENERS: [&str; 6] = ["all", "online", "drifting", "sample", "has", "in"];

/// Tells whether a word can be the first of a term.
pub(super) fn begins(word: &str) -> bool {
    let opener = OPENERS
        .iter()
        .any(|opener| word.eq_ignore_ascii_case(opener));
    opener || word.eq_ignore_ascii_case("not") || Field::parse(word).is_some()
}

/// A value as it was written.
struct Written<'t> {
    text: String,
    token: Token<'t>,
}

impl<'t> Parser<'t> {
    pub(super) fn term(&mut self) -> Result<Term, Mistake> {
        let token = self.take();
        let Kind::Bare(word) = token.kind else {
            return Err(no_term(&token));
        };
        if token.is_word("all") {
            return Ok(Term::All);
        }
        if token.is_word("online") {
            return self.alone(Term::Online);
        }
        if token.is_word("drifting") {
            return self.alone(Term::Drifting);
        }
        if token.is_word("sample") {
            return self.sample();
        }
        if token.is_word("in") {
            return self.in_list();
        }
        if token.is_word("has") {
            let field = self.take();
            return self.field(&field).map(Term::Has);
        }
        if is_keyword(word) {
            return Err(no_term(&token));
        }
        let field = self.field(&token)?;
        self.comparison(field, &token)
    }

    fn field(&self, token: &Token<'t>) -> Result<Field, Mistake> {
        let Kind::Bare(word) = token.kind else {
            return Err(
                token.mistake("the name of a field belongs here, such as `model` or `tag.ring`")
            );
        };
        Field::parse(word).ok_or_else(|| unknown(word, token))
    }

    /// Takes a term that is one word and nothing else.
    fn alone(&self, term: Term) -> Result<Term, Mistake> {
        let next = self.peek();
        if matches!(next.kind, Kind::Sign("=" | "!=")) {
            return Err(next.mistake(format!(
                "`{term}` is compared with nothing; write `{term}` or `not {term}` alone",
            )));
        }
        Ok(term)
    }

    fn sample(&mut self) -> Result<Term, Mistake> {
        let token = self.take();
        let some = |text: &str| Share::parse(text).filter(|share| share.millionths() > 0);
        let share = match token.kind {
            Kind::Bare(word) => some(word),
            _ => None,
        };
        let mistake = || {
            let mistake =
                token.mistake("a share belongs here, from 0.0001% to 100%, such as `sample 5%`");
            match token.kind {
                Kind::Bare(word) if some(&format!("{word}%")).is_some() => {
                    mistake.suggest(format!("{word}%"))
                }
                _ => mistake,
            }
        };
        share.map(Term::Sample).ok_or_else(mistake)
    }

    /// Reads `list NAME`; `in` has been taken.
    fn in_list(&mut self) -> Result<Term, Mistake> {
        if !self.take_word("list") {
            return Err(self
                .peek()
                .mistake("`in` at the beginning of a term goes on with `list NAME`"));
        }
        let token = self.take();
        match token.kind {
            Kind::Bare(name) if is_name(name) && !is_keyword(name) => Ok(Term::InList(name.into())),
            _ => {
                Err(token
                    .mistake("the name of a list belongs here, of letters, digits and `_ - . /`"))
            }
        }
    }

    fn comparison(&mut self, field: Field, name: &Token<'t>) -> Result<Term, Mistake> {
        let sign = self.peek().clone();
        let bound = match sign.kind {
            Kind::Sign("<") => Some(Bound::Less),
            Kind::Sign("<=") => Some(Bound::AtMost),
            Kind::Sign(">") => Some(Bound::Greater),
            Kind::Sign(">=") => Some(Bound::AtLeast),
            _ => None,
        };
        if let Some(bound) = bound {
            self.next += 1;
            return self.order(field, &sign, bound);
        }
        if self.take_sign("=") {
            return self.equality(field, &sign, false, false);
        }
        if self.take_sign("!=") {
            return self.equality(field, &sign, true, false);
        }
        if self.take_sign("~") {
            return self.like(field, &sign);
        }
        if self.take_word("within") {
            return self.within(field, &sign);
        }
        if self.take_word("in") {
            if field == Field::Id && self.peek().is_word("list") {
                return self.in_list();
            }
            return self.equality(field, &sign, false, true);
        }
        if self.take_word("notin") {
            return self.equality(field, &sign, true, true);
        }
        if sign.is_word("not") && self.ahead(1).is_word("in") {
            self.next += 2;
            return self.equality(field, &sign, true, true);
        }
        match field {
            // A label alone, as in other label selectors. An attribute may be "false", so for it this would mislead.
            Field::Tag(_) => Ok(Term::Has(field)),
            other => {
                let message = format!(
                    "say what `{other}` is compared with, as in `{other} = …`, or ask whether it is known"
                );
                Err(name.mistake(message).suggest(format!("has {other}")))
            }
        }
    }

    fn equality(
        &mut self,
        field: Field,
        sign: &Token<'t>,
        negated: bool,
        many: bool,
    ) -> Result<Term, Mistake> {
        if field.kind() == FieldKind::Time {
            let message = format!(
                "`{field}` is a moment; compare it with `<`, `<=`, `>`, `>=` or `within`, as in `{field} within 2d`"
            );
            return Err(sign.mistake(message));
        }
        let written = if many {
            self.values(&field)?
        } else {
            [self.value(&field)?].into()
        };
        let mut values = Vec::with_capacity(written.len());
        for one in written {
            let value = equal_value(&field, &one)?;
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let test = if negated {
            Test::IsNot(values)
        } else {
            Test::Is(values)
        };
        Ok(Term::Compare(field, test))
    }

    fn like(&mut self, field: Field, sign: &Token<'t>) -> Result<Term, Mistake> {
        if matches!(field.kind(), FieldKind::Time | FieldKind::Word) {
            return Err(sign.mistake(format!(
                "`{field}` has no patterns; {}",
                field.kind().signs()
            )));
        }
        let pattern = self.word(&field)?;
        if pattern.text.is_empty() {
            return Err(pattern
                .token
                .mistake("the pattern is empty; `*` stands for any text")
                .suggest("\"*\""));
        }
        Ok(Term::Compare(field, Test::Like(Glob::new(&pattern.text))))
    }

    fn within(&mut self, field: Field, sign: &Token<'t>) -> Result<Term, Mistake> {
        if field.kind() != FieldKind::Time {
            return Err(sign.mistake(format!("`{field}` is no moment; {}", field.kind().signs())));
        }
        let written = self.value(&field)?;
        let span = Span::parse(&written.text).filter(|span| !span.is_zero());
        let span = span.ok_or_else(|| {
            written
                .token
                .mistake("a length of time belongs here, such as 90s, 15m, 1h30m, 2d or 1w")
        })?;
        Ok(Term::Compare(field, Test::Within(span)))
    }

    fn order(&mut self, field: Field, sign: &Token<'t>, bound: Bound) -> Result<Term, Mistake> {
        if matches!(field.kind(), FieldKind::Text | FieldKind::Word) {
            return Err(sign.mistake(format!("`{field}` has no order; {}", field.kind().signs())));
        }
        let written = self.value(&field)?;
        let text = written.text.as_str();
        let value = match field.kind() {
            FieldKind::Time => Second::parse(text).map(Value::Time),
            FieldKind::Version => version::parse(text).map(Value::Version),
            _ => number::parse(text)
                .map(Value::Number)
                .or_else(|| Second::parse(text).map(Value::Time))
                .or_else(|| version::parse(text).map(Value::Version)),
        };
        let wanted = match field.kind() {
            FieldKind::Time => {
                "a date or time in UTC belongs here, such as 2026-03-01 or 2026-03-01T12:00:00Z; for an age write `within 2d`"
            }
            FieldKind::Version => {
                "a version such as 1.4.0 belongs here (semantic versioning: no leading zeros); list others with `in (…)`, or use `~`"
            }
            _ => {
                "only numbers, versions such as 1.4.0 and times such as 2026-03-01 have an order; compare texts with `=`, `in` or `~`"
            }
        };
        value
            .map(|value| Term::Compare(field, Test::Order(bound, value)))
            .ok_or_else(|| written.token.mistake(wanted))
    }

    /// Reads `( VALUE, … )`.
    fn values(&mut self, field: &Field) -> Result<Vec<Written<'t>>, Mistake> {
        let open = self.peek().clone();
        if !self.take_sign("(") {
            let mistake =
                open.mistake("`in` is followed by values in parentheses, as in `in (eu, us)`");
            return Err(match open.kind {
                Kind::Bare(word) if is_bare(word) => mistake.suggest(format!("({word})")),
                _ => mistake,
            });
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value(field)?);
            if self.take_sign(")") {
                return Ok(values);
            }
            if !self.take_sign(",") {
                let next = self.peek();
                return Err(match next.kind {
                    Kind::End => {
                        open.mistake("the parenthesis that opens here is not closed; add `)`")
                    }
                    _ => next.mistake(
                        "a comma or `)` belongs here; put a value with blanks into double quotes",
                    ),
                });
            }
        }
    }

    /// Reads a value, in which a star means nothing.
    fn value(&mut self, field: &Field) -> Result<Written<'t>, Mistake> {
        let written = self.word(field)?;
        match written.token.kind {
            Kind::Bare(word) if word.contains('*') => Err(written
                .token
                .mistake(format!("a pattern is compared with `~`, as in `{field} ~ \"{word}\"`; a star that is meant needs double quotes"))
                .suggest(format!("\"{word}\""))),
            _ => Ok(written),
        }
    }

    fn word(&mut self, field: &Field) -> Result<Written<'t>, Mistake> {
        let token = self.take();
        match &token.kind {
            Kind::Bare(word) if is_keyword(word) => {
                let message = format!(
                    "a value for `{field}` belongs here; if `{word}` is meant, put it into double quotes"
                );
                Err(token.mistake(message).suggest(format!("\"{word}\"")))
            }
            Kind::Bare(word) => Ok(Written {
                text: word.to_string(),
                token,
            }),
            Kind::Quoted(text) => Ok(Written {
                text: text.clone(),
                token,
            }),
            Kind::Sign(_) | Kind::End => {
                Err(token.mistake(format!("a value for `{field}` belongs here")))
            }
        }
    }
}

/// Reads what a field can be equal to.
fn equal_value(field: &Field, written: &Written<'_>) -> Result<Value, Mistake> {
    let text = written.text.as_str();
    let word = match field {
        Field::JobStatus => one_of(
            text,
            written,
            field,
            Status::ALL.map(Status::as_str).as_slice(),
        )?,
        Field::Certificate => one_of(
            text,
            written,
            field,
            Certificate::ALL.map(Certificate::as_str).as_slice(),
        )?,
        Field::Tag(_) | Field::Attribute(_) => {
            return Ok(number::parse(text).map_or_else(|| Value::Text(text.into()), Value::Number));
        }
        _ => text,
    };
    Ok(Value::Text(word.into()))
}

/// Reads one of a few words, in whatever case and with `-` for `_`.
fn one_of<'a>(
    text: &str,
    written: &Written<'_>,
    field: &Field,
    words: &[&'a str],
) -> Result<&'a str, Mistake> {
    let folded = text.replace('-', "_");
    let found = words.iter().find(|word| word.eq_ignore_ascii_case(&folded));
    found.copied().ok_or_else(|| {
        let message = format!(
            "`{field}` is never {text:?}; it is one of {}",
            words.join(", ")
        );
        let mistake = written.token.mistake(message);
        match nearest(&folded, words.iter().copied()) {
            Some(near) => mistake.suggest(near),
            None => mistake,
        }
    })
}

fn no_term(token: &Token<'_>) -> Mistake {
    let message = match token.kind {
        Kind::End => "something is missing at the end; go on with a term such as `model = gw-200`",
        _ => "a term belongs here, such as `model = gw-200` or `online`",
    };
    token.mistake(message)
}

fn unknown(word: &str, token: &Token<'_>) -> Mistake {
    for prefix in ["tag", "attr"] {
        if word == prefix
            || word
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('.'))
        {
            return token.mistake(format!(
                "`{prefix}.` is followed by a name of 1 to 64 letters, digits and `_ - . /`"
            ));
        }
    }
    let fields = Field::names().chain(OPENERS);
    let names: Vec<&str> = Field::names().collect();
    let message = format!(
        "there is no field `{word}`; there are {}, tag.NAME and attr.NAME",
        names.join(", ")
    );
    let mistake = token.mistake(message);
    match nearest(word, fields) {
        Some(near) => mistake.suggest(near),
        // Other label selectors write labels without more.
        None if is_name(word) => mistake.suggest(format!("tag.{word}")),
        None => mistake,
    }
}

impl FieldKind {
    /// Says how a field of this kind is compared.
    const fn signs(self) -> &'static str {
        match self {
            Self::Text => "use `=`, `!=`, `in` or `~`",
            Self::Version | Self::Loose => "use `=`, `!=`, `in`, `~`, `<`, `<=`, `>` or `>=`",
            Self::Time => "use `<`, `<=`, `>`, `>=` or `within`",
            Self::Word => "use `=`, `!=` or `in`",
        }
    }
}
