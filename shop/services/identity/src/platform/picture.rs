//! A QR code as a picture that a page can show as it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qrcode::{Color, EcLevel, QrCode};
use thiserror::Error;

/// Width and height in pixels.
const SIZE: usize = 256;
/// White around the code, in modules (ISO/IEC 18004 asks for four).
const QUIET: usize = 4;

/// The text can't become a picture.
#[derive(Debug, Error)]
pub enum PictureError {
    /// Too long for a QR code.
    #[error("the text does not fit into a QR code")]
    Code(#[from] qrcode::types::QrError),
    /// The picture can't be written.
    #[error("the picture can't be written")]
    Picture(#[from] png::EncodingError),
}

/// The QR code of a text: a PNG of 256 by 256 pixels as a `data:` URL.
///
/// # Errors
/// When the text is too long.
pub fn data_url(text: &str) -> Result<String, PictureError> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png_of(text)?)))
}

fn png_of(text: &str) -> Result<Vec<u8>, PictureError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    let (width, modules) = (code.width(), code.to_colors());
    let scale = (SIZE / (width + 2 * QUIET)).max(1);
    let margin = SIZE.saturating_sub(width * scale) / 2;
    let mut pixels = vec![255_u8; SIZE * SIZE];
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let module = |at: usize| at.checked_sub(margin).map(|at| at / scale).filter(|at| *at < width);
        if let (Some(x), Some(y)) = (module(index % SIZE), module(index / SIZE))
            && modules[y * width + x] == Color::Dark
        {
            *pixel = 0;
        }
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, SIZE as u32, SIZE as u32);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scanner_reads_what_was_written() {
        let text = "tmo://sales-bind?scene=MFRGGZDFMZTWQ2LKNNWG";
        let url = data_url(text).unwrap();
        let png = STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; SIZE * SIZE];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.width, frame.height), (256, 256));
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(SIZE, SIZE, |x, y| pixels[y * SIZE + x]);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        assert_eq!(grids[0].decode().unwrap().1, text);
    }

    #[test]
    fn a_text_that_is_too_long() {
        assert!(data_url(&"x".repeat(4000)).is_err());
    }
}
