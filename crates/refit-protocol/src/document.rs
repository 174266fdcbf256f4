//! JSON as it is read from the wire: strict and bounded (semantics 34).
//!
//! `serde_json` alone keeps the last of two equal keys, takes any integer and nests 128 deep. Here duplicate keys,
//! integers beyond 2^53, `null` inside an array and nesting beyond [`UPDATE_DEPTH_MAX`] are refused while reading,
//! so that nothing unbounded is ever built.

use crate::limits::{INTEGER_MAX, UPDATE_DEPTH_MAX};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::Deserializer;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads one JSON object and nothing behind it, or says what is wrong with it and where.
pub fn parse_object(payload: &[u8]) -> Result<Map<String, Value>, String> {
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let value = Strict {
        depth: 1,
        in_array: false,
    }
    .deserialize(&mut reader)
    .map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err("the payload is JSON, but not an object".into()),
    }
}

/// Returns the length of a document in compact JSON, without writing it anywhere.
pub fn json_bytes(map: &Map<String, Value>) -> usize {
    let entries: usize = map
        .iter()
        .map(|(key, value)| text_bytes(key) + 1 + value_bytes(value))
        .sum();
    2 + entries + map.len().saturating_sub(1)
}

/// Returns the length of a value in compact JSON.
pub fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number_bytes(number),
        Value::String(text) => text_bytes(text),
        Value::Array(items) => {
            2 + items.iter().map(value_bytes).sum::<usize>() + items.len().saturating_sub(1)
        }
        Value::Object(map) => json_bytes(map),
    }
}

/// Natural numbers, which are most, are counted without being written.
fn number_bytes(number: &Number) -> usize {
    match number.as_u64() {
        Some(natural) => 1 + natural.checked_ilog10().unwrap_or(0) as usize,
        None => number.to_string().len(),
    }
}

/// The escapes that `serde_json` writes: two bytes for the named ones, six for other control characters. Counted in
/// passes without a branch: this is done to each text of a record, each time that it changes.
fn text_bytes(text: &str) -> usize {
    let quoted = count(text, |byte| byte == b'"' || byte == b'\\');
    let control = count(text, |byte| byte < 0x20);
    if control == 0 {
        return 2 + text.len() + quoted;
    }
    let named = count(text, |byte| {
        matches!(byte, b'\n' | b'\r' | b'\t' | 0x08 | 0x0c)
    });
    2 + text.len() + quoted + 5 * control - 4 * named
}

fn count(text: &str, of: impl Fn(u8) -> bool) -> usize {
    text.bytes().filter(|byte| of(*byte)).count()
}

struct Strict {
    /// The level of this value, if it is an object or an array.
    depth: usize,
    /// Whether an array holds it, at whatever level.
    in_array: bool,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl Strict {
    const fn inner(&self, in_array: bool) -> Self {
        Self {
            depth: self.depth + 1,
            in_array,
        }
    }

    fn enter<E: de::Error>(&self) -> Result<(), E> {
        if self.depth > UPDATE_DEPTH_MAX {
            return Err(E::custom(format!(
                "nested deeper than {UPDATE_DEPTH_MAX} levels"
            )));
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        exact(value.unsigned_abs())?;
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        exact(value)?;
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        // An integer too long for 64 bits arrives here as well.
        if value.abs() > INTEGER_MAX as f64 && value % 1.0 == 0.0 {
            return exact(u64::MAX).map(|()| Value::Null);
        }
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        if self.in_array {
            return Err(E::custom("null inside an array; null only deletes a key"));
        }
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner(true))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format!(
                    "the key {} stands twice",
                    quoted(&key)
                )));
            }
            let value = entries.next_value_seed(self.inner(self.in_array))?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// Quotes a name that came from outside, cut so that an answer stays short whatever it answers.
pub(crate) fn quoted(name: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 40;
    if name.len() <= SHOWN_BYTES_MAX {
        return format!("{name:?}");
    }
    let shown = &name[..name.floor_char_boundary(SHOWN_BYTES_MAX)];
    format!("{shown:?}…")
}

fn exact<E: de::Error>(magnitude: u64) -> Result<(), E> {
    if magnitude > INTEGER_MAX {
        return Err(E::custom("an integer is beyond 2^53; send it as a string"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Value, String> {
        parse_object(text.as_bytes()).map(Value::Object)
    }

    #[test]
    fn ordinary_documents_are_read_as_they_are() {
        let text = r#"{"a":{"b":[1,-2,3.5,"x",{"c":false}]},"d":null,"é":"\u00e9\n"}"#;
        assert_eq!(
            parse(text).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn what_would_be_read_differently_elsewhere_is_refused() {
        for (text, why) in [
            (r#"{"a":1,"a":2}"#, "stands twice"),
            (r#"{"x":{"a":1,"b":{},"a":2}}"#, "stands twice"),
            (r#"{"a":9007199254740992}"#, "beyond 2^53"),
            (r#"{"a":-9007199254740993}"#, "beyond 2^53"),
            (r#"{"a":123456789012345678901234567890}"#, "beyond 2^53"),
            (r#"{"a":[1,null]}"#, "null inside an array"),
            (r#"{"a":[{"b":{"c":null}}]}"#, "null inside an array"),
            (r#"{"a":1} x"#, "trailing"),
            (r#"{"a":1"#, "EOF"),
            (r#"{"a":1e999}"#, "number out of range"),
            (r#"[1]"#, "not an object"),
            (r#""x""#, "not an object"),
            (r#"{"a":"\ud800"}"#, "hex escape"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn nesting_is_bounded_while_reading() {
        let nested = |n: usize| format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
        assert!(parse(&nested(UPDATE_DEPTH_MAX)).is_ok());
        assert!(parse(&nested(UPDATE_DEPTH_MAX + 1)).is_err());
        assert!(parse(&nested(100_000)).is_err());
        assert!(
            parse(&format!(
                r#"{{"a":{}1{}}}"#,
                "[".repeat(100_000),
                "]".repeat(100_000)
            ))
            .is_err()
        );
    }

    #[test]
    fn length_is_what_serde_json_writes() {
        let text =
            r#"{"a":{"b":[1,-2,3.5,"x\"\\\n\u0001é",{}]},"d":null,"e":[],"f":true,"g":false}"#;
        let Value::Object(map) = serde_json::from_str(text).unwrap() else {
            unreachable!()
        };
        assert_eq!(json_bytes(&map), serde_json::to_string(&map).unwrap().len());
    }
}
