//! Pictures that a spreadsheet refers to: addresses as they are, names in an uploaded zip, or both together with an
//! address that they are relative to.

use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use url::Url;
use uuid::Uuid;
use zip::ZipArchive;

use crate::media::Media;
use crate::media::kind::Kind;

/// Bytes of a picture in the zip.
const LARGEST: u64 = 10 << 20;
/// Characters of an address.
const LONGEST: usize = 2000;

/// Where pictures come from.
#[derive(Debug)]
pub(super) struct Images {
    job: Uuid,
    base: Option<Url>,
    zip: Option<Arc<Mutex<ZipArchive<Cursor<Bytes>>>>>,
}

impl Images {
    /// The pictures of a job.
    ///
    /// # Errors
    /// When the zip is none.
    pub(super) fn new(job: Uuid, base: Option<&str>, zip: Option<Bytes>) -> Result<Self, String> {
        let base =
            base.map(Url::parse).transpose().map_err(|e| format!("imageBaseUrl can't be used: {e}"))?;
        let zip = match zip {
            None => None,
            Some(content) => {
                let zip = ZipArchive::new(Cursor::new(content)).map_err(|_| "imagesZip is not a zip file")?;
                Some(Arc::new(Mutex::new(zip)))
            }
        };
        Ok(Self { job, base, zip })
    }

    /// The address of a picture, which is copied out of the zip if that is where it is.
    ///
    /// # Errors
    /// What is wrong with the reference, or with the file it leads to.
    pub(super) async fn resolve(&self, media: &Media, reference: &str) -> Result<String, String> {
        if reference.chars().count() > LONGEST {
            return Err(format!("an image reference is longer than {LONGEST} characters"));
        }
        if let Some(url) = absolute(reference)? {
            return Ok(url);
        }
        if let Some(base) = &self.base {
            let url =
                base.join(reference).map_err(|e| format!("image {reference} can't be resolved: {e}"))?;
            return absolute(url.as_str())?.ok_or_else(|| format!("image {reference} can't be resolved"));
        }
        let Some(zip) = &self.zip else {
            return Err(format!("image {reference} is relative; send imagesZip or imageBaseUrl"));
        };
        let (zip, name) = (Arc::clone(zip), reference.to_owned());
        let (index, content) = tokio::task::spawn_blocking(move || take(&zip, &name))
            .await
            .map_err(|_| format!("image {reference} can't be read"))??;
        let kind = Kind::of_upload(&content).filter(|kind| kind.is_picture());
        let Some(kind) = kind else { return Err(format!("image {reference} is no JPEG, PNG or WebP")) };
        // By its place in the zip: a second attempt writes the same file.
        let path = format!("catalog/{}/{index}.{}", self.job, kind.extension());
        media.write(&path, content).await.map_err(|e| format!("image {reference} can't be stored: {e}"))?;
        Ok(media.url(&path))
    }
}

/// An address of the web as it is; nothing for a relative one.
fn absolute(reference: &str) -> Result<Option<String>, String> {
    match Url::parse(reference) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(Some(reference.to_owned())),
        Ok(_) => Err(format!("image {reference} is no http:// or https:// address")),
        Err(_) => Ok(None),
    }
}

fn take(zip: &Mutex<ZipArchive<Cursor<Bytes>>>, name: &str) -> Result<(usize, Bytes), String> {
    let mut zip = zip.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = name.trim_start_matches("./").trim_start_matches('/').replace('\\', "/");
    let index = zip.index_for_name(&wanted).ok_or_else(|| format!("image {name} is not in imagesZip"))?;
    let file = zip.by_index(index).map_err(|_| format!("image {name} can't be unpacked"))?;
    let mut content = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut content)
        .map_err(|_| format!("image {name} can't be unpacked"))?;
    if content.len() as u64 > LARGEST {
        return Err(format!("image {name} exceeds 10MB"));
    }
    Ok((index, content.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(absolute("https://a/b.png"), Ok(Some("https://a/b.png".into())));
        assert_eq!(absolute("a/b.png"), Ok(None));
        assert_eq!(
            absolute("file:///etc/passwd").unwrap_err(),
            "image file:///etc/passwd is no http:// or https:// address"
        );
        assert!(absolute("javascript:alert(1)").is_err());
    }
}
