//! Enums of the contracts: a closed set of words.

use thiserror::Error;

/// A word that is not one of those the contract allows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{word}` is not one of {allowed}")]
pub struct UnknownWord {
    /// What was given.
    pub word: String,
    /// What is allowed, with commas.
    pub allowed: String,
}

/// An enum whose values are words on the wire: `Active = "active"`.
macro_rules! wire_enum {
    ($(#[$doc:meta])* pub enum $name:ident { $($value:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum $name {
            $(
                #[doc = concat!("`", $word, "`")]
                #[serde(rename = $word)]
                $value,
            )+
        }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$value),)+
                    _ => Err($crate::UnknownWord {
                        word: word.to_owned(),
                        allowed: [$($word),+].join(", "),
                    }),
                }
            }
        }

        #[cfg(feature = "sqlx")]
        impl<D: sqlx::Database> sqlx::Type<D> for $name
        where
            str: sqlx::Type<D>,
        {
            fn type_info() -> D::TypeInfo {
                <str as sqlx::Type<D>>::type_info()
            }

            fn compatible(column: &D::TypeInfo) -> bool {
                <str as sqlx::Type<D>>::compatible(column)
            }
        }

        #[cfg(feature = "sqlx")]
        impl<'r, D: sqlx::Database> sqlx::Decode<'r, D> for $name
        where
            &'r str: sqlx::Decode<'r, D>,
        {
            fn decode(value: D::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&str as sqlx::Decode<D>>::decode(value)?.parse()?)
            }
        }

        #[cfg(feature = "sqlx")]
        impl<'q, D: sqlx::Database> sqlx::Encode<'q, D> for $name
        where
            &'static str: sqlx::Encode<'q, D>,
        {
            fn encode_by_ref(
                &self,
                buffer: &mut D::ArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                self.as_str().encode_by_ref(buffer)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::UnknownWord;

            fn try_from(word: String) -> Result<Self, Self::Error> {
                word.parse()
            }
        }
    };
}
