use std::fmt;

use serde::{Deserialize, Serialize};

use super::Verdict;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident $id:literal [$($verdict:ident),+];)+) => {
        /// Why a difference was judged as it was. The ids are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Rule {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Rule {
            /// All rules, in the order of the reference table.
            pub const ALL: &'static [Rule] = &[$(Rule::$name),+];

            /// The stable name: `response-property-removed`.
            pub fn id(self) -> &'static str {
                match self {
                    $(Rule::$name => $id,)+
                }
            }

            /// The verdicts the rule can lead to; the first is the usual one.
            pub fn verdicts(self) -> &'static [Verdict] {
                match self {
                    $(Rule::$name => &[$(Verdict::$verdict),+],)+
                }
            }

            /// When the rule applies, and why it judges as it does.
            pub fn description(self) -> &'static str {
                match self {
                    $(Rule::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

rules! {
    /// `info.version` is another.
    ContractVersionChanged "contract-version-changed" [Compatible];
    /// A base path in `servers` is gone, so callers who use it find nothing.
    BasePathRemoved "base-path-removed" [Breaking];
    /// The operations are answered below another base path as well.
    BasePathAdded "base-path-added" [Compatible];
    /// A method and path that callers may use is gone. Having been deprecated does not make it compatible.
    OperationRemoved "operation-removed" [Breaking];
    /// A new method and path.
    OperationAdded "operation-added" [Compatible];
    /// A new path takes requests that a path with a hole answered before: `/orders/stats` beside `/orders/{id}`.
    /// Not reported when the hole's schema excludes the new text, as a `uuid` does.
    OperationShadowed "operation-shadowed" [Unknown];
    /// `operationId` is another. Nothing changes on the wire; generated clients rename a function.
    OperationIdChanged "operation-id-changed" [Compatible];
    /// An operation, parameter or schema is marked as deprecated. It still works.
    Deprecated "deprecated" [Compatible];
    /// Something is no longer deprecated.
    DeprecationWithdrawn "deprecation-withdrawn" [Compatible];
    /// Some proof that was enough for a caller is not enough any more.
    SecurityTightened "security-tightened" [Breaking];
    /// More callers are let in, and none fewer.
    SecurityLoosened "security-loosened" [Compatible];
    /// A callback is added, gone or different. The roles are reversed there and the service's calls are not followed.
    CallbackChanged "callback-changed" [Unknown];
    /// A webhook is added, gone or different.
    WebhookChanged "webhook-changed" [Unknown];

    /// A new parameter that callers must send, and do not yet.
    ParameterAddedRequired "parameter-added-required" [Breaking];
    /// A new parameter that may be left out.
    ParameterAddedOptional "parameter-added-optional" [Compatible];
    /// A parameter is gone. Requests that send it still arrive; whether they still do what was meant, no document says.
    ParameterRemoved "parameter-removed" [Unknown];
    /// A parameter may no longer be left out.
    ParameterBecameRequired "parameter-became-required" [Breaking];
    /// A parameter may now be left out.
    ParameterBecameOptional "parameter-became-optional" [Compatible];
    /// A path parameter has another name at the same place. Callers do not see the name.
    ParameterRenamed "parameter-renamed" [Compatible];
    /// `style`, `explode` or the media type of a parameter is another, so the same value is written differently.
    /// Compatible for values that are written the same in both.
    ParameterSerializationChanged "parameter-serialization-changed" [Breaking, Compatible];
    /// `allowEmptyValue` or `allowReserved` is withdrawn.
    ParameterValueRestricted "parameter-value-restricted" [Breaking];
    /// `allowEmptyValue` or `allowReserved` is granted.
    ParameterValueFreed "parameter-value-freed" [Compatible];

    /// A body is now asked for, and must be there.
    RequestBodyAddedRequired "request-body-added-required" [Breaking];
    /// A body may now be sent.
    RequestBodyAddedOptional "request-body-added-optional" [Compatible];
    /// The body is no longer described. Whether one is ignored or refused, no document says.
    RequestBodyRemoved "request-body-removed" [Unknown];
    /// The body may no longer be left out.
    RequestBodyBecameRequired "request-body-became-required" [Breaking];
    /// The body may now be left out.
    RequestBodyBecameOptional "request-body-became-optional" [Compatible];
    /// A media type is no longer accepted.
    RequestMediaTypeRemoved "request-media-type-removed" [Breaking];
    /// A media type is accepted as well.
    RequestMediaTypeAdded "request-media-type-added" [Compatible];
    /// `encoding` of a form's parts is another.
    RequestEncodingChanged "request-encoding-changed" [Unknown];

    /// A status is no longer answered. Breaking for success, unknown for success that a class or `default` still
    /// describes and for `default` itself, compatible for errors.
    ResponseStatusRemoved "response-status-removed" [Breaking, Unknown, Compatible];
    /// A status is answered as well. Compatible for errors, which clients must treat by their class, and for what
    /// a class or `default` described before; unknown for success, which clients may not expect.
    ResponseStatusAdded "response-status-added" [Unknown, Compatible];
    /// A media type is no longer answered.
    ResponseMediaTypeRemoved "response-media-type-removed" [Breaking];
    /// A media type can be asked for as well.
    ResponseMediaTypeAdded "response-media-type-added" [Compatible];
    /// `encoding` of a response's parts is another.
    ResponseEncodingChanged "response-encoding-changed" [Unknown];
    /// A header that clients may read is gone.
    ResponseHeaderRemoved "response-header-removed" [Breaking];
    /// A new header, which clients ignore.
    ResponseHeaderAdded "response-header-added" [Compatible];
    /// A header that was always there may be missing.
    ResponseHeaderBecameOptional "response-header-became-optional" [Breaking];
    /// A header is now always there.
    ResponseHeaderBecameRequired "response-header-became-required" [Compatible];

    /// A new property that callers must send, and do not yet.
    RequestPropertyAddedRequired "request-property-added-required" [Breaking];
    /// A new property that may be left out.
    RequestPropertyAddedOptional "request-property-added-optional" [Compatible];
    /// A property is no longer described. Breaking where others are forbidden; else the request still arrives,
    /// and whether it still does what was meant, no document says.
    RequestPropertyRemoved "request-property-removed" [Unknown, Breaking];
    /// A property may no longer be left out.
    RequestPropertyBecameRequired "request-property-became-required" [Breaking];
    /// A property may now be left out.
    RequestPropertyBecameOptional "request-property-became-optional" [Compatible];
    /// A property that was always there is gone.
    ResponsePropertyRemoved "response-property-removed" [Breaking];
    /// A property that was there at times is gone for good. Optional means that one answer may lack it, not that the
    /// contract may.
    ResponseOptionalPropertyRemoved "response-optional-property-removed" [Breaking];
    /// A new property, which clients ignore. Breaking where the contract promised that there are no others.
    ResponsePropertyAdded "response-property-added" [Compatible, Breaking];
    /// A property that was always there may be missing.
    ResponsePropertyBecameOptional "response-property-became-optional" [Breaking];
    /// A property is now always there.
    ResponsePropertyBecameRequired "response-property-became-required" [Compatible];
    /// Properties that are not listed are now refused.
    RequestAdditionalPropertiesForbidden "request-additional-properties-forbidden" [Breaking];
    /// Properties that are not listed are now taken.
    RequestAdditionalPropertiesAllowed "request-additional-properties-allowed" [Compatible];
    /// Properties that are not listed may now appear, against the promise made before.
    ResponseAdditionalPropertiesAllowed "response-additional-properties-allowed" [Breaking];
    /// Properties that are not listed no longer appear.
    ResponseAdditionalPropertiesForbidden "response-additional-properties-forbidden" [Compatible];

    /// `null` is no longer accepted.
    RequestBecameNotNullable "request-became-not-nullable" [Breaking];
    /// `null` is accepted as well.
    RequestBecameNullable "request-became-nullable" [Compatible];
    /// `null` may come where a value always came.
    ResponseBecameNullable "response-became-nullable" [Breaking];
    /// `null` no longer comes.
    ResponseBecameNotNullable "response-became-not-nullable" [Compatible];

    /// Fewer types are accepted.
    RequestTypeNarrowed "request-type-narrowed" [Breaking];
    /// More types are accepted.
    RequestTypeWidened "request-type-widened" [Compatible];
    /// Some types are no longer accepted and others are.
    RequestTypeChanged "request-type-changed" [Breaking];
    /// Fewer types come.
    ResponseTypeNarrowed "response-type-narrowed" [Compatible];
    /// More types come than clients know.
    ResponseTypeWidened "response-type-widened" [Breaking];
    /// Other types come.
    ResponseTypeChanged "response-type-changed" [Breaking];

    /// Values are no longer accepted, or an `enum` now limits what is.
    RequestEnumNarrowed "request-enum-narrowed" [Breaking];
    /// Values are accepted as well, or an `enum` is lifted.
    RequestEnumWidened "request-enum-widened" [Compatible];
    /// Values no longer come.
    ResponseEnumNarrowed "response-enum-narrowed" [Compatible];
    /// Values come that clients do not know. Generated clients refuse a whole answer over one of them.
    ResponseEnumWidened "response-enum-widened" [Breaking];

    /// A format now limits what is accepted. Unknown for formats without a fixed meaning, and for `int64` and
    /// `double`, which mostly write down what was so already.
    RequestFormatNarrowed "request-format-narrowed" [Breaking, Unknown];
    /// A format no longer limits what is accepted.
    RequestFormatWidened "request-format-widened" [Compatible, Unknown];
    /// Another format is accepted instead.
    RequestFormatChanged "request-format-changed" [Breaking, Unknown];
    /// A format now limits what comes.
    ResponseFormatNarrowed "response-format-narrowed" [Compatible, Unknown];
    /// A format no longer limits what comes.
    ResponseFormatWidened "response-format-widened" [Breaking, Unknown];
    /// Another format comes instead.
    ResponseFormatChanged "response-format-changed" [Breaking, Unknown];

    /// A minimum, maximum, length, size, `multipleOf` or `uniqueItems` accepts less.
    RequestLimitTightened "request-limit-tightened" [Breaking];
    /// A minimum, maximum, length, size, `multipleOf` or `uniqueItems` accepts more.
    RequestLimitLoosened "request-limit-loosened" [Compatible];
    /// `multipleOf` accepts other numbers, or numbers of which that cannot be told exactly.
    RequestLimitChanged "request-limit-changed" [Unknown];
    /// Less comes than a minimum, maximum, length or size allowed before.
    ResponseLimitTightened "response-limit-tightened" [Compatible];
    /// More comes than clients were told: a longer text, a larger number, a shorter list.
    ResponseLimitLoosened "response-limit-loosened" [Breaking];
    /// `multipleOf` gives other numbers.
    ResponseLimitChanged "response-limit-changed" [Unknown];

    /// A pattern now limits what is accepted.
    RequestPatternAdded "request-pattern-added" [Breaking];
    /// A pattern no longer limits what is accepted.
    RequestPatternRemoved "request-pattern-removed" [Compatible];
    /// A pattern is another. Whether one contains the other is not decided.
    RequestPatternChanged "request-pattern-changed" [Unknown];
    /// A pattern now limits what comes.
    ResponsePatternAdded "response-pattern-added" [Compatible];
    /// A pattern no longer limits what comes.
    ResponsePatternRemoved "response-pattern-removed" [Breaking];
    /// A pattern is another.
    ResponsePatternChanged "response-pattern-changed" [Unknown];

    /// What a value is when it is left out is another. The request arrives and may mean something else.
    RequestDefaultChanged "request-default-changed" [Unknown];
    /// A default in a response, where it has no effect.
    ResponseDefaultChanged "response-default-changed" [Compatible];

    /// A branch of `oneOf` or `anyOf` is no longer accepted. Unknown where another branch may accept the same values.
    RequestVariantRemoved "request-variant-removed" [Breaking, Unknown];
    /// A branch is accepted as well. Unknown for a `oneOf` where it may overlap another branch, since a value that
    /// fits two fits none.
    RequestVariantAdded "request-variant-added" [Compatible, Unknown];
    /// A branch no longer comes. Unknown for a `oneOf` whose branches may overlap.
    ResponseVariantRemoved "response-variant-removed" [Compatible, Unknown];
    /// A branch comes that clients do not know.
    ResponseVariantAdded "response-variant-added" [Breaking];
    /// `oneOf` or `anyOf` is arranged in a way that cannot be matched with what it was.
    VariantsRearranged "variants-rearranged" [Unknown];
    /// `discriminator` looks at another property or maps values differently.
    DiscriminatorChanged "discriminator-changed" [Unknown];
    /// `not` is different.
    NotChanged "not-changed" [Unknown];
    /// A keyword is different that is compared only for equality, such as `if` or `prefixItems`.
    SchemaKeywordChanged "schema-keyword-changed" [Unknown];
    /// The two differ in a way that no other rule describes.
    UnexplainedChange "unexplained-change" [Unknown];
}

impl Rule {
    /// The reference table of all rules, in Markdown.
    pub fn markdown() -> String {
        let mut out = String::from("| rule | verdict | when |\n|---|---|---|\n");
        for rule in Rule::ALL {
            let verdicts: Vec<String> = rule.verdicts().iter().map(ToString::to_string).collect();
            let description = rule.description().replace('|', "\\|");
            out.push_str(&format!("| `{}` | {} | {description} |\n", rule.id(), verdicts.join(", ")));
        }
        out
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}
