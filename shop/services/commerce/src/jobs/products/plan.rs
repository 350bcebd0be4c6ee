//! What the rows of a product spreadsheet mean. Pure.
//!
//! A row is a SKU; rows with the same group key are one product and must agree about it.

use std::collections::{BTreeMap, BTreeSet};

use shop_wire::commerce::PriceTier;
use uuid::Uuid;

use crate::catalog::products::MOST_IMAGES;
use crate::catalog::skus::SkuContent;
use crate::catalog::tiers;
use crate::sheets::{Column, Row, Template, column};
use crate::text::SHORT;

/// Columns of [`TEMPLATE`].
const GROUP_KEY: usize = 0;
const SKU_CODE: usize = 1;
const PRODUCT_NAME: usize = 2;
const SKU_NAME: usize = 3;
const CATEGORY_ID: usize = 4;
const DESCRIPTION: usize = 5;
const COVER_IMAGE: usize = 6;
const IMAGES: usize = 7;
const TAGS: usize = 8;
const FILTER_DIMENSIONS: usize = 9;
const SPEC: usize = 10;
const ATTRIBUTES: usize = 11;
const UNIT: usize = 12;
const IS_ACTIVE: usize = 13;
const PRICE_TIERS: usize = 14;
/// Columns that all rows of a product share.
const SHARED: [usize; 7] =
    [PRODUCT_NAME, CATEGORY_ID, DESCRIPTION, COVER_IMAGE, IMAGES, TAGS, FILTER_DIMENSIONS];

/// What a spreadsheet of products looks like.
pub const TEMPLATE: Template = Template {
    name: "product_import",
    columns: &[
        column("Group Key"),
        column("SKU Code"),
        column("Product Name"),
        column("SKU Name"),
        column("Category ID"),
        column("Description"),
        column("Cover Image"),
        column("Images"),
        column("Tags"),
        column("Filter Dimensions"),
        column("Spec"),
        column("Attributes"),
        column("Unit"),
        column("Is Active"),
        Column { name: "Price Tiers (Fen)", also: &["Price Tiers"] },
    ],
    required: &[GROUP_KEY, PRODUCT_NAME, CATEGORY_ID],
    one_of: &[],
};

/// A row, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowName {
    /// The row of the worksheet.
    pub number: i32,
    /// What it says about its SKU.
    pub sku_code: String,
    /// What it says about its product.
    pub product_name: String,
}

/// Rows of one product, and what they mean or why they can't mean anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The key the rows share; empty for a row without one.
    pub key: String,
    /// The rows.
    pub rows: Vec<RowName>,
    /// The product, or what is wrong.
    pub content: Result<ProductContent, String>,
}

/// A product and its SKUs. Pictures are as they are written.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductContent {
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub category_id: Uuid,
    /// What it is; nothing keeps what was known.
    pub description: Option<String>,
    /// The picture in lists; nothing keeps what was known.
    pub cover_image: Option<String>,
    /// Pictures; none keep what was known.
    pub images: Vec<String>,
    /// Words for search; none keep what was known.
    pub tags: Vec<String>,
    /// What can be filtered by; none keep what was known.
    pub filter_dimensions: Vec<String>,
    /// Its SKUs.
    pub skus: Vec<SkuContent>,
}

/// Reads all rows, in the order of the sheet.
pub fn plan(rows: &[Row]) -> Vec<Group> {
    let mut groups: Vec<(String, Vec<&Row>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        let key = row.get(GROUP_KEY);
        match places.get(key) {
            Some(place) if !key.is_empty() => groups[*place].1.push(row),
            _ => {
                places.insert(key, groups.len());
                groups.push((key.to_owned(), vec![row]));
            }
        }
    }
    groups
        .into_iter()
        .map(|(key, rows)| {
            let content = if key.is_empty() { Err("Group Key is required".into()) } else { read(&rows) };
            let name = |row: &&Row| RowName {
                number: row.number,
                sku_code: row.get(SKU_CODE).to_owned(),
                product_name: row.get(PRODUCT_NAME).to_owned(),
            };
            Group { key, rows: rows.iter().map(name).collect(), content }
        })
        .collect()
}

fn read(rows: &[&Row]) -> Result<ProductContent, String> {
    let Some(first) = rows.first() else { return Err("there are no rows".into()) };
    for column in SHARED {
        if let Some(other) = rows.iter().find(|row| row.get(column) != first.get(column)) {
            let name = TEMPLATE.columns[column].name;
            return Err(format!("rows {} and {} differ in {name}", first.number, other.number));
        }
    }
    let mut codes = BTreeSet::new();
    for code in rows.iter().map(|row| row.get(SKU_CODE)).filter(|code| !code.is_empty()) {
        if !codes.insert(code) {
            return Err(format!("SKU Code {code} is repeated"));
        }
    }
    let name = short("Product Name", first.get(PRODUCT_NAME))?.ok_or("Product Name is required")?;
    let category_id =
        Uuid::parse_str(first.get(CATEGORY_ID)).map_err(|_| "Category ID must be a UUID".to_owned())?;
    let images = several(first.get(IMAGES));
    if images.len() > MOST_IMAGES {
        return Err(format!("Images supports at most {MOST_IMAGES} items"));
    }
    let skus = rows.iter().map(|row| sku(row, &name)).collect::<Result<_, _>>()?;
    Ok(ProductContent {
        name,
        category_id,
        description: given(first.get(DESCRIPTION)),
        cover_image: given(first.get(COVER_IMAGE)),
        images,
        tags: several(first.get(TAGS)),
        filter_dimensions: several(first.get(FILTER_DIMENSIONS)),
        skus,
    })
}

fn sku(row: &Row, product_name: &str) -> Result<SkuContent, String> {
    let at = |error: String| format!("row {}: {error}", row.number);
    let name = short("SKU Name", row.get(SKU_NAME)).map_err(at)?;
    let mut attributes = attributes(row.get(ATTRIBUTES)).map_err(at)?;
    let spec = short("Spec", row.get(SPEC)).map_err(at)?.or_else(|| attributes.remove("spec"));
    Ok(SkuContent {
        sku_code: short("SKU Code", row.get(SKU_CODE)).map_err(at)?,
        name: name.unwrap_or_else(|| product_name.to_owned()),
        spec,
        attributes,
        price_tiers: price_tiers(row.get(PRICE_TIERS)).map_err(at)?,
        unit: short("Unit", row.get(UNIT)).map_err(at)?,
        is_active: is_active(row.get(IS_ACTIVE)).map_err(at)?,
    })
}

fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn short(name: &str, text: &str) -> Result<Option<String>, String> {
    if text.chars().count() > SHORT {
        return Err(format!("{name} must be at most {SHORT} characters"));
    }
    Ok(given(text))
}

/// Several values in one cell: between `|`, or between `,` when there is no `|`.
fn several(text: &str) -> Vec<String> {
    let separator = if text.contains('|') { '|' } else { ',' };
    text.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// `key:value` pairs.
fn attributes(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for pair in several(text) {
        let Some((key, value)) = pair.split_once(':').map(|(k, v)| (k.trim(), v.trim())) else {
            return Err(format!("Attributes must be key:value pairs, not {pair}"));
        };
        if key.is_empty() {
            return Err("Attributes must have keys".into());
        }
        if found.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!("Attributes has {key} twice"));
        }
    }
    Ok(found)
}

fn is_active(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "1" | "true" | "yes" | "y" => Ok(true),
        "0" | "false" | "no" | "n" => Ok(false),
        _ => Err(format!("Is Active must be true or false, not {text}")),
    }
}

/// `1-9:1200|10-49:1100|50-:1000`, or `10:1000` for "from ten".
fn price_tiers(text: &str) -> Result<Vec<PriceTier>, String> {
    let mut found: Vec<PriceTier> =
        several(text).iter().map(|part| price_tier(part)).collect::<Result<_, _>>()?;
    found.sort_by_key(|tier| tier.min_qty);
    for pair in found.windows(2) {
        let [first, second] = pair else { continue };
        let overlap = || Err(format!("Price Tiers overlap at {}", second.min_qty));
        match first.max_qty {
            _ if first.min_qty == second.min_qty => return overlap(),
            None => return Err(format!("Price Tiers go on after the open one from {}", first.min_qty)),
            Some(max) if max >= second.min_qty => return overlap(),
            Some(_) => {}
        }
    }
    Ok(found)
}

fn price_tier(text: &str) -> Result<PriceTier, String> {
    let wrong = || format!("Price Tiers must be like 1-9:1200|10-:1000, not {text}");
    let (range, price) = text.split_once(':').ok_or_else(wrong)?;
    let (min, max) = match range.split_once('-') {
        Some((min, max)) => (min.trim(), given(max.trim())),
        None => (range.trim(), None),
    };
    let tier = PriceTier {
        min_qty: min.parse().map_err(|_| wrong())?,
        max_qty: max.map(|max| max.parse().map_err(|_| wrong())).transpose()?,
        unit_price_fen: price.trim().parse().map_err(|_| wrong())?,
    };
    if tiers::is_possible(&tier) { Ok(tier) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sheets::{read as read_sheet, write};

    const CATEGORY: &str = "11111111-1111-1111-1111-111111111111";

    /// Rows of: group, code, name, category, attributes, active, tiers.
    fn planned(rows: &[[&str; 7]]) -> Vec<Group> {
        let header = [
            "Group Key",
            "SKU Code",
            "Product Name",
            "category id",
            "Attributes",
            "Is Active",
            "Price Tiers",
        ];
        let sheet = write("s", std::iter::once(header).chain(rows.iter().copied())).unwrap();
        plan(&read_sheet(&sheet, &TEMPLATE).unwrap())
    }

    fn wrong(rows: &[[&str; 7]], expect: &str) {
        let groups = planned(rows);
        assert_eq!(groups[0].content.as_ref().map(|_| ()), Err(&expect.to_owned()), "{rows:?}");
    }

    #[test]
    fn rows_of_one_key_are_one_product() {
        let groups = planned(&[
            ["a", "A-1", "Pipe", CATEGORY, "spec:1m|material:steel", "", "1-9:1200|10-:1100"],
            ["b", "", "Rod", CATEGORY, "", "no", ""],
            ["a", "A-2", "Pipe", CATEGORY, "", "Y", "10:900"],
        ]);
        let shape: Vec<_> = groups
            .iter()
            .map(|g| (g.key.as_str(), g.rows.iter().map(|r| r.number).collect::<Vec<_>>()))
            .collect();
        assert_eq!(shape, [("a", vec![2, 4]), ("b", vec![3])]);
        let pipe = groups[0].content.as_ref().unwrap();
        let sku = &pipe.skus[0];
        assert_eq!((sku.name.as_str(), sku.spec.as_deref(), sku.is_active), ("Pipe", Some("1m"), true));
        assert_eq!(sku.attributes, BTreeMap::from([("material".into(), "steel".into())]));
        let tier = |min_qty, max_qty, unit_price_fen| PriceTier { min_qty, max_qty, unit_price_fen };
        assert_eq!(sku.price_tiers, [tier(1, Some(9), 1200), tier(10, None, 1100)]);
        assert_eq!(pipe.skus[1].price_tiers, [tier(10, None, 900)]);
        assert!(!groups[1].content.as_ref().unwrap().skus[0].is_active);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let row = |tiers| ["a", "A", "Pipe", CATEGORY, "", "", tiers];
        wrong(&[["", "A", "Pipe", CATEGORY, "", "", ""]], "Group Key is required");
        wrong(&[["a", "A", "", CATEGORY, "", "", ""]], "Product Name is required");
        wrong(&[["a", "A", "Pipe", "7", "", "", ""]], "Category ID must be a UUID");
        wrong(&[row(""), ["a", "B", "Tube", CATEGORY, "", "", ""]], "rows 2 and 3 differ in Product Name");
        wrong(&[row(""), row("")], "SKU Code A is repeated");
        wrong(
            &[["a", "A", "Pipe", CATEGORY, "x", "", ""]],
            "row 2: Attributes must be key:value pairs, not x",
        );
        wrong(&[["a", "A", "Pipe", CATEGORY, "k:1|k:2", "", ""]], "row 2: Attributes has k twice");
        wrong(
            &[["a", "A", "Pipe", CATEGORY, "", "maybe", ""]],
            "row 2: Is Active must be true or false, not maybe",
        );
        wrong(&[row("1-9:100|9-:90")], "row 2: Price Tiers overlap at 9");
        wrong(&[row("1:100|1-5:90")], "row 2: Price Tiers overlap at 1");
        wrong(&[row("1-:100|10-:90")], "row 2: Price Tiers go on after the open one from 1");
        for bad in ["x", "1-9", "0-9:1", "9-1:5", "1:-5", "1:1.5"] {
            wrong(&[row(bad)], &format!("row 2: Price Tiers must be like 1-9:1200|10-:1000, not {bad}"));
        }
    }

    #[test]
    fn values_in_one_cell() {
        assert_eq!(several("a, b ,,c"), ["a", "b", "c"]);
        assert_eq!(several("a,b|c"), ["a,b", "c"]);
        assert_eq!(several(""), Vec::<String>::new());
    }
}
