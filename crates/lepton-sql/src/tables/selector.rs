//! Prometheus' way to name series: `node_cpu_seconds_total{mode="idle", cpu=~"0|1"}`.

use std::iter::Peekable;
use std::str::Chars;

use lepton_lake::{METRIC_LABEL, Matcher};

/// Reads a selector into matchers.
///
/// # Errors
/// Says what is wrong, for the writer.
pub(super) fn read(text: &str) -> Result<Vec<Matcher>, String> {
    let mut reader = Reader { chars: text.chars().peekable() };
    let mut matchers = Vec::new();
    let metric = reader.word();
    if !metric.is_empty() {
        matchers.push(Matcher::eq(METRIC_LABEL, metric));
    }
    if reader.take('{') {
        while !reader.take('}') {
            matchers.push(reader.matcher()?);
            if !reader.take(',') && reader.peek() != Some('}') {
                return Err(reader.unexpected("',' or '}'"));
            }
        }
    }
    match reader.peek() {
        None if matchers.is_empty() => Err("names no series; write it like up{node=\"web-1\"}".into()),
        None => Ok(matchers),
        Some(_) => Err(reader.unexpected("the end")),
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        while self.chars.next_if(|c| c.is_whitespace()).is_some() {}
        self.chars.peek().copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        self.peek() == Some(wanted) && self.chars.next().is_some()
    }

    fn unexpected(&mut self, wanted: &str) -> String {
        match self.peek() {
            Some(found) => format!("wanted {wanted}, found {found:?}"),
            None => format!("wanted {wanted}, found the end"),
        }
    }

    fn word(&mut self) -> String {
        self.peek();
        let mut word = String::new();
        while let Some(c) = self.chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.')) {
            word.push(c);
        }
        word
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        let name = self.word();
        if name.is_empty() {
            return Err(self.unexpected("a label"));
        }
        let (negated, regex) = match self.peek() {
            Some(sign @ ('=' | '!')) => {
                self.chars.next();
                let regex = self.chars.next_if_eq(&'~').is_some();
                if sign == '!' && !regex && self.chars.next_if_eq(&'=').is_none() {
                    return Err(self.unexpected("!= or !~"));
                }
                (sign == '!', regex)
            }
            _ => return Err(self.unexpected("=, !=, =~ or !~")),
        };
        let value = self.string()?;
        match (negated, regex) {
            (false, false) => Ok(Matcher::eq(name, value)),
            (true, false) => Ok(Matcher::ne(name, value)),
            (false, true) => Matcher::matches(name, &value).map_err(|e| e.to_string()),
            (true, true) => Matcher::not_matches(name, &value).map_err(|e| e.to_string()),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        if !self.take('"') {
            return Err(self.unexpected("a value in double quotes"));
        }
        let mut value = String::new();
        loop {
            match self.chars.next() {
                None => return Err("a value's closing quote is missing".into()),
                Some('"') => return Ok(value),
                Some('\\') => match self.chars.next() {
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some(c @ ('"' | '\\')) => value.push(c),
                    // Regular expressions are full of these.
                    Some(c) => value.extend(['\\', c]),
                    None => {}
                },
                Some(c) => value.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_read_like_prometheus() {
        let check = |text: &str, expect: &str| {
            let found = match read(text) {
                Ok(matchers) => format!("{matchers:?}"),
                Err(problem) => problem,
            };
            assert_eq!(found, expect, "{text:?}");
        };
        check("up", r#"[__name__="up"]"#);
        check(r#" up { node = "web-1" , } "#, r#"[__name__="up", node="web-1"]"#);
        check(r#"{mode!="idle",cpu=~"0|1"}"#, r#"[mode!="idle", cpu=~"^(?s:0|1)$"]"#);
        check(r#"{a!~"x\\d"}"#, r#"[a!~"^(?s:x\\d)$"]"#);
        check(r#"{a="q\"\n"}"#, r#"[a="q\"\n"]"#);
        check("", "names no series; write it like up{node=\"web-1\"}");
        check("{}", "names no series; write it like up{node=\"web-1\"}");
        check("up{", "wanted a label, found the end");
        check("up{node}", "wanted =, !=, =~ or !~, found '}'");
        check("up{node!\"x\"}", "wanted != or !~, found '\"'");
        check("up{node=x}", "wanted a value in double quotes, found 'x'");
        check("up{node=\"x}", "a value's closing quote is missing");
        check("up{node=\"x\" b=\"y\"}", "wanted ',' or '}', found 'b'");
        check("up extra", "wanted the end, found 'e'");
        assert!(read("up{a=~\"(\"}").is_err());
    }
}
