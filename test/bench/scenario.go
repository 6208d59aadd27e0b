package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

const (
	// writers send the changes of a scenario, so that the API server and not the bench sets their pace.
	writers = 16
	// trail is how long after the last release is Ready the costs are read: events and such come late.
	trail = 2 * time.Second
	// calm is how long after the last rollout the idle time begins at the earliest.
	calm = 5 * time.Second
	// pollTime is how long the repository is polled without a commit.
	pollTime = 20 * time.Second
)

// scenario is one thing that is measured.
type scenario struct {
	name  string
	title func(settings) string
	// submit asks for the change of one release; nil where there is none to ask for.
	submit func(context.Context, *field, int) (wanted, error)
	// play is for what is no rollout; nil for rollouts.
	play  func(*field, context.Context, *result) error
	count func(settings) int
	// calm is set when nothing else may be under way.
	calm bool
}

// scenarios in the order in which they run.
var scenarios = []scenario{
	{
		name:  "install",
		title: func(s settings) string { return fmt.Sprintf("install of %d releases without pods", s.Releases) },
		count: func(s settings) int { return s.Releases },
		submit: func(ctx context.Context, f *field, i int) (wanted, error) {
			return f.create(ctx, fmt.Sprintf("r%04d", i), 0)
		},
	},
	{
		name:  "upgrade",
		title: func(s settings) string { return fmt.Sprintf("upgrade of %d releases, one value changed", s.Releases) },
		count: func(s settings) int { return s.Releases },
		submit: func(ctx context.Context, f *field, i int) (wanted, error) {
			return f.change(ctx, fmt.Sprintf("r%04d", i))
		},
	},
	{
		name:  "idle",
		title: func(s settings) string { return fmt.Sprintf("nothing to do for %s", s.Idle) },
		count: func(settings) int { return 0 },
		play: func(f *field, ctx context.Context, r *result) error {
			r.Wall = f.settings.Idle.Seconds()
			return f.pause(ctx, f.settings.Idle)
		},
		calm: true,
	},
	{
		name: "drift",
		title: func(s settings) string {
			return fmt.Sprintf("%d edits by hand among %d releases, until each is undone", s.Edits, s.Releases)
		},
		count: func(s settings) int { return s.Edits },
		play:  (*field).editByHand,
		calm:  true,
	},
	{
		name: "noise",
		title: func(s settings) string {
			return fmt.Sprintf("%d changes of status among %d releases", s.Edits, s.Releases)
		},
		count: func(s settings) int { return s.Edits },
		play:  (*field).touchStatus,
		calm:  true,
	},
	{
		name: "slow",
		title: func(s settings) string {
			return fmt.Sprintf("install of %d releases with one pod that needs %s", s.Slow, s.ReadyDelay)
		},
		count: func(s settings) int { return s.Slow },
		submit: func(ctx context.Context, f *field, i int) (wanted, error) {
			return f.create(ctx, fmt.Sprintf("slow%04d", i), 1)
		},
	},
	{
		name: "rollback",
		title: func(s settings) string {
			return fmt.Sprintf("%d of these crash after an upgrade, until each rollback has begun", s.broken())
		},
		count: func(s settings) int { return s.broken() },
		play:  (*field).rollBack,
	},
	{
		name: "fleet",
		title: func(s settings) string {
			return fmt.Sprintf("%d Kustomizations of 4 objects are declared on one repository, until each has applied it",
				s.Kustomizations)
		},
		count: func(s settings) int { return s.Kustomizations },
		play:  (*field).declareFleet,
	},
	{
		name: "push",
		title: func(s settings) string {
			return fmt.Sprintf("a commit that changes all %d objects, until each Kustomization has applied it",
				4*s.Kustomizations)
		},
		count: func(s settings) int { return s.Kustomizations },
		play:  (*field).pushAll,
	},
	{
		name: "poll",
		title: func(s settings) string {
			return fmt.Sprintf("%s without a commit, polled every %s", pollTime, pollInterval)
		},
		count: func(settings) int { return 0 },
		play: func(f *field, ctx context.Context, r *result) error {
			r.Wall = pollTime.Seconds()
			return f.pause(ctx, pollTime)
		},
		calm: true,
	},
	{
		name: "commit",
		title: func(s settings) string {
			return fmt.Sprintf("a commit that changes one Kustomization of %d, until that one has applied it", s.Kustomizations)
		},
		count: func(settings) int { return 1 },
		play:  (*field).pushOne,
		calm:  true,
	},
	{
		name: "sources",
		title: func(settings) string {
			return fmt.Sprintf("a source of each kind, polled every %s without news, one of them a large index", sourceInterval)
		},
		count: func(settings) int { return 0 },
		play:  (*field).pollSources,
		calm:  true,
	},
	{
		name: "zoo",
		title: func(s settings) string {
			return fmt.Sprintf("objects that are Ready, suspended, failed or refused, left alone for %s", s.Idle)
		},
		count: func(settings) int { return 0 },
		play:  (*field).watchZoo,
		calm:  true,
	},
	{
		name: "promotion",
		title: func(s settings) string {
			return fmt.Sprintf("%d promotions one by one, timed from verified upstream to delivered; %d at the same "+
				"time; %d idle pipelines", single, atOnce, s.Pipelines)
		},
		count: func(settings) int { return atOnce },
		play:  (*field).promote,
		calm:  true,
	},
	{
		name: "noisy",
		title: func(settings) string {
			return fmt.Sprintf("install of %d releases beside a namespace that attacks in all ways, and before that alone",
				neighbors)
		},
		count: func(settings) int { return neighbors },
		play:  func(f *field, ctx context.Context, r *result) error { return f.installBesideNoise(ctx, r) },
		calm:  true,
	},
}

func scenarioNames() []string {
	names := make([]string, 0, len(scenarios))
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

// measure runs a scenario and reads what it cost.
func (f *field) measure(ctx context.Context, s scenario) (result, error) {
	f.tell("%s", s.title(f.settings))
	if s.calm {
		if err := f.settle(ctx); err != nil {
			return result{}, err
		}
	}
	before, err := f.read(ctx)
	if err != nil {
		return result{}, err
	}
	r := result{Name: s.name, Title: s.title(f.settings), Releases: s.count(f.settings)}
	if s.play != nil {
		err = s.play(f, ctx, &r)
	} else {
		err = f.rollOut(ctx, s, &r)
	}
	if err == nil && s.count(f.settings) > 0 {
		err = f.pause(ctx, trail)
	}
	if err != nil {
		return result{}, err
	}
	after, err := f.read(ctx)
	if err != nil {
		return result{}, err
	}
	r.charge(f.procs, before, after)
	return r, nil
}

// rollOut asks for the changes of a scenario and waits until all releases are Ready.
func (f *field) rollOut(ctx context.Context, s scenario, r *result) error {
	begin := time.Now()
	asked := make([]time.Time, r.Releases)
	goals := make([]wanted, r.Releases)
	err := inParallel(writers, r.Releases, func(i int) (err error) {
		asked[i] = time.Now()
		goals[i], err = s.submit(ctx, f, i)
		return err
	})
	if err != nil {
		return err
	}
	r.Submitted = time.Since(begin).Seconds()
	f.tell("  %d changes are with the API server after %.1fs", r.Releases, r.Submitted)
	ready, err := f.awaitReady(ctx, goals)
	if err != nil {
		return err
	}
	var took []float64
	end := begin
	for i, goal := range goals {
		took = append(took, ready[goal].Sub(asked[i]).Seconds())
		if ready[goal].After(end) {
			end = ready[goal]
		}
	}
	r.Ready, r.Wall = spreadOf(took), end.Sub(begin).Seconds()
	f.tell("  all are Ready after %.1fs", r.Wall)
	return nil
}

// awaitReady waits until all are Ready, and reports at intervals how many are.
func (f *field) awaitReady(ctx context.Context, goals []wanted) (map[wanted]time.Time, error) {
	deadline := time.After(f.settings.Timeout)
	progress := time.NewTicker(5 * time.Second)
	defer progress.Stop()
	for {
		ready, changed := f.arrivals.snapshot(goals)
		if len(ready) == len(goals) {
			return ready, nil
		}
		select {
		case <-changed:
		case <-progress.C:
			f.tell("  %d of %d are Ready", len(ready), len(goals))
			if err := f.failed(); err != nil {
				return nil, err
			}
		case <-deadline:
			return nil, fmt.Errorf("after %s, %w", f.settings.Timeout, f.arrivals.missing(goals, ready))
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// settle waits until no release has anything under way, and a moment longer.
func (f *field) settle(ctx context.Context) error {
	deadline := time.After(f.settings.Timeout)
	for {
		busy, changed := f.arrivals.settling()
		if busy == 0 {
			return f.pause(ctx, calm)
		}
		select {
		case <-changed:
		case <-deadline:
			return fmt.Errorf("%d releases have not come to rest after %s", busy, f.settings.Timeout)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pause lets time pass that is measured.
func (f *field) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return f.failed()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *field) create(ctx context.Context, name string, replicas int) (wanted, error) {
	hr := &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1beta1.HelmReleaseSpec{
			Chart: &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{
				Chart: chartName, SourceRef: v1beta1.SourceReference{Kind: v1beta1.HelmRepositoryKind, Name: repository},
			}},
			Values:         &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"replicaCount":%d}`, replicas)},
			DriftDetection: &v1beta1.DriftDetection{Mode: v1beta1.DriftEnabled},
		},
	}
	err := f.cluster.Client.Create(ctx, hr)
	return wanted{name, hr.Generation}, err
}

func (f *field) change(ctx context.Context, name string) (wanted, error) {
	return f.patch(ctx, name, `{"spec":{"values":{"message":"changed"}}}`)
}

func (f *field) patch(ctx context.Context, name, merge string) (wanted, error) {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	err := f.cluster.Client.Patch(ctx, hr, client.RawPatch(types.MergePatchType, []byte(merge)))
	return wanted{name, hr.Generation}, err
}

func clientKey(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: name}
}

// reading is what everything has consumed up to a moment.
type reading struct {
	processes []consumption
	requests  env.Counts // nil when requests are not counted
	all       int
}

func (f *field) read(ctx context.Context) (r reading, err error) {
	for _, p := range f.procs {
		consumed, err := p.consumed()
		if err != nil {
			return r, err
		}
		r.processes = append(r.processes, consumed)
	}
	if f.proxy != nil {
		r.requests = f.proxy.Counts()
	}
	r.all, err = allRequests(ctx, f.cluster.Config)
	return r, err
}

// inParallel calls f for 0 to count-1.
func inParallel(workers, count int, f func(int) error) error {
	var wait sync.WaitGroup
	errs := make([]error, count)
	next := make(chan int)
	for range workers {
		wait.Go(func() {
			for i := range next {
				errs[i] = f(i)
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	wait.Wait()
	return errors.Join(errs...)
}
