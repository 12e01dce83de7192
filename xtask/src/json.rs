//! Just enough JSON to read what `cargo metadata` prints.

use std::str::Chars;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// `None`: not JSON.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.chars() };
        let value = reader.value()?;
        reader.peek().is_none().then_some(value)
    }

    /// A member of an object; `Null` when there is none.
    pub(crate) fn get(&self, key: &str) -> &Self {
        let Self::Object(members) = self else {
            return &Self::Null;
        };
        members
            .iter()
            .find(|(name, _)| name == key)
            .map_or(&Self::Null, |(_, value)| value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        *self == Self::Bool(true)
    }

    /// The items of a list; nothing for other values.
    pub(crate) fn items(&self) -> &[Self] {
        if let Self::List(items) = self {
            items
        } else {
            &[]
        }
    }

    /// The members of an object; nothing for other values.
    pub(crate) fn members(&self) -> &[(String, Self)] {
        if let Self::Object(members) = self {
            members
        } else {
            &[]
        }
    }
}

struct Reader<'a> {
    rest: Chars<'a>,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Json> {
        match self.peek()? {
            '{' => self.object(),
            '[' => self.list(),
            '"' => self.text().map(Json::Text),
            _ => self.word(),
        }
    }

    fn object(&mut self) -> Option<Json> {
        let mut members = Vec::new();
        self.expect('{')?;
        if self.eat('}') {
            return Some(Json::Object(members));
        }
        loop {
            self.peek()?;
            let key = self.text()?;
            self.expect(':')?;
            members.push((key, self.value()?));
            if self.eat('}') {
                return Some(Json::Object(members));
            }
            self.expect(',')?;
        }
    }

    fn list(&mut self) -> Option<Json> {
        let mut items = Vec::new();
        self.expect('[')?;
        if self.eat(']') {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.eat(']') {
                return Some(Json::List(items));
            }
            self.expect(',')?;
        }
    }

    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        self.expect('"')?;
        loop {
            match self.rest.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                character => text.push(character),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let first = self.unit()?;
                let mut units = vec![first];
                if (0xd800..0xdc00).contains(&first) {
                    (self.rest.next()? == '\\' && self.rest.next()? == 'u').then_some(())?;
                    units.push(self.unit()?);
                }
                char::decode_utf16(units).next()?.ok()?
            }
            character => character,
        })
    }

    fn unit(&mut self) -> Option<u16> {
        let digits: String = self.rest.by_ref().take(4).collect();
        u16::from_str_radix(&digits, 16).ok()
    }

    fn word(&mut self) -> Option<Json> {
        let text = self.rest.as_str();
        let end = text.find([',', '}', ']', ' ', '\n']).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end)?;
        self.rest = rest.chars();
        Some(match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => {
                word.parse::<f64>().ok()?;
                Json::Number(word.to_owned())
            }
        })
    }

    /// The next character that is not white space.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest.as_str().trim_start();
        self.rest = rest.chars();
        rest.chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest.next();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.eat(wanted).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cargo_prints() {
        let json = Json::parse(
            r#" {"a": [1, -2.5e3, null, true], "b\n\u00e9\ud83d\ude00": {"c": "\"\\"}, "d": []} "#,
        );
        let json = json.expect("JSON");
        assert_eq!(json.get("a").items().len(), 4);
        assert!(json.get("a").items()[3].is_true());
        assert_eq!(json.get("b\né😀").get("c").text(), Some("\"\\"));
        assert_eq!(json.get("absent").get("more"), &Json::Null);
        assert_eq!(json.members().len(), 3);
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in [
            "",
            "{",
            "{\"a\" 1}",
            "[1,]",
            "nul",
            "\"\\ud800\"",
            "1 2",
            "[1",
        ] {
            assert_eq!(Json::parse(text), None, "{text}");
        }
    }
}
