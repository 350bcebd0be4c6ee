//! Names of the contracts as names of Rust.

/// The words of a name: `skuId` is `sku`, `id`; `AIReply` is `ai`, `reply`; `PAY_PENDING` is `pay`, `pending`.
fn words(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = vec![String::new()];
    for (index, &c) in characters.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let after_small = index > 0 && !characters[index - 1].is_ascii_uppercase();
        let before_small = characters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && index > 0 && (after_small || before_small) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The name of a type.
pub(crate) fn pascal(name: &str) -> String {
    let capital = |word: &String| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_ascii_uppercase())
    };
    words(name).iter().map(capital).collect()
}

/// The name of a field or a function.
pub(crate) fn snake(name: &str) -> String {
    words(name).join("_")
}

/// The name as serde's `camelCase` makes it of a snake name.
pub(crate) fn camel(snake: &str) -> String {
    let pascal = pascal(snake);
    pascal.get(..1).unwrap_or_default().to_ascii_lowercase() + pascal.get(1..).unwrap_or_default()
}

/// The name of one of several.
pub(crate) fn singular(name: &str) -> String {
    name.strip_suffix('s').unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expect: [&str; 2]| assert_eq!([pascal(name), snake(name)], expect, "{name}");
        check("skuId", ["SkuId", "sku_id"]);
        check("SKU", ["Sku", "sku"]);
        check("AIReplySuggestions", ["AiReplySuggestions", "ai_reply_suggestions"]);
        check("PAY_PENDING", ["PayPending", "pay_pending"]);
        check("postOrdersOrderId", ["PostOrdersOrderId", "post_orders_order_id"]);
        assert_eq!(camel("owner_sales_user_id"), "ownerSalesUserId");
        assert_eq!(singular("TrackingInfoShipments"), "TrackingInfoShipment");
    }
}
