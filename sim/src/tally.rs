//! Counts of what happened, by kind: printed at the end, and the proof that a run tested something.

/// Something that is counted in a `T`.
pub trait Count<T>: Copy {
    /// Where its count is.
    fn place(self, totals: &mut T) -> &mut u64;
}

/// More than there are of any kind.
pub(crate) const KINDS: usize = 64;

/// An enum of things that are counted in a field of some totals.
macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident in $totals:ident.$field:ident { $($variant:ident: $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[expect(missing_docs, reason = "the text beside each says it")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What it is called in print.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl $crate::tally::Count<$totals> for $name {
            fn place(self, totals: &mut $totals) -> &mut u64 {
                &mut totals.$field[self as usize]
            }
        }
    };
}

/// Counts in sections. Of a section that is `needed` each kind has to occur.
macro_rules! totals {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ident, $title:literal, needed: $needed:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name { $($field: [u64; $crate::tally::KINDS],)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: [0; $crate::tally::KINDS],)* }
            }
        }

        impl $name {
            /// Counts one.
            pub fn note(&mut self, what: impl $crate::tally::Count<Self>) {
                self.add(what, 1);
            }

            /// Counts several.
            pub fn add(&mut self, what: impl $crate::tally::Count<Self>, number: u64) {
                *what.place(self) += number;
            }

            /// A count.
            #[must_use]
            pub fn get(&self, what: impl $crate::tally::Count<Self>) -> u64 {
                *what.place(&mut self.clone())
            }

            /// Takes in the counts of another run.
            pub fn merge(&mut self, other: &Self) {
                $(for (sum, count) in self.$field.iter_mut().zip(&other.$field) {
                    *sum += count;
                })*
            }

            /// The kinds that have to occur and did so fewer than `least` times.
            #[must_use]
            pub fn rare(&self, least: u64) -> Vec<String> {
                let mut rare = Vec::new();
                $(if $needed {
                    let kinds = $kind::ALL.iter().map(|kind| (kind.text(), self.get(*kind)));
                    let few = kinds.filter(|(_, count)| *count < least);
                    rare.extend(few.map(|(text, count)| format!("{text}: {count}")));
                })*
                rare
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $(writeln!(f, $title)?;
                for kind in $kind::ALL {
                    writeln!(f, "  {:>12}  {}", self.get(*kind), kind.text())?;
                })*
                Ok(())
            }
        }
    };
}

pub(crate) use {kinds, totals};
