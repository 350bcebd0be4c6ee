//! `${NAME}` and `${NAME:default}` in values.

use fairway_model::VariableName;

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text as it is.
    Text(String),
    /// A variable of the process environment, without the prefix of the environment.
    Variable { name: VariableName, default: Option<String> },
}

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InterpolateError {
    #[error("`${{` has no `}}`")]
    Open,
    /// Without the default, which may be secret.
    #[error("`${{{0}}}` does not name a variable")]
    Name(String),
    /// The name of the outer one.
    #[error("the default of `${{{0}}}` has a variable in it")]
    Nested(String),
}

impl InterpolateError {
    pub(crate) fn help(&self) -> String {
        match self {
            Self::Open => "close it, or write `$${` for a `${` that is meant as text".to_owned(),
            Self::Name(_) => {
                "write `${NAME}` or `${NAME:default}`, or `$${` for a `${` that is meant as text".to_owned()
            }
            Self::Nested(_) => {
                "a default is plain text; write the inner variable's default instead".to_owned()
            }
        }
    }
}

/// Splits a value into its pieces. `$${` is a `${` that is text; a `$` before anything else is a `$`.
pub(crate) fn parse(text: &str) -> Result<Vec<Piece>, InterpolateError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$${") {
            plain.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let (inside, after) = after.split_once('}').ok_or(InterpolateError::Open)?;
            let (name, default) = match inside.split_once(':') {
                Some((name, default)) => (name, Some(default.to_owned())),
                None => (inside, None),
            };
            let name = VariableName::new(name).map_err(|_| InterpolateError::Name(name.to_owned()))?;
            if default.as_ref().is_some_and(|default| default.contains("${")) {
                return Err(InterpolateError::Nested(name.into()));
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Variable { name, default });
            rest = after;
        } else {
            plain.push('$');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// The whole value is written down: no variable, and something there.
pub(crate) fn is_literal(text: &str) -> bool {
    let pieces = parse(text).unwrap_or_default();
    !pieces.is_empty() && pieces.iter().all(|piece| matches!(piece, Piece::Text(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        match parse(text) {
            Ok(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => format!("[{text}]"),
                    Piece::Variable { name, default: Some(default) } => format!("<{name}|{default}>"),
                    Piece::Variable { name, default: None } => format!("<{name}>"),
                })
                .collect(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn pieces() {
        for (text, expect) in [
            ("", ""),
            ("plain", "[plain]"),
            ("${A}", "<A>"),
            ("${A:}", "<A|>"),
            ("a${B:c:d}e", "[a]<B|c:d>[e]"),
            ("${A}${B}", "<A><B>"),
            ("cost: $5 $", "[cost: $5 $]"),
            ("$${A}", "[${A}]"),
            ("$$$${A}", "[$$${A}]"),
            ("${A", "`${` has no `}`"),
            ("${}", "`${}` does not name a variable"),
            ("${A B}", "`${A B}` does not name a variable"),
            ("${A B:secret}", "`${A B}` does not name a variable"),
            ("${A:${B}}", "the default of `${A}` has a variable in it"),
            ("ü${A}ü", "[ü]<A>[ü]"),
        ] {
            assert_eq!(show(text), expect, "{text}");
        }
    }
}
