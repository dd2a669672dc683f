//! Lists that come in pages.

use std::collections::BTreeSet;

use crate::{CloudError, CloudResult};

/// Most pages that are read of one list: 100,000 machines at 100 a page, tenfold.
const MAX_PAGES: usize = 10_000;

/// Where the next page begins, in the cloud's own way of saying so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageToken(Box<str>);

impl PageToken {
    /// A token as the cloud gave it; `None` for the empty text by which some clouds mean the end.
    pub fn new(text: impl Into<Box<str>>) -> Option<Self> {
        Some(text.into()).filter(|text| !text.is_empty()).map(Self)
    }

    /// As the cloud gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number in a token made by [`Page::by_number`]; `first` without a token.
    ///
    /// # Errors
    /// The token is none of ours.
    pub fn number(token: Option<Self>, first: u64) -> CloudResult<u64> {
        match token {
            None => Ok(first),
            Some(token) => token.0.parse().map_err(|_| CloudError::garbled("page token is no number")),
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it; may be empty though more follow.
    pub items: Vec<T>,
    /// The next one; `None` at the end.
    pub next: Option<PageToken>,
}

impl<T> Page<T> {
    /// All there is.
    pub fn last(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// A page of a cloud that counts pages or items: `next` follows while there is more.
    pub fn by_number(items: Vec<T>, next: u64, more: bool) -> Self {
        Self { items, next: if more { PageToken::new(next.to_string()) } else { None } }
    }

    /// A page of a cloud that skips as many items as it is told, in our words. A page without items ends the list even if
    /// `total` says otherwise.
    pub fn by_offset<W: Into<T>>(offset: u64, items: Vec<W>, total: u64) -> Self {
        let next = offset.saturating_add(items.len() as u64);
        let more = !items.is_empty() && next < total;
        Self::by_number(items.into_iter().map(Into::into).collect(), next, more)
    }
}

/// Reads a list to its end: `every_page(|page| cloud.volumes(page))`.
///
/// # Errors
/// The first error of a page; a cloud whose pages go round in a circle, or never end.
pub async fn every_page<T, F>(mut read: impl FnMut(Option<PageToken>) -> F) -> CloudResult<Vec<T>>
where
    F: Future<Output = CloudResult<Page<T>>>,
{
    let (mut all, mut next, mut seen) = (Vec::new(), None, BTreeSet::new());
    for _ in 0..MAX_PAGES {
        let page = read(next).await?;
        all.extend(page.items);
        let Some(token) = page.next else { return Ok(all) };
        if !seen.insert(token.clone()) {
            return Err(CloudError::garbled("the list's pages go round in a circle"));
        }
        next = Some(token);
    }
    Err(CloudError::garbled(format_args!("the list has more than {MAX_PAGES} pages")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lists_are_read_to_their_end_and_no_further() {
        let three = every_page(async |page| {
            let at = PageToken::number(page, 0)?;
            Ok(Page::by_number(vec![at], at + 1, at < 2))
        });
        assert_eq!(three.await.unwrap(), [0, 1, 2]);
        let circle = every_page(async |_| Ok(Page::by_number(vec![0], 7, true)));
        assert!(circle.await.unwrap_err().to_string().contains("circle"));
    }
}
