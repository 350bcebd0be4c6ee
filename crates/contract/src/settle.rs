//! The step from schemas as written to schemas as meant, for everything that holds one.
//!
//! While files are read, an operation's [`SchemaId`] is the number of a raw schema, because meanings can
//! only be built once all files are known. Nothing outside `read` sees an operation before this step.

use crate::operation::{Media, Operation, Parameter, RequestBody, Response};
use crate::schema::{Merger, RawId, SchemaId};

impl Operation {
    pub(crate) fn settle(&mut self, merger: &mut Merger) {
        for parameter in &mut self.parameters {
            parameter.settle(merger);
        }
        if let Some(RequestBody { required: _, content, place: _ }) = &mut self.request_body {
            for media in content.values_mut() {
                media.settle(merger);
            }
        }
        for Response { headers, content, place: _ } in self.responses.values_mut() {
            for header in headers.values_mut() {
                header.settle(merger);
            }
            for media in content.values_mut() {
                media.settle(merger);
            }
        }
        for operation in self.callbacks.values_mut().flatten() {
            operation.settle(merger);
        }
    }
}

impl Parameter {
    fn settle(&mut self, merger: &mut Merger) {
        self.schema = meaning(self.schema, merger);
    }
}

impl Media {
    fn settle(&mut self, merger: &mut Merger) {
        self.schema = meaning(self.schema, merger);
    }
}

fn meaning(raw: SchemaId, merger: &mut Merger) -> SchemaId {
    merger.id(RawId(raw.0))
}
