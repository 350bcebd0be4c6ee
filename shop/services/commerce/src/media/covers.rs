//! The covers of the example products: drawings made of a category's sign and a product's name.
//!
//! They are part of the program, so that a new system shows pictures without a file having been copied anywhere.

use std::fmt::Write;

use uuid::Uuid;

use crate::seed::products;

/// The directory of the covers, as the path of an address has it.
pub const SET: &str = "v3";

/// Colours of the background and of the sign, and the sign as an SVG path in a box of 96 by 96, by category.
const SIGNS: [(&str, &str, &str, &str); 3] = [
    ("1", "#e8edf2", "#4a6580", "M12 60h72v10H12zM12 44h72v10H12zM12 28h72v10H12z"),
    ("5", "#fdf3dc", "#b7791f", "M54 8 22 54h20l-6 34 38-50H50z"),
    ("6", "#e3f3ea", "#2f7d55", "M48 8 84 20v26c0 22-16 36-36 44C28 82 12 68 12 46V20z"),
];

/// The cover of an example product; nothing for other products.
pub fn of(product: Uuid) -> Option<String> {
    let (name, category) =
        products().find(|(id, ..)| *id == product).map(|(_, name, category)| (name, category))?;
    let (_, ground, ink, sign) = SIGNS.iter().find(|(digits, ..)| *digits == category).unwrap_or(&SIGNS[0]);
    let mut text = String::new();
    for character in name.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            other => text.push(other),
        }
    }
    let mut svg = String::new();
    let _to_a_string = write!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="640" height="640" viewBox="0 0 640 640"><rect width="640" height="640" fill="{ground}"/><circle cx="320" cy="270" r="170" fill="#fff" fill-opacity=".7"/><path transform="translate(200 150) scale(2.5)" fill="{ink}" d="{sign}"/><text x="320" y="540" text-anchor="middle" font-family="sans-serif" font-size="44" fill="{ink}">{text}</text></svg>"##
    );
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_one() {
        assert_eq!(products().count(), 12);
        for (id, name, _) in products() {
            let svg = of(id).unwrap();
            assert!(svg.contains(name) && svg.ends_with("</svg>"), "{svg}");
        }
        assert_eq!(of(Uuid::nil()), None);
    }
}
