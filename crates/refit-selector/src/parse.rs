//! From tokens to a tree. `and` and `or` have no order between them that a person could get wrong: mixing them without
//! parentheses is a mistake.

mod term;

use crate::limits::{DEPTH_MAX, TERMS_MAX, TEXT_BYTES_MAX};
use crate::mistake::Mistake;
use crate::token::{Kind, Token, tokens};
use crate::tree::{Selector, Tree};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Selector {
    /// Reads a selector, or says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(too_long(text.len()));
        }
        let tokens = tokens(text)?;
        let mut parser = Parser {
            text,
            tokens,
            next: 0,
            terms: 0,
        };
        if parser.peek().kind == Kind::End {
            return Err(Mistake::new(
                text.len(),
                0,
                "the selector is empty; `all` selects every device",
            )
            .suggest("all"));
        }
        let tree = parser.chain(0)?;
        let rest = parser.peek();
        if rest.kind != Kind::End {
            return Err(rest.mistake("this parenthesis was never opened; take it out"));
        }
        let selector = Self { tree };
        // What is stored is the printed form, with its blanks: it has to read again.
        match selector.to_string().len() {
            length if length > TEXT_BYTES_MAX => Err(too_long(length)),
            _ => Ok(selector),
        }
    }
}

fn too_long(length: usize) -> Mistake {
    let message = format!(
        "the selector has {length} bytes with its blanks and {TEXT_BYTES_MAX} are allowed; upload long lists of IDs and write `in list NAME`"
    );
    Mistake::new(0, 0, message)
}

pub(crate) struct Parser<'t> {
    text: &'t str,
    /// Ends with [`Kind::End`].
    tokens: Vec<Token<'t>>,
    next: usize,
    terms: usize,
}

/// One part of a chain, and where it stands in the text.
struct Part {
    tree: Tree,
    from: usize,
    to: usize,
    /// Whether `or` stands before it.
    after_or: bool,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &Token<'t> {
        self.ahead(0)
    }

    /// Returns a token further on; past the end there is only the end.
    fn ahead(&self, by: usize) -> &Token<'t> {
        static END: Token<'static> = Token {
            at: 0,
            length: 0,
            kind: Kind::End,
        };
        self.tokens
            .get(self.next + by)
            .or_else(|| self.tokens.last())
            .unwrap_or(&END)
    }

    fn take(&mut self) -> Token<'t> {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    /// Takes the next token if it is this keyword.
    fn take_word(&mut self, keyword: &str) -> bool {
        let is = self.peek().is_word(keyword);
        self.next += usize::from(is);
        is
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is = self.peek().is_sign(sign);
        self.next += usize::from(is);
        is
    }

    /// Where the last token that was taken ends.
    fn end_of_last(&self) -> usize {
        let last = self.next.checked_sub(1).and_then(|at| self.tokens.get(at));
        last.map_or(0, Token::end)
    }

    /// Reads parts joined by `and`, comma or `or`, up to a closing parenthesis or the end.
    fn chain(&mut self, depth: usize) -> Result<Tree, Mistake> {
        let mut parts = Vec::new();
        let mut after_or = false;
        loop {
            let from = self.peek().at;
            let tree = self.part(depth)?;
            parts.push(Part {
                tree,
                from,
                to: self.end_of_last(),
                after_or,
            });
            if self.take_word("and") || self.take_sign(",") {
                after_or = false;
            } else if self.take_word("or") {
                after_or = true;
            } else if self.peek().kind == Kind::End || self.peek().is_sign(")") {
                break;
            } else {
                return Err(self.not_joined());
            }
        }
        let ors = parts.iter().filter(|part| part.after_or).count();
        if ors > 0 && ors + 1 < parts.len() {
            return Err(self.mixed(&parts));
        }
        Ok(Tree::joined(
            parts.into_iter().map(|part| part.tree).collect(),
            ors > 0,
        ))
    }

    /// Reads `not …`, `( … )` or a term.
    fn part(&mut self, depth: usize) -> Result<Tree, Mistake> {
        let token = self.peek().clone();
        let deeper = depth + 1;
        if token.is_sign("(") || token.is_word("not") || token.is_sign("!") {
            if deeper > DEPTH_MAX {
                let message = format!(
                    "parentheses and `not` nest more than {DEPTH_MAX} deep; write it flatter"
                );
                return Err(token.mistake(message));
            }
            self.next += 1;
            if !token.is_sign("(") {
                return Ok(Tree::Not(Box::new(self.part(deeper)?)));
            }
            let inner = self.chain(deeper)?;
            if self.take_sign(")") {
                return Ok(inner);
            }
            return Err(token.mistake("the parenthesis that opens here is not closed; add `)`"));
        }
        let term = self.term()?;
        self.terms += 1;
        if self.terms > TERMS_MAX {
            let message = format!(
                "a selector has at most {TERMS_MAX} terms; write several values of one field as `in (…)`"
            );
            return Err(token.mistake(message));
        }
        Ok(Tree::Term(term))
    }

    /// Two parts stand side by side. If the second is no term, it was probably meant to belong to a value.
    fn not_joined(&self) -> Mistake {
        let token = self.peek();
        let word = self.text.get(token.at..token.end()).unwrap_or_default();
        let begins_a_term = token.is_sign("(")
            || token.is_sign("!")
            || matches!(token.kind, Kind::Bare(word) if term::begins(word));
        if begins_a_term {
            return token
                .mistake("`and` or `or` is missing before this")
                .suggest(format!("and {word}"));
        }
        token.mistake("this belongs to nothing; join terms with `and` or `or`, and put a value with blanks into double quotes")
    }

    /// Suggests the parentheses that the binding of other languages would give.
    fn mixed(&self, parts: &[Part]) -> Mistake {
        let mut groups: Vec<&[Part]> = Vec::new();
        let mut from = 0;
        for at in 1..=parts.len() {
            if parts.get(at).is_none_or(|part| part.after_or) {
                groups.extend(parts.get(from..at));
                from = at;
            }
        }
        let shown: Vec<String> = groups
            .iter()
            .filter_map(|group| self.group(group))
            .collect();
        let (at, to) = (
            parts.first().map_or(0, |part| part.from),
            parts.last().map_or(0, |part| part.to),
        );
        Mistake::new(
            at,
            to.saturating_sub(at),
            "`and` and `or` are mixed; put parentheses around what belongs together",
        )
        .suggest(shown.join(" or "))
    }

    fn group(&self, parts: &[Part]) -> Option<String> {
        let (first, last) = (parts.first()?, parts.last()?);
        let text = self.text.get(first.from..last.to)?;
        Some(if parts.len() > 1 {
            format!("({text})")
        } else {
            text.to_string()
        })
    }
}
