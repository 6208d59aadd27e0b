package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// move is a chart, by its digest, in one stage. The source and the HelmRelease of a stage have the same name.
type move struct{ digest, stage string }

// moves notes when sources of stages were pointed to charts, and when HelmReleases had verified them. The times in the
// objects have a resolution of a second, so what counts is when the watch brings the news.
type moves struct {
	timeout time.Duration

	mu        sync.Mutex
	delivered map[move]time.Time
	verified  map[move]time.Time
	// has is the digest that a stage has verified last.
	has     map[string]string
	changed chan struct{}
}

// watch begins to note; stop ends it.
func (p *promotions) watch(ctx context.Context) (*moves, func(), error) {
	m := &moves{
		timeout: p.settings.Timeout, delivered: map[move]time.Time{}, verified: map[move]time.Time{},
		has: map[string]string{}, changed: make(chan struct{}),
	}
	releases, err := p.cluster.Client.Watch(ctx, &v1beta1.HelmReleaseList{}, client.InNamespace(promotionNamespace))
	if err != nil {
		return nil, nil, err
	}
	sources, err := p.cluster.Client.Watch(ctx, &v1beta1.OCIRepositoryList{}, client.InNamespace(promotionNamespace))
	if err != nil {
		releases.Stop()
		return nil, nil, err
	}
	var reading sync.WaitGroup
	for _, events := range []watch.Interface{releases, sources} {
		reading.Go(func() {
			for event := range events.ResultChan() {
				m.note(event.Object, time.Now())
			}
		})
	}
	return m, func() {
		releases.Stop()
		sources.Stop()
		reading.Wait()
	}, nil
}

func (m *moves) note(object runtime.Object, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch o := object.(type) {
	case *v1beta1.OCIRepository:
		if ref := o.Spec.Reference; ref != nil && ref.Digest != "" {
			noteFirst(m.delivered, move{ref.Digest, o.Name}, now)
		}
	case *v1beta1.HelmRelease:
		last := o.Status.LastVerified
		if last != nil && meta.IsStatusConditionTrue(o.Status.Conditions, v1beta1.VerifiedCondition) {
			noteFirst(m.verified, move{last.ChartDigest, o.Name}, now)
			m.has[o.Name] = last.ChartDigest
		}
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

func noteFirst(all map[move]time.Time, key move, now time.Time) {
	if _, known := all[key]; !known {
		all[key] = now
	}
}

// await waits until stages have verified a digest; any digest when it is empty.
func (m *moves) await(ctx context.Context, digest string, stages []string) error {
	deadline := time.After(m.timeout)
	for {
		m.mu.Lock()
		has, changed := maps.Clone(m.has), m.changed
		m.mu.Unlock()
		missing := 0
		for _, stage := range stages {
			if has[stage] == "" || digest != "" && has[stage] != digest {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-deadline:
			return fmt.Errorf("%d of %d stages have not verified %s after %s", missing, len(stages), digest, m.timeout)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), context.Cause(ctx))
		}
	}
}

// delay is the time from the moment at which one stage had verified a digest until the next one was pointed to it.
func (m *moves) delay(digest, from, to string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.delivered[move{digest, to}].Sub(m.verified[move{digest, from}]).Seconds()
}
