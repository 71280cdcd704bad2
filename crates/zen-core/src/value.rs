//! Typed parameter values, as TOML has them. `1` is not `"1"`; the order of a table's keys is nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::FieldHasher;

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// `"text"`
    String(String),
    /// `1`
    Integer(i64),
    /// `0.5`
    Float(f64),
    /// `true`
    Boolean(bool),
    /// `2026-01-02T03:04:05Z` and its parts, as written
    Datetime(String),
    /// `[1, 2]`
    Array(Vec<Value>),
    /// `{ a = 1 }`
    Table(BTreeMap<String, Value>),
}

impl Value {
    /// What `--set` and messages call the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Boolean(_) => "boolean",
            Self::Datetime(_) => "datetime",
            Self::Array(_) => "array",
            Self::Table(_) => "table",
        }
    }

    /// The text that takes a placeholder's place: a string without its quotes, all else as TOML writes it.
    pub fn to_text(&self) -> String {
        match self {
            Self::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// Feeds the canonical, typed encoding to `hasher`.
    pub fn hash_into(&self, hasher: &mut FieldHasher) {
        hasher.field(self.type_name().as_bytes());
        match self {
            Self::String(text) | Self::Datetime(text) => {
                hasher.field(text.as_bytes());
            }
            Self::Integer(number) => {
                hasher.field(&number.to_le_bytes());
            }
            Self::Float(number) => {
                let bits = if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() };
                hasher.number(bits);
            }
            Self::Boolean(flag) => {
                hasher.number(u64::from(*flag));
            }
            Self::Array(items) => {
                hasher.number(items.len() as u64);
                items.iter().for_each(|item| item.hash_into(hasher));
            }
            Self::Table(entries) => {
                hasher.number(entries.len() as u64);
                for (key, item) in entries {
                    hasher.field(key.as_bytes());
                    item.hash_into(hasher);
                }
            }
        }
    }

    fn to_toml(&self) -> toml::Value {
        match self {
            Self::String(text) => toml::Value::String(text.clone()),
            Self::Integer(number) => toml::Value::Integer(*number),
            Self::Float(number) => toml::Value::Float(*number),
            Self::Boolean(flag) => toml::Value::Boolean(*flag),
            Self::Datetime(text) => {
                text.parse().map_or_else(|_| toml::Value::String(text.clone()), toml::Value::Datetime)
            }
            Self::Array(items) => toml::Value::Array(items.iter().map(Self::to_toml).collect()),
            Self::Table(entries) => {
                toml::Value::Table(entries.iter().map(|(key, item)| (key.clone(), item.to_toml())).collect())
            }
        }
    }
}

impl fmt::Display for Value {
    /// As TOML writes it on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_toml())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(value: &Value) -> crate::digest::Digest {
        let mut hasher = FieldHasher::new("test");
        value.hash_into(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn types_are_kept_apart() {
        let values = [
            Value::Integer(1),
            Value::Float(1.0),
            Value::String("1".into()),
            Value::Boolean(true),
            Value::Array(vec![Value::Integer(1)]),
            Value::Datetime("1979-05-27".into()),
        ];
        for (i, a) in values.iter().enumerate() {
            for b in &values[i + 1..] {
                assert_ne!(digest(a), digest(b), "{a} and {b} must differ");
            }
        }
    }

    #[test]
    fn shows_as_toml() {
        assert_eq!(Value::Float(0.0001).to_string(), "0.0001");
        assert_eq!(Value::Float(2.0).to_string(), "2.0");
        assert_eq!(Value::String("a b".into()).to_string(), "\"a b\"");
        assert_eq!(Value::String("a b".into()).to_text(), "a b");
        let table = Value::Table([("k".to_owned(), Value::Array(vec![Value::Integer(1)]))].into());
        assert_eq!(table.to_string(), "{ k = [1] }");
    }
}
