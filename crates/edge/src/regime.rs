//! What holds for all requests of an environment, ready for use.

use std::ops::Deref;

use fairway_model::traffic::{Options, Otlp};

use crate::otlp::{Counts, Exporter, Settings};
use crate::state::Registry;

/// The options of an environment, and where its spans go.
#[derive(Debug)]
pub(crate) struct Regime {
    options: Options,
    pub(crate) exporter: Option<Exporter>,
}

impl Regime {
    pub(crate) fn new(options: &Options, registry: &mut Registry) -> Self {
        let exporter = options.otlp.as_ref().and_then(|otlp| registry.exporter(otlp));
        Self { options: options.clone(), exporter }
    }
}

impl Deref for Regime {
    type Target = Options;

    fn deref(&self) -> &Options {
        &self.options
    }
}

impl Registry {
    /// The exporter to a collector; none if it can't be had, which keeps nothing from being served.
    fn exporter(&mut self, otlp: &Otlp) -> Option<Exporter> {
        if let Some(exporter) = self.exporters.get(otlp) {
            return Some(exporter.clone());
        }
        let started = Settings::to(&otlp.endpoint, otlp.one_in).and_then(Exporter::start);
        match started {
            Ok(exporter) => {
                self.exporters.insert(otlp.clone(), exporter.clone());
                Some(exporter)
            }
            Err(error) => {
                tracing::error!(%error, "there are no spans");
                None
            }
        }
    }

    /// Forgets exporters that no table wants; what waits in them is still sent.
    pub(crate) fn keep_exporters(&mut self, wanted: impl Fn(&Otlp) -> bool) {
        let Self { exporters, spans, .. } = self;
        exporters.retain(|otlp, exporter| {
            let stays = wanted(otlp);
            if !stays {
                *spans = sum(*spans, exporter.counts());
            }
            stays
        });
    }

    /// What became of the spans.
    pub(crate) fn spans(&self) -> Counts {
        self.exporters.values().map(Exporter::counts).fold(self.spans, sum)
    }
}

fn sum(one: Counts, other: Counts) -> Counts {
    Counts { exported: one.exported + other.exported, dropped: one.dropped + other.dropped }
}
