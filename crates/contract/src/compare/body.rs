use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Direction, Places, Rule, Verdict};
use crate::operation::{Media, Operation, RequestBody, Response, Status};

impl Comparison<'_> {
    pub(super) fn request_body(&mut self, was: &Operation, is: &Operation) {
        let spot = "request body";
        match (&was.request_body, &is.request_body) {
            (None, None) => {}
            (Some(old), None) => {
                let message = "the request body is gone".to_owned();
                self.say(Verdict::Unknown, Rule::RequestBodyRemoved, message, spot, Places::gone(&old.place));
            }
            (None, Some(new)) => {
                let (verdict, rule, how) = if new.required {
                    (Verdict::Breaking, Rule::RequestBodyAddedRequired, "required")
                } else {
                    (Verdict::Compatible, Rule::RequestBodyAddedOptional, "optional")
                };
                let message = format!("a request body is new and {how}");
                self.say(verdict, rule, message, spot, Places::fresh(&new.place));
            }
            (Some(old), Some(new)) => self.same_body(old, new, spot),
        }
    }

    fn same_body(&mut self, old: &RequestBody, new: &RequestBody, spot: &str) {
        let places = Places::both(&old.place, &new.place);
        match (old.required, new.required) {
            (false, true) => {
                let message = "the request body is now required".to_owned();
                self.say(Verdict::Breaking, Rule::RequestBodyBecameRequired, message, spot, places.clone());
            }
            (true, false) => {
                let message = "the request body may now be left out".to_owned();
                self.say(Verdict::Compatible, Rule::RequestBodyBecameOptional, message, spot, places.clone());
            }
            _ => {}
        }
        self.content(Direction::Request, spot, "the request body", &old.content, &new.content, &places);
    }

    pub(super) fn responses(&mut self, was: &Operation, is: &Operation) {
        let statuses: BTreeSet<&Status> = was.responses.keys().chain(is.responses.keys()).collect();
        for status in statuses {
            let spot = format!("response {status}");
            match (was.responses.get(status), is.responses.get(status)) {
                (Some(old), Some(new)) => self.response(old, new, &spot),
                (Some(old), None) => {
                    let covering = covering(&is.responses, *status);
                    self.status_removed(*status, old, covering, &spot);
                }
                (None, Some(new)) => {
                    let covering = covering(&was.responses, *status);
                    self.status_added(*status, new, covering, &spot);
                }
                (None, None) => {}
            }
        }
    }

    fn status_removed(
        &mut self,
        status: Status,
        old: &Response,
        now: Option<(Status, &Response)>,
        spot: &str,
    ) {
        let success = status.class().is_some_and(|class| class < 4);
        let verdict = match (status, success, now.is_some()) {
            (Status::Default, _, _) | (_, true, true) => Verdict::Unknown,
            (_, true, false) => Verdict::Breaking,
            (_, false, _) => Verdict::Compatible,
        };
        let mut message = format!("the status {status} is no longer listed");
        let mut places = Places::gone(&old.place);
        if let Some((other, new)) = now {
            message.push_str(&format!("; `{other}` covers it"));
            places.new = Some(new.place.clone());
        }
        self.say(verdict, Rule::ResponseStatusRemoved, message, spot, places);
        if let Some((_, new)) = now {
            self.response(old, new, spot);
        }
    }

    fn status_added(
        &mut self,
        status: Status,
        new: &Response,
        before: Option<(Status, &Response)>,
        spot: &str,
    ) {
        let success = status.class().is_some_and(|class| class < 4);
        let verdict = if success && before.is_none() { Verdict::Unknown } else { Verdict::Compatible };
        let mut message = format!("the status {status} is new");
        let mut places = Places::fresh(&new.place);
        if let Some((other, old)) = before {
            message.push_str(&format!("; `{other}` covered it"));
            places.old = Some(old.place.clone());
        }
        self.say(verdict, Rule::ResponseStatusAdded, message, spot, places);
        if let Some((_, old)) = before {
            self.response(old, new, spot);
        }
    }

    fn response(&mut self, old: &Response, new: &Response, spot: &str) {
        let names: BTreeSet<&String> = old.headers.keys().chain(new.headers.keys()).collect();
        for name in names {
            let label = format!("the header `{name}`");
            let at = format!("{spot} header {name}");
            match (old.headers.get(name), new.headers.get(name)) {
                (Some(was), Some(is)) => {
                    let places = Places::both(&was.place, &is.place);
                    match (was.required, is.required) {
                        (true, false) => {
                            let message = format!("{label} may now be missing");
                            self.say(
                                Verdict::Breaking,
                                Rule::ResponseHeaderBecameOptional,
                                message,
                                &at,
                                places,
                            );
                        }
                        (false, true) => {
                            let message = format!("{label} is now always there");
                            self.say(
                                Verdict::Compatible,
                                Rule::ResponseHeaderBecameRequired,
                                message,
                                &at,
                                places,
                            );
                        }
                        _ => {}
                    }
                    self.value(was, is, Direction::Response, &label);
                }
                (Some(was), None) => {
                    let message = format!("{label} is gone");
                    self.say(
                        Verdict::Breaking,
                        Rule::ResponseHeaderRemoved,
                        message,
                        &at,
                        Places::gone(&was.place),
                    );
                }
                (None, Some(is)) => {
                    let message = format!("{label} is new");
                    self.say(
                        Verdict::Compatible,
                        Rule::ResponseHeaderAdded,
                        message,
                        &at,
                        Places::fresh(&is.place),
                    );
                }
                (None, None) => {}
            }
        }
        let places = Places::both(&old.place, &new.place);
        self.content(Direction::Response, spot, "the response", &old.content, &new.content, &places);
    }

    fn content(
        &mut self,
        direction: Direction,
        spot: &str,
        label: &str,
        old: &BTreeMap<String, Media>,
        new: &BTreeMap<String, Media>,
        places: &Places,
    ) {
        let (removed, added, encoding) = match direction {
            Direction::Request => {
                (Rule::RequestMediaTypeRemoved, Rule::RequestMediaTypeAdded, Rule::RequestEncodingChanged)
            }
            Direction::Response => {
                (Rule::ResponseMediaTypeRemoved, Rule::ResponseMediaTypeAdded, Rule::ResponseEncodingChanged)
            }
        };
        for (name, was) in old {
            let at = format!("{spot} {name}");
            let Some(is) = range(new, name) else {
                let mut places = places.clone();
                places.old = Some(was.place.clone());
                self.say(Verdict::Breaking, removed, format!("{label} is no longer {name}"), &at, places);
                continue;
            };
            if was.encoding != is.encoding {
                let message = format!("the encoding of the parts of {name} is different");
                self.say(Verdict::Unknown, encoding, message, &at, Places::both(&was.place, &is.place));
            }
            let slot = Places::both(&was.place, &is.place);
            self.schemas(direction, &at, label, (was.schema, is.schema), slot);
        }
        for (name, is) in new {
            if range(old, name).is_none() {
                let message = format!("{label} can also be {name}");
                let mut places = places.clone();
                places.new = Some(is.place.clone());
                self.say(Verdict::Compatible, added, message, &format!("{spot} {name}"), places);
            } else if !old.contains_key(name)
                && let Some(was) = range(old, name)
            {
                // One of a range is now described on its own.
                let slot = Places::both(&was.place, &is.place);
                self.schemas(direction, &format!("{spot} {name}"), label, (was.schema, is.schema), slot);
            }
        }
    }
}

/// The entry for a media type: its own, or the narrowest range that has it.
fn range<'a>(content: &'a BTreeMap<String, Media>, name: &str) -> Option<&'a Media> {
    let kind = name.split('/').next().unwrap_or_default();
    content.get(name).or_else(|| content.get(&format!("{kind}/*"))).or_else(|| content.get("*/*"))
}

/// What describes a status that is not listed: its class, or `default`.
fn covering(responses: &BTreeMap<Status, Response>, status: Status) -> Option<(Status, &Response)> {
    let by_class = match status {
        Status::Code(_) => status.class().map(Status::Class),
        Status::Class(_) | Status::Default => None,
    };
    let rest = (status != Status::Default).then_some(Status::Default);
    by_class.into_iter().chain(rest).find_map(|s| responses.get(&s).map(|r| (s, r)))
}
