//! Shapes that several services answer with.

use serde::{Deserialize, Serialize};

use crate::extract::Paging;

/// A list that is not paged: `{items}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Items<T> {
    /// Everything there is; an empty list is `[]`, never null.
    pub items: Vec<T>,
}

/// One page of a list: `{items, page, pageSize, total}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows of this page; empty past the end.
    pub items: Vec<T>,
    /// From 1.
    pub page: i64,
    /// The size that was used, after limits.
    pub page_size: i64,
    /// How many there are altogether.
    pub total: i64,
}

impl<T> Page<T> {
    /// A page of a list.
    pub fn of(items: Vec<T>, paging: Paging, total: i64) -> Self {
        Self { items, page: paging.page, page_size: paging.size, total }
    }
}
