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

// tracer makes spans that nobody sees when there is no provider.
func tracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return p.Tracer("jpmovies/internal/worker")
}

// objectSpan is the span of an object, from its GET until it is removed or left.
type objectSpan struct {
	trace.Span
	rejections atomic.Int32
}

// startObjectSpan begins the span of an object, from its GET until it is removed or left. It is linked to the receives of the messages
// that name it.
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
	return ctx, &objectSpan{Span: span}
}

// receiveSpan makes the span of a receive that is over; none when it has waited
// in vain, or was broken off.
func (w *Worker) receiveSpan(ctx context.Context, start time.Time, messages int, err error) trace.SpanContext {
	if messages == 0 && (err == nil || ctx.Err() != nil) {
		return trace.SpanContext{}
	}
	_, span := w.tracer.Start(ctx, "receive "+w.Hints.Name, w.messagingAttributes("receive", "receive", messages), trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindClient))
	endWith(span, err)
	return span.SpanContext()
}

// deleteMessagesSpan begins the span of a request to delete messages.
func (p *pass) deleteMessagesSpan(messages int) (context.Context, trace.Span) {
	return p.worker.tracer.Start(p.hard, "delete "+p.worker.Hints.Name, p.worker.messagingAttributes("delete", "settle", messages), trace.WithSpanKind(trace.SpanKindClient))
}

// messagingAttributes are OpenTelemetry's attributes for messaging.
func (w *Worker) messagingAttributes(name, kind string, n int) trace.SpanStartEventOption {
	return trace.WithAttributes(
		attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.destination.name", w.Hints.Name),
		attribute.String("messaging.operation.name", name), attribute.String("messaging.operation.type", kind),
		attribute.Int("messaging.batch.message_count", n),
	)
}

// read tells what a GET has found.
func (s *objectSpan) read(o bucket.Object) {
	if s.IsRecording() {
		s.SetAttributes(
			attribute.String("object.etag", o.ETag), attribute.Int64("object.size", o.Size),
			attribute.String("object.last_modified", o.LastModified.UTC().Format(time.RFC3339Nano)),
		)
	}
}

// decoded tells what was in the object, as far as it was read, and why it was
// not read further.
func (s *objectSpan) decoded(updates, rejections int, err error) {
	s.rejections.Add(int32(rejections)) //nolint:gosec // of one object
	if s.IsRecording() {
		s.SetAttributes(attribute.Int("object.updates", updates), attribute.Int("object.rejections", rejections))
	}
	s.RecordError(err)
}

// refused tells that the database will never take an update.
func (s *objectSpan) refused() {
	s.rejections.Add(1)
	s.AddEvent("refused by the database")
}

// How an object span ends.
const (
	endRemoved     = "removed"
	endGone        = "gone"        // somebody else has taken it
	endOverwritten = "overwritten" // meanwhile, and it is read again
	endLeft        = "left"        // for the next pass
)

// end ends the span; err says why the object is left, if that is known here.
func (s *objectSpan) end(how string, err error) {
	if s.IsRecording() {
		s.SetAttributes(attribute.String("object.end", how))
		switch {
		case err != nil:
			s.SetStatus(codes.Error, err.Error())
		case how == endLeft:
			s.SetStatus(codes.Error, "not read, or not committed, as a whole")
		case s.rejections.Load() > 0:
			s.SetStatus(codes.Error, "updates were rejected")
		}
	}
	s.End()
}

// maxLinks is to how many objects a span is linked.
const maxLinks = 100

// spanOf begins a span of its own that concerns several objects.
func (p *pass) spanOf(objects []*objectInFlight, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	links := make([]trace.Link, 0, min(len(objects), maxLinks))
	for _, o := range objects[:min(len(objects), maxLinks)] {
		links = append(links, trace.Link{SpanContext: o.span.SpanContext()})
	}
	return p.worker.tracer.Start(p.hard, name, trace.WithSpanKind(kind), trace.WithLinks(links...), trace.WithAttributes(attribute.Int("objects", len(objects))))
}

// endWith ends a span, which has failed when there is an error. Its words are in
// the log: those of a database may quote values.
func endWith(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
