//! Where a store is: what people write, taken apart and checked before anything is opened.

use crate::StoreError;
use std::{fmt, path::PathBuf};
use url::Url;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory on this machine.
    Directory(PathBuf),
    /// A bucket behind the S3 protocol. Credentials are not part of a location: they come from the usual
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` or the instance's own role.
    S3 {
        /// The bucket.
        bucket: String,
        /// Everything is kept below this; empty for the whole bucket, never with a slash at an end.
        prefix: String,
        /// Base URL of a server other than AWS: MinIO, R2, Ceph.
        endpoint: Option<Url>,
        /// Region; `None` leaves it to `AWS_REGION`.
        region: Option<String>,
    },
}

impl Location {
    /// Reads a location as people write it: a path, or `s3://bucket/prefix?endpoint=…&region=…`.
    ///
    /// # Errors
    /// [`StoreError::Location`] with what is wrong: another scheme, a missing bucket, an unknown or repeated option,
    /// an endpoint that is not a URL or that would carry credentials in clear text over a network.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let wrong = |reason: String| StoreError::Location { location: without_credentials(text), reason };
        if text.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self::Directory(PathBuf::from(text)));
        };
        if scheme != "s3" {
            return Err(wrong(format!("the scheme `{scheme}` is not known here")));
        }
        let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
        let bucket = url.host_str().filter(|host| !host.is_empty());
        let bucket = bucket.ok_or_else(|| wrong("the bucket is missing".to_owned()))?.to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "credentials do not belong into it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    .to_owned(),
            ));
        }
        if url.port().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "a bucket has no port and no fragment; the server is given with `endpoint=`".to_owned(),
            ));
        }
        let prefix = url.path().trim_matches('/').to_owned();
        if prefix.split('/').any(|part| matches!(part, "." | "..")) || prefix.contains("//") {
            return Err(wrong(format!("the prefix `{prefix}` has an empty or relative part")));
        }
        let (mut endpoint, mut region) = (None, None);
        for (key, value) in url.query_pairs() {
            let repeated = match key.as_ref() {
                "endpoint" => endpoint.replace(check_endpoint(&value).map_err(&wrong)?).is_some(),
                "region" if value.is_empty() => return Err(wrong("the region is empty".to_owned())),
                "region" => region.replace(value.into_owned()).is_some(),
                other => {
                    return Err(wrong(format!(
                        "`{other}` is not an option; there are `endpoint` and `region`"
                    )));
                }
            };
            if repeated {
                return Err(wrong(format!("`{key}` is given twice")));
            }
        }
        Ok(Self::S3 { bucket, prefix, endpoint, region })
    }
}

/// The text with everything between `://` and a following `@` masked, so that an error can show it.
fn without_credentials(text: &str) -> String {
    let mut shown = String::new();
    for (index, part) in text.split("://").enumerate() {
        if index == 0 {
            shown.push_str(part);
            continue;
        }
        shown.push_str("://");
        match part.rsplit_once('@') {
            Some((_, host)) => {
                shown.push_str("…@");
                shown.push_str(host);
            }
            None => shown.push_str(part),
        }
    }
    shown
}

/// Plain HTTP is for a server on this machine alone: signed requests still show every document to the network.
fn check_endpoint(text: &str) -> Result<Url, String> {
    let shown = without_credentials(text);
    let url = Url::parse(text).map_err(|error| format!("the endpoint `{shown}` is not a URL: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(format!("the endpoint `{shown}` is plain HTTP to another machine; use https")),
        other => return Err(format!("the endpoint `{shown}` has the scheme `{other}`; use https")),
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(format!("the endpoint `{shown}` must be scheme, host, port and path alone"));
    }
    Ok(url)
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix, endpoint, region: _ } => {
                write!(f, "s3://{bucket}")?;
                if !prefix.is_empty() {
                    write!(f, "/{prefix}")?;
                }
                match endpoint {
                    Some(endpoint) => write!(f, " at {}", endpoint.as_str().trim_end_matches('/')),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(bucket: &str, prefix: &str, endpoint: Option<&str>, region: Option<&str>) -> Location {
        Location::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: endpoint.map(|url| url.parse().unwrap()),
            region: region.map(str::to_owned),
        }
    }

    #[test]
    fn what_people_write() {
        for (text, expect, shown) in [
            (".fairway/store", Location::Directory(".fairway/store".into()), ".fairway/store"),
            ("/var/lib/fairway", Location::Directory("/var/lib/fairway".into()), "/var/lib/fairway"),
            ("s3://log", s3("log", "", None, None), "s3://log"),
            ("s3://log/team/shop/", s3("log", "team/shop", None, None), "s3://log/team/shop"),
            ("s3://log/a?region=eu-central-1", s3("log", "a", None, Some("eu-central-1")), "s3://log/a"),
            (
                "s3://log?endpoint=http://127.0.0.1:9000&region=auto",
                s3("log", "", Some("http://127.0.0.1:9000"), Some("auto")),
                "s3://log at http://127.0.0.1:9000",
            ),
            (
                "s3://log?endpoint=https%3A%2F%2Fx.r2.cloudflarestorage.com",
                s3("log", "", Some("https://x.r2.cloudflarestorage.com"), None),
                "s3://log at https://x.r2.cloudflarestorage.com",
            ),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location, expect, "{text}");
            assert_eq!(location.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, reason) in [
            ("", "it is empty"),
            ("gs://log", "scheme `gs`"),
            ("s3://", "bucket is missing"),
            ("s3://key:secret@log", "credentials do not belong"),
            ("s3://log:9000/x", "a bucket has no port"),
            ("s3://log/a//b", "empty or relative part"),
            ("s3://log?endpont=https://x", "`endpont` is not an option"),
            ("s3://log?region=a&region=b", "`region` is given twice"),
            ("s3://log?region=", "the region is empty"),
            ("s3://log?endpoint=minio", "is not a URL"),
            ("s3://log?endpoint=ftp://x", "use https"),
            ("s3://log?endpoint=http://minio.example.com", "plain HTTP to another machine"),
            ("s3://log?endpoint=https://a:b@x", "host, port and path alone"),
        ] {
            let error = Location::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("a:b") && !error.contains("secret@"), "{error}");
        }
    }
}
