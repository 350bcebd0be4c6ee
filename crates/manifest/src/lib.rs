//! `fairway.yaml` and its config layers: parse with places, validate everything at once, lower to the model.
