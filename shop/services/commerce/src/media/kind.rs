//! What a file is: read from its first bytes when it comes, from its ending when it goes. Pure.

/// A kind of file that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A photograph.
    Jpeg,
    /// A picture.
    Png,
    /// A picture.
    Webp,
    /// A document.
    Pdf,
    /// A drawing; only our own, because one can contain programs.
    Svg,
    /// A report.
    Json,
    /// A report for spreadsheets.
    Csv,
    /// A spreadsheet.
    Xlsx,
}

impl Kind {
    const ALL: [Self; 8] =
        [Self::Jpeg, Self::Png, Self::Webp, Self::Pdf, Self::Svg, Self::Json, Self::Csv, Self::Xlsx];

    /// What was uploaded, if that is a kind which is taken from people.
    pub fn of_upload(content: &[u8]) -> Option<Self> {
        match content {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'%', b'P', b'D', b'F', b'-', ..] => Some(Self::Pdf),
            _ => None,
        }
    }

    /// Whether it is a picture that people may upload.
    pub fn is_picture(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Webp)
    }

    /// What a name says that it is.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        Self::ALL.into_iter().find(|kind| kind.extension() == ending)
    }

    /// The ending of its name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Pdf => "pdf",
            Self::Svg => "svg",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    /// What browsers call it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
            Self::Svg => "image/svg+xml",
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        let check = |content: &[u8], expect: Option<Kind>| {
            assert_eq!(Kind::of_upload(content), expect, "{}", String::from_utf8_lossy(content));
        };
        check(b"\xFF\xD8\xFF\xE0", Some(Kind::Jpeg));
        check(b"\x89PNG\r\n\x1A\n....", Some(Kind::Png));
        check(b"RIFF1234WEBPVP8 ", Some(Kind::Webp));
        check(b"%PDF-1.7", Some(Kind::Pdf));
        for other in [&b""[..], b"<svg>", b"<html>", b"RIFF1234WAVE", b"MZ", b"GIF89a", b"\xFF\xD8"] {
            check(other, None);
        }
    }

    #[test]
    fn endings() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_name(&format!("a.{}", kind.extension())), Some(kind));
        }
        assert_eq!(Kind::of_name("a.html"), None);
        assert_eq!(Kind::of_name("png"), None);
    }
}
