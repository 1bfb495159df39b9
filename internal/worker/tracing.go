package worker

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"jpmovies/internal/bucket"
)

// tracer returns the worker's tracer; without a provider it records nothing.
func tracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return p.Tracer("jpmovies/internal/worker")
}

// objectSpan covers an object from its GET until it is deleted or left in the bucket.
type objectSpan struct {
	span       trace.Span
	rejections atomic.Int32
}

// startObjectSpan starts the span of an object, linked to the receives of the messages that
// name it.
func (p *pass) startObjectSpan(o candidate) (context.Context, *objectSpan) {
	var links []trace.Link
	for _, n := range o.messages[:min(len(o.messages), maxLinks)] {
		if n.received.IsValid() {
			links = append(links, trace.Link{SpanContext: n.received})
		}
	}
	ctx, span := p.worker.tracer.Start(p.hard, "object", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("object.key", o.Key))
	}
	return ctx, &objectSpan{span: span}
}

// receiveSpan records a receive that has ended, unless it returned no messages or was
// cancelled.
func (w *Worker) receiveSpan(ctx context.Context, start time.Time, messages int, err error) trace.SpanContext {
	if messages == 0 && (err == nil || ctx.Err() != nil) {
		return trace.SpanContext{}
	}
	_, span := w.tracer.Start(ctx, "receive "+w.options.Hints.Name, w.messagingAttributes("receive", "receive", messages), trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindClient))
	endWith(span, err)
	return span.SpanContext()
}

// deleteMessagesSpan starts the span of a request to delete messages.
func (p *pass) deleteMessagesSpan(messages int) (context.Context, trace.Span) {
	return p.worker.tracer.Start(p.hard, "delete "+p.worker.options.Hints.Name, p.worker.messagingAttributes("delete", "settle", messages), trace.WithSpanKind(trace.SpanKindClient))
}

// messagingAttributes returns the attributes of OpenTelemetry's semantic conventions for
// messaging spans.
func (w *Worker) messagingAttributes(name, kind string, n int) trace.SpanStartEventOption {
	return trace.WithAttributes(
		attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.destination.name", w.options.Hints.Name),
		attribute.String("messaging.operation.name", name), attribute.String("messaging.operation.type", kind),
		attribute.Int("messaging.batch.message_count", n),
	)
}

// read records the answer of the GET.
func (s *objectSpan) read(o bucket.Object) {
	if s.span.IsRecording() {
		s.span.SetAttributes(
			attribute.String("object.etag", o.ETag), attribute.Int64("object.size", o.Size),
			attribute.String("object.last_modified", o.LastModified.UTC().Format(time.RFC3339Nano)),
		)
	}
}

// decoded records what was decoded, and the error that ended the read.
func (s *objectSpan) decoded(updates, rejections int, err error) {
	s.rejections.Add(int32(rejections)) //nolint:gosec // fits: they are of one object
	if s.span.IsRecording() {
		s.span.SetAttributes(attribute.Int("object.updates", updates), attribute.Int("object.rejections", rejections))
	}
	s.span.RecordError(err)
}

// refused records that the database will never accept an update.
func (s *objectSpan) refused() {
	s.rejections.Add(1)
	s.span.AddEvent("refused by the database")
}

// The values of the attribute object.end.
const (
	endRemoved     = "removed"
	endGone        = "gone"        // somebody else has deleted it
	endOverwritten = "overwritten" // after the read; the next pass reads it
	endLeft        = "left"        // in the bucket for a later pass
)

// end ends the span. err is why the object is left in the bucket, if the caller knows.
func (s *objectSpan) end(how string, err error) {
	if s.span.IsRecording() {
		s.span.SetAttributes(attribute.String("object.end", how))
		switch {
		case err != nil:
			s.span.SetStatus(codes.Error, err.Error())
		case how == endLeft:
			s.span.SetStatus(codes.Error, "not all of it was read and committed")
		case s.rejections.Load() > 0:
			s.span.SetStatus(codes.Error, "updates were rejected")
		}
	}
	s.span.End()
}

// maxLinks is the number of links a span gets at most.
const maxLinks = 100

// spanOf starts a span that is linked to the spans of several objects.
func (p *pass) spanOf(objects []*objectInFlight, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	links := make([]trace.Link, 0, min(len(objects), maxLinks))
	for _, o := range objects[:min(len(objects), maxLinks)] {
		links = append(links, trace.Link{SpanContext: o.span.span.SpanContext()})
	}
	return p.worker.tracer.Start(p.hard, name, trace.WithSpanKind(kind), trace.WithLinks(links...), trace.WithAttributes(attribute.Int("objects", len(objects))))
}

// endWith ends a span, as failed if err is not nil. It leaves out the text, which may quote
// values of the database; the log has it.
func endWith(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
