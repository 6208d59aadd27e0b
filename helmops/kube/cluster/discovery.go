package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"

	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/process/memory"
)

const (
	// settling is how long discovery may lag behind a change: what was read before is read once more afterwards.
	settling = 2 * time.Second
	// unwatchedAge is how old a reading may be while changes cannot be watched.
	unwatchedAge = time.Minute
	// versionAge is how old the server's version may be: no event reports an upgrade.
	versionAge = 10 * time.Minute
	// readTimeout bounds one reading.
	readTimeout = 30 * time.Second
)

// discoverer reads what an API server serves and knows when to read it again. Callers that want the same share a
// reading.
type discoverer struct {
	client  *discovery.DiscoveryClient
	watches []*watch
	memory  *memory.Account
	now     func() time.Time
	done    <-chan struct{}

	mu        sync.Mutex
	changes   uint64
	changedAt time.Time
	readings  uint64
	current   *snapshot
	reading   *reading // under way, or nil
}

// reading is one under way; the result may be looked at after done is closed.
type reading struct {
	number uint64
	done   chan struct{}
	result *snapshot
	err    error
}

func newDiscoverer(c *Cluster, now func() time.Time) (*discoverer, error) {
	client, err := discovery.NewDiscoveryClientForConfigAndClient(c.self.config, c.self.http)
	if err != nil {
		return nil, c.self.failed(err)
	}
	d := &discoverer{client: client, memory: c.memory, now: now, done: c.done}
	for _, resource := range watchedResources {
		d.watches = append(d.watches, newWatch(c.self.metadata.Resource(resource), d.changed, c.memory))
	}
	return d, nil
}

// changed notes that what was read is out of date.
func (d *discoverer) changed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	d.changedAt = d.now()
}

// get returns a reading that is up to date. A minimum asks for one with at least that number.
func (d *discoverer) get(ctx context.Context, minimum uint64) (*snapshot, error) {
	d.mu.Lock()
	minimum = max(minimum, 1)
	for enough := d.readings + 1; ; {
		if d.current != nil && d.current.number >= minimum && (d.current.number >= enough || d.upToDate(d.current)) {
			current := d.current
			d.mu.Unlock()
			return current, nil
		}

		if d.reading == nil {
			d.readings++
			d.reading = &reading{number: d.readings, done: make(chan struct{})}
			own := d.reading
			guard.Go("reading the APIs of a cluster", func() { d.read(own) }) //nolint:contextcheck // others wait for it
		}

		under := d.reading
		d.mu.Unlock()
		select {
		case <-under.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("reading the APIs of the server: %w", context.Cause(ctx))
		}

		if under.err != nil {
			return nil, under.err
		}

		d.mu.Lock()
	}
}

// next returns the number of a reading that has not begun yet.
func (d *discoverer) next() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.readings + 1
}

// upToDate needs the lock.
func (d *discoverer) upToDate(s *snapshot) bool {
	now := d.now()
	settled := d.changedAt.Add(settling)
	switch {
	case s.changes != d.changes, now.Sub(s.versionAt) >= versionAge:
		return false
	case d.changes > 0 && s.readAt.Before(settled) && !now.Before(settled):
		return false
	}
	return d.listening() || now.Sub(s.readAt) < unwatchedAge
}

func (d *discoverer) listening() bool {
	select {
	case <-d.done:
		return false
	default:
	}

	for _, w := range d.watches {
		if !w.listening() {
			return false
		}
	}

	return true
}

// read belongs to no caller: one that gives up does not fail the others.
func (d *discoverer) read(r *reading) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	for _, w := range d.watches {
		w.ensure(d.done)
	}

	for _, w := range d.watches {
		w.settle(ctx)
	}

	d.mu.Lock()
	s := &snapshot{number: r.number, changes: d.changes, readAt: d.now(), memory: d.memory}
	dropped := d.current
	d.mu.Unlock()
	r.err = guard.Do("reading the APIs of a cluster", func() error { // the callers wait for its end, whatever that is
		return d.readNow(ctx, s, dropped)
	})
	d.mu.Lock()
	d.reading = nil
	if r.err == nil {
		r.result = s
		d.current = s
	} else {
		dropped = s
	}

	d.mu.Unlock()
	if dropped != nil {
		_ = d.memory.Add(-dropped.size.Load()) // it gives back
	}

	close(r.done)
}

// readNow fills in a snapshot; before is the one whose place it takes, if any.
func (d *discoverer) readNow(ctx context.Context, s, before *snapshot) error {
	if before != nil && s.readAt.Sub(before.versionAt) < versionAge {
		s.version = before.version
		s.versionAt = before.versionAt
		return s.readAPIs(ctx, d.client)
	}

	info, err := d.client.ServerVersionWithContext(ctx)
	if err != nil {
		return fmt.Errorf("reading the version of the server: %w", err)
	}

	s.version = chartutil.KubeVersion{Version: info.GitVersion, Major: info.Major, Minor: info.Minor}
	s.versionAt = s.readAt
	return s.readAPIs(ctx, d.client)
}

// await returns once every kind is served.
func (d *discoverer) await(ctx context.Context, kinds []schema.GroupVersionKind) error {
	backoff := wait.Backoff{Duration: 20 * time.Millisecond, Factor: 1.6, Cap: time.Second, Steps: 16}
	for minimum := uint64(0); ; minimum = d.next() {
		found, err := d.get(ctx, minimum)
		if err != nil {
			return err
		}

		missing := missing(found, kinds)
		if missing == nil {
			return nil
		}

		timer := time.NewTimer(backoff.Step())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting for the API server to list %s: %w", missing, context.Cause(ctx))
		}
	}
}

func missing(found *snapshot, kinds []schema.GroupVersionKind) *schema.GroupVersionKind {
	for i := range kinds {
		if !found.serves(kinds[i]) {
			return &kinds[i]
		}
	}
	return nil
}
