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

// story is the span of an object, from its GET until it is removed or left.
type story struct {
	trace.Span
	rejections atomic.Int32
}

// tell begins the story of an object. It is linked to the receives of the messages
// that name it.
func (p *pass) tell(o found) (context.Context, *story) {
	var links []trace.Link
	for _, n := range o.notices[:min(len(o.notices), maxLinks)] {
		if n.received.IsValid() {
			links = append(links, trace.Link{SpanContext: n.received})
		}
	}
	ctx, span := p.tracer.Start(p.hard, "object", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("object.key", o.Key))
	}
	return ctx, &story{Span: span}
}

// tellReceived makes the span of a receive that is over; none when it has waited
// in vain, or was broken off.
func (w *Worker) tellReceived(ctx context.Context, start time.Time, messages int, err error) trace.SpanContext {
	if messages == 0 && (err == nil || ctx.Err() != nil) {
		return trace.SpanContext{}
	}
	_, span := w.tracer.Start(ctx, "receive "+w.Hints.Name, w.aboutMessages("receive", "receive", messages), trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindClient))
	endWith(span, err)
	return span.SpanContext()
}

// tellSettled begins the span of a request to delete messages.
func (p *pass) tellSettled(messages int) (context.Context, trace.Span) {
	return p.tracer.Start(p.hard, "delete "+p.Hints.Name, p.aboutMessages("delete", "settle", messages), trace.WithSpanKind(trace.SpanKindClient))
}

// aboutMessages are OpenTelemetry's attributes for messaging.
func (w *Worker) aboutMessages(name, kind string, n int) trace.SpanStartEventOption {
	return trace.WithAttributes(
		attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.destination.name", w.Hints.Name),
		attribute.String("messaging.operation.name", name), attribute.String("messaging.operation.type", kind),
		attribute.Int("messaging.batch.message_count", n),
	)
}

// read tells what a GET has found.
func (s *story) read(o bucket.Object) {
	if s.IsRecording() {
		s.SetAttributes(
			attribute.String("object.etag", o.ETag), attribute.Int64("object.size", o.Size),
			attribute.String("object.last_modified", o.LastModified.UTC().Format(time.RFC3339Nano)),
		)
	}
}

// decoded tells what was in the object, as far as it was read, and why it was
// not read further.
func (s *story) decoded(updates, rejections int, err error) {
	s.rejections.Add(int32(rejections)) //nolint:gosec // of one object
	if s.IsRecording() {
		s.SetAttributes(attribute.Int("object.updates", updates), attribute.Int("object.rejections", rejections))
	}
	s.RecordError(err)
}

// refused tells that the database will never take an update.
func (s *story) refused() {
	s.rejections.Add(1)
	s.AddEvent("refused by the database")
}

// ends of a story.
const (
	endRemoved     = "removed"
	endGone        = "gone"        // somebody else has taken it
	endOverwritten = "overwritten" // meanwhile, and it is read again
	endLeft        = "left"        // for the next pass
)

// end ends the story; err says why the object is left, if that is known here.
func (s *story) end(how string, err error) {
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
func (p *pass) spanOf(objects []*taken, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	links := make([]trace.Link, 0, min(len(objects), maxLinks))
	for _, o := range objects[:min(len(objects), maxLinks)] {
		links = append(links, trace.Link{SpanContext: o.story.SpanContext()})
	}
	return p.tracer.Start(p.hard, name, trace.WithSpanKind(kind), trace.WithLinks(links...), trace.WithAttributes(attribute.Int("objects", len(objects))))
}

// endWith ends a span, which has failed when there is an error. Its words are in
// the log: those of a database may quote values.
func endWith(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
