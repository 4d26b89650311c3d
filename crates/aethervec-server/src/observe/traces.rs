//! Traces: what a request did when, sent to a collector by OTLP (protobuf over HTTP).
//!
//! A request that brings a `traceparent` of W3C is part of its trace, and sampled if that says so; of the others a share is. Spans are
//! sent in batches, on a thread of their own; when the collector cannot follow, spans are left out and nobody waits. Without an
//! endpoint there is nothing of all this.
//!
//! ```text
//! rest search            from the head of the request to the head of its answer
//!   queue                the wait for a turn
//!   engine               the turn
//!     query              a search or a query, with what it looks like
//!       graph, rows, …   its steps
//! ```

use super::collector::Collector;
use super::operation::Outcome;
use super::request::RequestContext;
use crate::config::Config;
use crate::error::{ApiError, ApiResult};
use aether_env::{Clock as _, SystemClock};
use axum::http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, ContextGuard, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a collector takes traces.
const PATH: &str = "/v1/traces";

/// How long a collector may take for a batch.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Makes spans and sends them.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

impl Traces {
    /// As `config` says; `None` when it names no collector. Called within a runtime.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when the settings cannot be.
    pub(crate) fn new(config: &Config) -> ApiResult<Option<Traces>> {
        let Some(endpoint) = &config.otlp_endpoint else {
            return Ok(None);
        };
        let wrong = |why: String| ApiError::invalid(format!("otlp_endpoint: {endpoint:?}: {why}"));
        let collector = Collector::new(endpoint, config.otlp_ca.as_deref())?;
        let endpoint = endpoint.trim_end_matches('/');
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(format!("{endpoint}{PATH}"))
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let share = Sampler::TraceIdRatioBased(config.trace_ratio);
        let resource = Resource::builder_empty()
            .with_service_name("aethervec")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(resource.build())
            .build();
        Ok(Some(Traces {
            tracer: provider.tracer("aethervec"),
            provider,
            propagator: TraceContextPropagator::new(),
        }))
    }

    /// The trace of a request; `None` when it is not sampled.
    pub(crate) fn begin(&self, name: String, headers: &HeaderMap) -> Option<Trace> {
        let parent = self
            .propagator
            .extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Server);
        let span = self.tracer.build_with_context(builder, &parent);
        let context = parent.with_span(span);
        context.span().is_recording().then(|| Trace {
            tracer: self.tracer.clone(),
            context,
        })
    }

    /// Sends what is still to be sent. Blocks.
    pub(crate) fn close(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(TIMEOUT) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// A request that is sampled.
#[derive(Clone)]
pub(crate) struct Trace {
    tracer: SdkTracer,
    /// The span that others are parts of.
    context: Context,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({})", self.trace_id())
    }
}

impl Trace {
    /// What the trace is called, in hexadecimal digits.
    pub(crate) fn trace_id(&self) -> String {
        self.context.span().span_context().trace_id().to_string()
    }

    /// A part that begins now, and ends with [`end`](Trace::end).
    pub(crate) fn part(&self, name: &'static str) -> Trace {
        self.part_at(name, now())
    }

    /// The same, within the part that this thread has entered.
    pub(crate) fn part_of_thread(&self, name: &'static str) -> Trace {
        let entered = Context::current();
        if !entered.has_active_span() {
            return self.part(name);
        }
        let within = Trace {
            tracer: self.tracer.clone(),
            context: entered,
        };
        within.part(name)
    }

    /// What this thread does is a part of it, until what is returned is dropped.
    pub(crate) fn enter(&self) -> ContextGuard {
        self.context.clone().attach()
    }

    fn part_at(&self, name: &'static str, begin: SystemTime) -> Trace {
        let builder = SpanBuilder::from_name(name).with_start_time(begin);
        let span = self.tracer.build_with_context(builder, &self.context);
        Trace {
            tracer: self.tracer.clone(),
            context: self.context.with_span(span),
        }
    }

    /// Says something of it.
    pub(crate) fn tell(&self, name: &'static str, value: String) {
        self.context
            .span()
            .set_attribute(KeyValue::new(name, value));
    }

    /// It ends now.
    pub(crate) fn end(&self) {
        self.context.span().end();
    }

    /// The steps of a query that began at `begin`.
    pub(crate) fn steps(&self, begin: SystemTime, steps: &[aethervec::Step]) {
        for step in steps {
            let at = begin + step.at;
            let part = self.part_at(step.name, at);
            part.tell("detail", step.detail.clone());
            let points = i64::try_from(step.points).unwrap_or(i64::MAX);
            let span = part.context.span();
            span.set_attribute(KeyValue::new("points", points));
            span.end_with_timestamp(at + step.took);
        }
    }

    /// The request was answered so.
    pub(crate) fn answered(&self, request: &RequestContext, outcome: Outcome) {
        let span = self.context.span();
        let text = |name: &'static str, value: &str| KeyValue::new(name, value.to_owned());
        span.set_attributes([
            KeyValue::new("protocol", request.protocol.name()),
            KeyValue::new("operation", request.operation.name()),
            KeyValue::new("outcome", outcome.name()),
            text("request_id", request.id.to_str().unwrap_or_default()),
        ]);
        if let Some(tenant) = request.tenant.get() {
            span.set_attribute(text("tenant", tenant.as_str()));
        }
        if outcome == Outcome::Internal {
            span.set_status(Status::error(outcome.name()));
        }
        span.end();
    }
}

/// The time of day.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(SystemClock::new().now().0)
}
