package main

import (
	"context"
	"fmt"
	"log"
	"slices"
	"strings"
)

// take lets the limit and each subject take turns. One turn of a subject may give several
// figures, which take compares with the same limit. A nil limit means none.
func (b *bench) take(ctx context.Context, figures int, limit func() (float64, error), turn func(subject) ([]float64, error)) ([]series, error) {
	out := make([]series, figures)
	for n := range b.rounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if limit != nil {
			v, err := limit()
			if err != nil {
				return nil, fmt.Errorf("limit: %w", err)
			}
			for i := range out {
				out[i].Limit = append(out[i].Limit, v)
			}
		}
		for _, s := range b.subjects {
			values, err := turn(s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			for i, v := range values {
				out[i].add(s, v)
			}
		}
		log.Printf("  round %d of %d: %s", n+1, b.rounds, last(out))
	}
	return out, nil
}

// one is take for turns that give one figure.
func (b *bench) one(ctx context.Context, limit func() (float64, error), turn func(subject) (float64, error)) (series, error) {
	all, err := b.take(ctx, 1, limit, func(s subject) ([]float64, error) {
		v, err := turn(s)
		return []float64{v}, err
	})
	if err != nil {
		return series{}, err
	}
	return all[0], nil
}

func (s *series) add(of subject, v float64) {
	if of.name == "base" {
		s.Base = append(s.Base, v)
	} else {
		s.Ours = append(s.Ours, v)
	}
}

// last returns the newest figures as text.
func last(all []series) string {
	var text []string
	for _, s := range all {
		for _, values := range [][]float64{s.Limit, s.Ours, s.Base} {
			if len(values) > 0 {
				text = append(text, fmt.Sprintf("%.4g", values[len(values)-1]))
			}
		}
	}
	return strings.Join(text, " ")
}

// percentile returns the percentile p of values, with p from 0 to 1.
func percentile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}
