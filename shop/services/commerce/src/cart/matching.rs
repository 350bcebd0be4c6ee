//! Which SKU a row of a spreadsheet means. Pure.
//!
//! The first thing a row says decides, and only that: a SKU ID, else a code, else name and specification, else a
//! name. One SKU and a quantity go into the cart; anything less clear is for a person to decide.

use std::collections::HashMap;

use uuid::Uuid;

use crate::sheets::{Row, Template, column};

/// Columns of [`TEMPLATE`].
const SKU_ID: usize = 0;
const SKU_CODE: usize = 1;
const NAME: usize = 2;
const SPEC: usize = 3;
const QTY: usize = 4;

/// What a spreadsheet for the cart looks like.
pub const TEMPLATE: Template = Template {
    name: "cart_import",
    columns: &[column("SKU ID"), column("SKU Code"), column("Name"), column("Spec"), column("Qty")],
    required: &[QTY],
    one_of: &[SKU_ID, SKU_CODE, NAME],
};

/// What a row asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The row of the worksheet.
    pub row_no: i32,
    /// What is looked for.
    pub lookup: Lookup,
    /// The name as written, or what stands in for it.
    pub raw_name: String,
    /// The specification as written.
    pub raw_spec: Option<String>,
    /// The quantity as written.
    pub raw_qty: Option<String>,
}

/// How a SKU is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// By its id.
    Id(Uuid),
    /// By its code, exactly.
    Code(String),
    /// By name and specification, exactly.
    NameAndSpec(String, String),
    /// By name, exactly.
    Name(String),
    /// The row says nothing that could be looked for.
    Nothing,
}

/// What is to be done with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It goes into the cart.
    Auto(Uuid, i32),
    /// Somebody must choose among these, or say how many.
    Ambiguous(Vec<Uuid>),
    /// There is no such SKU.
    NotFound,
}

impl Wish {
    /// Reads a row.
    pub fn of(row: &Row) -> Self {
        let text = |column: usize| Some(row.get(column).to_owned()).filter(|text| !text.is_empty());
        let (code, name, spec) = (text(SKU_CODE), text(NAME), text(SPEC));
        let id = Uuid::try_parse(row.get(SKU_ID)).ok();
        let raw_name = [NAME, SKU_CODE, SKU_ID].into_iter().find_map(text).unwrap_or_default();
        let lookup = match (id, code, name) {
            (Some(id), ..) => Lookup::Id(id),
            (None, Some(code), _) => Lookup::Code(code),
            (None, None, Some(name)) => match spec.clone() {
                Some(spec) => Lookup::NameAndSpec(name, spec),
                None => Lookup::Name(name),
            },
            (None, None, None) => Lookup::Nothing,
        };
        Self { row_no: row.number, lookup, raw_name, raw_spec: spec, raw_qty: text(QTY) }
    }

    /// Decides, given what was found for each lookup.
    pub fn decide(&self, found: &HashMap<Lookup, Vec<Uuid>>) -> Decision {
        let found = found.get(&self.lookup).map_or(&[][..], Vec::as_slice);
        let qty = self.raw_qty.as_deref().and_then(good_quantity);
        match (found, qty) {
            ([], _) => Decision::NotFound,
            ([one], Some(qty)) => Decision::Auto(*one, qty),
            (several, _) => Decision::Ambiguous(several.to_vec()),
        }
    }
}

/// A whole number from 1; a larger one than the database holds is the largest it holds.
pub fn good_quantity(text: &str) -> Option<i32> {
    let qty: i64 = text.trim().parse().ok()?;
    (qty >= 1).then(|| i32::try_from(qty).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sheets::{read, write};

    const ID: Uuid = Uuid::from_u128(7);

    fn wish(cells: [&str; 5]) -> Wish {
        let header = ["SKU ID", "SKU Code", "Name", "Spec", "Qty"];
        let rows = read(&write("s", [header, cells]).unwrap(), &TEMPLATE).unwrap();
        Wish::of(&rows[0])
    }

    #[test]
    fn the_first_thing_a_row_says_decides() {
        let check = |cells: [&str; 5], expect: Lookup| assert_eq!(wish(cells).lookup, expect, "{cells:?}");
        let id = ID.to_string();
        check([&id, "C", "N", "S", "1"], Lookup::Id(ID));
        check(["no uuid", "C", "N", "S", "1"], Lookup::Code("C".into()));
        check(["", "C", "", "", ""], Lookup::Code("C".into()));
        check(["", "", "N", "S", "1"], Lookup::NameAndSpec("N".into(), "S".into()));
        check(["", "", "N", "", "1"], Lookup::Name("N".into()));
        check(["no uuid", "", "", "S", "1"], Lookup::Nothing);
    }

    #[test]
    fn what_stays_of_a_row() {
        let raw = |cells: [&str; 5]| {
            let Wish { raw_name, raw_spec, raw_qty, .. } = wish(cells);
            format!("{raw_name} {raw_spec:?} {raw_qty:?}")
        };
        assert_eq!(raw(["i", "c", "n", "s", "2"]), r#"n Some("s") Some("2")"#);
        assert_eq!(raw(["i", "c", "", "", "x"]), r#"c None Some("x")"#);
        assert_eq!(raw(["i", "", "", "", "1"]), r#"i None Some("1")"#);
    }

    #[test]
    fn decisions() {
        let other = Uuid::from_u128(8);
        let check = |found: &[Uuid], qty: &str, expect: Decision| {
            let found = HashMap::from([(Lookup::Name("N".into()), found.to_vec())]);
            assert_eq!(wish(["", "", "N", "", qty]).decide(&found), expect, "{found:?} {qty}");
        };
        check(&[ID], "3", Decision::Auto(ID, 3));
        check(&[ID], "99999999999", Decision::Auto(ID, i32::MAX));
        for bad in ["", "0", "-1", "2.5", "three", "1e3"] {
            check(&[ID], bad, Decision::Ambiguous(vec![ID]));
            check(&[], bad, Decision::NotFound);
        }
        check(&[ID, other], "3", Decision::Ambiguous(vec![ID, other]));
        check(&[], "3", Decision::NotFound);
        assert_eq!(wish(["", "", "N", "", "3"]).decide(&HashMap::new()), Decision::NotFound);
    }

    proptest! {
        #[test]
        fn only_one_sku_with_a_good_quantity_goes_into_the_cart(count in 0..4_usize, qty in "\\PC{0,6}") {
            let skus: Vec<_> = (0..count as u128).map(Uuid::from_u128).collect();
            let wish = Wish {
                row_no: 2,
                lookup: Lookup::Code("c".into()),
                raw_name: "c".into(),
                raw_spec: None,
                raw_qty: Some(qty.clone()),
            };
            let found = HashMap::from([(wish.lookup.clone(), skus)]);
            let auto = matches!(wish.decide(&found), Decision::Auto(..));
            prop_assert_eq!(auto, count == 1 && good_quantity(&qty).is_some());
        }
    }
}
