//! The kinds of topics, and the operations they belong to.

use core::fmt;

/// What a client can ask of a shadow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the service has three operations, a fourth would break every match"
)]
pub enum Operation {
    /// Ask for the whole document.
    Get,
    /// Merge a partial document.
    Update,
    /// Remove the shadow.
    Delete,
}

impl Operation {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Get, Self::Update, Self::Delete];

    /// The topic level: `get`, `update` or `delete`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// Splits a slash and an operation off the end.
    fn split_off(topic: &str) -> Option<(&str, Self)> {
        match topic.as_bytes().last()? {
            b't' => Some((topic.strip_suffix("/get")?, Self::Get)),
            b'e' => match topic.strip_suffix("/update") {
                Some(rest) => Some((rest, Self::Update)),
                None => Some((topic.strip_suffix("/delete")?, Self::Delete)),
            },
            _ => None,
        }
    }

    /// The topic a request of this operation is published to.
    #[must_use]
    pub const fn request(self) -> TopicKind {
        match self {
            Self::Get => TopicKind::Get,
            Self::Update => TopicKind::Update,
            Self::Delete => TopicKind::Delete,
        }
    }

    /// The topic an accepted request is answered on.
    #[must_use]
    pub const fn accepted(self) -> TopicKind {
        match self {
            Self::Get => TopicKind::GetAccepted,
            Self::Update => TopicKind::UpdateAccepted,
            Self::Delete => TopicKind::DeleteAccepted,
        }
    }

    /// The topic a rejected request is answered on.
    #[must_use]
    pub const fn rejected(self) -> TopicKind {
        match self {
            Self::Get => TopicKind::GetRejected,
            Self::Update => TopicKind::UpdateRejected,
            Self::Delete => TopicKind::DeleteRejected,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of a shadow's eleven topics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new topic must break every match"
)]
pub enum TopicKind {
    /// `get`, published by clients.
    Get,
    /// `get/accepted`.
    GetAccepted,
    /// `get/rejected`.
    GetRejected,
    /// `update`, published by clients.
    Update,
    /// `update/accepted`.
    UpdateAccepted,
    /// `update/rejected`.
    UpdateRejected,
    /// `update/delta`.
    UpdateDelta,
    /// `update/documents`.
    UpdateDocuments,
    /// `delete`, published by clients.
    Delete,
    /// `delete/accepted`.
    DeleteAccepted,
    /// `delete/rejected`.
    DeleteRejected,
}

impl TopicKind {
    /// All eleven.
    pub const ALL: [Self; 11] = [
        Self::Get,
        Self::GetAccepted,
        Self::GetRejected,
        Self::Update,
        Self::UpdateAccepted,
        Self::UpdateRejected,
        Self::UpdateDelta,
        Self::UpdateDocuments,
        Self::Delete,
        Self::DeleteAccepted,
        Self::DeleteRejected,
    ];

    /// The last one or two levels, such as `update/delta`.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetAccepted => "get/accepted",
            Self::GetRejected => "get/rejected",
            Self::Update => "update",
            Self::UpdateAccepted => "update/accepted",
            Self::UpdateRejected => "update/rejected",
            Self::UpdateDelta => "update/delta",
            Self::UpdateDocuments => "update/documents",
            Self::Delete => "delete",
            Self::DeleteAccepted => "delete/accepted",
            Self::DeleteRejected => "delete/rejected",
        }
    }

    /// The topic kind whose [`suffix`](Self::suffix) is `suffix`.
    #[must_use]
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix.as_bytes() {
            b"get" => Self::Get,
            b"get/accepted" => Self::GetAccepted,
            b"get/rejected" => Self::GetRejected,
            b"update" => Self::Update,
            b"update/accepted" => Self::UpdateAccepted,
            b"update/rejected" => Self::UpdateRejected,
            b"update/delta" => Self::UpdateDelta,
            b"update/documents" => Self::UpdateDocuments,
            b"delete" => Self::Delete,
            b"delete/accepted" => Self::DeleteAccepted,
            b"delete/rejected" => Self::DeleteRejected,
            _ => return None,
        })
    }

    /// Splits the slash and the suffix of a kind off the end.
    pub(super) fn split_off(topic: &str) -> Option<(&str, Self)> {
        // The last byte says what the rest can be.
        match topic.as_bytes().last()? {
            b'd' => {
                if let Some(rest) = topic.strip_suffix("/accepted") {
                    let (rest, operation) = Operation::split_off(rest)?;
                    return Some((rest, operation.accepted()));
                }
                let rest = topic.strip_suffix("/rejected")?;
                let (rest, operation) = Operation::split_off(rest)?;
                Some((rest, operation.rejected()))
            }
            b'a' => Some((topic.strip_suffix("/update/delta")?, Self::UpdateDelta)),
            b's' => Some((
                topic.strip_suffix("/update/documents")?,
                Self::UpdateDocuments,
            )),
            _ => {
                let (rest, operation) = Operation::split_off(topic)?;
                Some((rest, operation.request()))
            }
        }
    }

    /// The operation this topic belongs to.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Get | Self::GetAccepted | Self::GetRejected => Operation::Get,
            Self::Update
            | Self::UpdateAccepted
            | Self::UpdateRejected
            | Self::UpdateDelta
            | Self::UpdateDocuments => Operation::Update,
            Self::Delete | Self::DeleteAccepted | Self::DeleteRejected => Operation::Delete,
        }
    }

    /// Whether clients publish to it (`get`, `update`, `delete`); the service publishes to the
    /// other eight.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self, Self::Get | Self::Update | Self::Delete)
    }
}
