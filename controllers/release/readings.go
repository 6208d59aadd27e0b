package release

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/release"
)

const (
	// moment is how long a worker waits for the records of another cluster, once for each reading. A cluster whose
	// records are watched answers from memory.
	moment = 50 * time.Millisecond
	// readingTimeout bounds a reading.
	readingTimeout = 10 * time.Second
	// readingCounts is how long what was read counts until it is used.
	readingCounts = time.Minute
	// How many readings are under way at the same time, and how many of those a namespace can have.
	readingsAtOnce       = 32
	readingsPerNamespace = 16
	// patientReadings is how many readings of a namespace can be under way for a worker to wait a moment for another
	// one. With more, its clusters do not answer: the workers, which are everybody's, do not wait for any of them.
	patientReadings = 4
)

// readings read the records of releases on other clusters outside of the workers. Such a cluster can be a tenant's
// own, and may accept connections without ever answering.
type readings struct {
	ctx    context.Context //nolint:containedctx // the life of the process
	engine release.Engine
	wake   func(types.NamespacedName)
	now    func() time.Time
	shares *fair.Shares

	mu    sync.Mutex
	known map[types.NamespacedName]map[readingKey]*reading
	// underWay is how many readings of a namespace have not ended.
	underWay map[string]int
}

// readingKey is what is read.
type readingKey struct {
	access string
	target plan.Target
}

// reading is under way until done is closed.
type reading struct {
	began time.Time
	done  chan struct{}
	// awaited is set when a worker has not waited for the end.
	awaited bool

	ended   time.Time
	records []plan.Record
	err     error
}

func newReadings(ctx context.Context, engine release.Engine, wake func(types.NamespacedName), now func() time.Time) *readings {
	return &readings{
		ctx: ctx, engine: engine, wake: wake, now: now, shares: fair.New(readingsAtOnce, readingsPerNamespace),
		known: map[types.NamespacedName]map[readingKey]*reading{}, underWay: map[string]int{},
	}
}

// of returns the engine for one look at a release.
func (r *readings) of(waiter types.NamespacedName) release.Engine {
	return readEngine{Engine: r.engine, readings: r, waiter: waiter}
}

// readEngine reads records outside of the worker.
type readEngine struct {
	release.Engine
	readings *readings
	waiter   types.NamespacedName
}

// History implements release.Engine. For records that take longer than a moment to read the error is a
// PendingReadError, and the release is looked at again when they are there.
func (e readEngine) History(_ context.Context, access cluster.Access, target plan.Target) ([]plan.Record, error) {
	found, wait := e.readings.begin(e.waiter, access, target) //nolint:contextcheck // a reading outlives the look that asks for it
	if wait {
		timer := time.NewTimer(moment)
		defer timer.Stop()
		select {
		case <-found.done:
		case <-timer.C:
		}
	}

	return e.readings.result(found)
}

// begin returns the reading that is under way, or ended a while ago, or else a new one, which is worth a moment of a
// worker if wait is set.
func (r *readings) begin(
	waiter types.NamespacedName, access cluster.Access, target plan.Target,
) (found *reading, wait bool) {
	id := readingKey{access: access.Key(), target: target}
	r.mu.Lock()
	defer r.mu.Unlock()
	found = r.known[waiter][id]
	if found != nil && (found.ended.IsZero() || r.now().Sub(found.ended) < readingCounts) {
		return found, false
	}

	found = &reading{began: r.now(), done: make(chan struct{})}
	if r.known[waiter] == nil {
		r.known[waiter] = map[readingKey]*reading{}
	}

	r.known[waiter][id] = found
	r.underWay[waiter.Namespace]++
	guard.Go("reading release records", func() { r.read(waiter, found, access, target) })
	return found, r.underWay[waiter.Namespace] <= patientReadings
}

// read reads to the end and wakes the release if its worker did not wait that long.
func (r *readings) read(waiter types.NamespacedName, found *reading, access cluster.Access, target plan.Target) {
	var records []plan.Record
	err := guard.Do("reading release records", func() error {
		return r.shares.Do(r.ctx, waiter.Namespace, func() (err error) {
			ctx, cancel := context.WithTimeout(r.ctx, readingTimeout)
			defer cancel()
			records, err = r.engine.History(ctx, access, target)
			return err
		})
	})
	r.mu.Lock()
	found.records, found.err, found.ended = records, err, r.now()
	awaited := found.awaited
	if r.underWay[waiter.Namespace]--; r.underWay[waiter.Namespace] == 0 {
		delete(r.underWay, waiter.Namespace)
	}

	close(found.done)
	r.mu.Unlock()
	if awaited {
		r.wake(waiter)
	}
}

// result returns what was read, or that it is still being read.
func (r *readings) result(found *reading) ([]plan.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-found.done:
		return found.records, found.err
	default:
		found.awaited = true
		return nil, refs.Looking("the release records on the cluster of spec.kubeConfig", r.now().Sub(found.began))
	}
}

// clear forgets what was read for a release: it was used, or is out of date.
func (r *readings) clear(waiter types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, waiter)
}
