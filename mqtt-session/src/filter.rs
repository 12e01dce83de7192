//! Topic names and topic filters: which are legal, and which filter matches which topic.

use core::fmt;

/// A legal topic filter: `a/b`, `a/+/c`, `a/#`, `$share/group/a/#`.
///
/// Not empty, at most 65,535 bytes, no U+0000; `+` fills a whole level, `#` the whole last level.
/// A shared subscription's group is not empty and has no wildcard, and a filter follows it.
///
/// ```
/// use mqtt_session::TopicFilter;
///
/// let all = TopicFilter::new("#")?;
/// assert!(all.matches("a/b"));
/// assert!(!all.matches("$aws/things/lamp/shadow/get")); // a leading wildcard skips `$` topics
/// assert!(TopicFilter::new("$aws/things/+/shadow/#")?.matches("$aws/things/lamp/shadow/get"));
/// assert!(TopicFilter::new("$share/workers/jobs/+")?.matches("jobs/7"));
/// # Ok::<(), mqtt_session::TopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(Box<str>);

impl TopicFilter {
    /// This text as a filter.
    ///
    /// # Errors
    ///
    /// The rule of MQTT (section 4.7 and, for `$share`, 4.8.2 of MQTT 5) it breaks.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, TopicError> {
        let text = text.into();
        check_filter(&text)?;
        Ok(Self(text))
    }

    /// The filter as written, `$share/group/` included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The group of a shared subscription.
    #[must_use]
    pub fn share_group(&self) -> Option<&str> {
        Some(split_share(&self.0)?.0)
    }

    /// The filter that topics are compared with: without `$share/group/`.
    #[must_use]
    pub fn pattern(&self) -> &str {
        split_share(&self.0).map_or(&*self.0, |(_, pattern)| pattern)
    }

    /// Whether it has a wildcard, so that it may match more than one topic.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        // Anywhere else the two characters are illegal.
        self.pattern().bytes().any(|b| b == b'+' || b == b'#')
    }

    /// Whether a message published to `topic` belongs to this filter.
    ///
    /// A wildcard in the first level does not match a topic that begins with `$`
    /// (MQTT 4.7.2). No allocation; linear in the shorter of the two.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        matches(self.pattern(), topic)
    }
}

impl AsRef<str> for TopicFilter {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl core::borrow::Borrow<str> for TopicFilter {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl core::str::FromStr for TopicFilter {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::new(text)
    }
}

impl TryFrom<String> for TopicFilter {
    type Error = TopicError;

    fn try_from(text: String) -> Result<Self, TopicError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for TopicFilter {
    type Error = TopicError;

    fn try_from(text: &str) -> Result<Self, TopicError> {
        Self::new(text)
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Why a text is not a topic, or not a filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TopicError {
    /// Nothing in it.
    Empty,
    /// Longer than the 65,535 bytes MQTT can say.
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// U+0000, which MQTT forbids in text.
    Nul,
    /// `+` or `#` in a topic that is published to.
    Wildcard,
    /// `+` next to other characters of its level.
    PlusInLevel,
    /// `#` that is not alone in the last level.
    HashNotLast,
    /// `$share/` without a group, with a wildcard in the group, or without a filter behind it.
    Share,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("topic is empty"),
            Self::TooLong { length } => {
                write!(f, "topic has {length} bytes; MQTT allows 65535")
            }
            Self::Nul => f.write_str("topic contains U+0000"),
            Self::Wildcard => f.write_str("topic contains a wildcard"),
            Self::PlusInLevel => f.write_str("`+` must fill a whole level of a filter"),
            Self::HashNotLast => f.write_str("`#` must be the whole last level of a filter"),
            Self::Share => {
                f.write_str("a shared subscription is `$share/group/filter`, no wildcard in group")
            }
        }
    }
}

impl core::error::Error for TopicError {}

/// Whether `topic` can be published to: not empty, no wildcard, no U+0000, not too long.
///
/// ```
/// use mqtt_session::check_topic;
///
/// assert!(check_topic("lamps/7/color").is_ok());
/// assert!(check_topic("lamps/+/color").is_err());
/// ```
///
/// # Errors
///
/// The rule it breaks.
pub fn check_topic(topic: &str) -> Result<(), TopicError> {
    check_text(topic)?;
    if !has_forbidden(topic.as_bytes()) {
        Ok(())
    } else if topic.contains('\0') {
        Err(TopicError::Nul)
    } else {
        Err(TopicError::Wildcard)
    }
}

/// Whether a topic has a byte that MQTT forbids where it is published to.
///
/// It looks at every byte, since a loop without an early exit is compiled to vector
/// instructions: a legal topic, the usual case, takes a fraction of the time.
pub(crate) fn has_forbidden(topic: &[u8]) -> bool {
    topic
        .iter()
        .fold(false, |found, byte| found | matches!(byte, 0 | b'+' | b'#'))
}

fn check_filter(filter: &str) -> Result<(), TopicError> {
    check_text(filter)?;
    if filter.contains('\0') {
        return Err(TopicError::Nul);
    }
    let pattern = if filter == "$share" || filter.starts_with(SHARE) {
        let (group, pattern) = split_share(filter).ok_or(TopicError::Share)?;
        if group.is_empty() || group.contains(['+', '#']) || pattern.is_empty() {
            return Err(TopicError::Share);
        }
        pattern
    } else {
        filter
    };
    let mut levels = pattern.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(TopicError::HashNotLast);
        }
        if level.contains('+') && level != "+" {
            return Err(TopicError::PlusInLevel);
        }
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > usize::from(u16::MAX) {
        return Err(TopicError::TooLong { length: text.len() });
    }
    Ok(())
}

fn split_share(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix(SHARE)?.split_once('/')
}

fn matches(pattern: &str, topic: &str) -> bool {
    if topic.starts_with('$') && pattern.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    let mut wanted = pattern.split('/');
    loop {
        match (wanted.next(), levels.next()) {
            // `a/#` matches `a` itself, so `#` may meet the end of the topic.
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(want), Some(level)) if want == level => {}
            (Some(_) | None, Some(_)) | (Some(_), None) => return false,
        }
    }
}

const SHARE: &str = "$share/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_mqtt_4_7_says() {
        let table = [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/ranking",
                true,
            ),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/score/wimbledon",
                true,
            ),
            ("sport/#", "sport", true),
            ("#", "sport/tennis", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("a/b", "a/b", true),
            ("a/b", "a/B", false),
            ("a/b", "a/b/", false),
            ("a/b", "a", false),
            ("a//b", "a//b", true),
            ("a/+/b", "a//b", true),
            ("#", "é", true),
            ("é/#", "é", true),
            ("+", "é", true),
        ];
        for (filter, topic, expected) in table {
            let found = TopicFilter::new(filter).unwrap().matches(topic);
            assert_eq!(found, expected, "{filter} against {topic}");
        }
    }

    #[test]
    fn dollar_topics_need_a_filter_that_names_them() {
        let table = [
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("+", "$SYS", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("$SYS/+", "$SYS/uptime", true),
            (
                "$aws/things/lamp/shadow/get",
                "$aws/things/lamp/shadow/get",
                true,
            ),
            (
                "$aws/things/+/shadow/#",
                "$aws/things/lamp/shadow/name/x/get",
                true,
            ),
            ("a/#", "a/$b", true),
            ("a/+", "a/$b", true),
            ("$share/g/#", "$SYS/uptime", false),
            ("$share/g/$SYS/#", "$SYS/uptime", true),
            ("$share/g/a/+", "a/b", true),
            ("$share/g//a", "/a", true),
        ];
        for (filter, topic, expected) in table {
            let found = TopicFilter::new(filter).unwrap().matches(topic);
            assert_eq!(found, expected, "{filter} against {topic}");
        }
    }

    #[test]
    fn illegal_filters_are_refused_with_the_rule() {
        let table = [
            ("", TopicError::Empty),
            ("a\0b", TopicError::Nul),
            ("a+/b", TopicError::PlusInLevel),
            ("+a", TopicError::PlusInLevel),
            ("a/#/b", TopicError::HashNotLast),
            ("a#", TopicError::HashNotLast),
            ("##", TopicError::HashNotLast),
            ("#+", TopicError::HashNotLast),
            ("$share", TopicError::Share),
            ("$share/", TopicError::Share),
            ("$share/g", TopicError::Share),
            ("$share/g/", TopicError::Share),
            ("$share//a", TopicError::Share),
            ("$share/g+/a", TopicError::Share),
            ("$share/#/a", TopicError::Share),
        ];
        for (text, error) in table {
            assert_eq!(TopicFilter::new(text), Err(error), "{text}");
        }
        assert!(TopicFilter::new("$shared/a").is_ok());
        assert!(TopicFilter::new("é/+/#").is_ok());
    }

    #[test]
    fn topics_to_publish_to_have_no_wildcards() {
        assert_eq!(check_topic("a/b"), Ok(()));
        assert_eq!(check_topic("/"), Ok(()));
        assert_eq!(check_topic(""), Err(TopicError::Empty));
        assert_eq!(check_topic("a/#"), Err(TopicError::Wildcard));
        assert_eq!(check_topic("+"), Err(TopicError::Wildcard));
        assert_eq!(check_topic("\0"), Err(TopicError::Nul));
        let long = "a".repeat(70_000);
        assert_eq!(
            check_topic(&long),
            Err(TopicError::TooLong { length: 70_000 })
        );
    }
}
