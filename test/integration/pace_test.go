package integration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/worker"
	"fairlead.dev/fairlead/test/env"
)

// writers counts the releases that have a request at the API server, by the names of their objects and records.
type writers struct {
	next http.RoundTripper

	mu   sync.Mutex
	now  map[string]int
	most int
}

func (w *writers) RoundTrip(request *http.Request) (*http.Response, error) {
	name := releaseIn(request.URL.Path)
	if name == "" || request.Method == http.MethodGet {
		return w.next.RoundTrip(request)
	}
	w.count(name, 1)
	defer w.count(name, -1)
	return w.next.RoundTrip(request)
}

func (w *writers) count(name string, one int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now[name] += one; w.now[name] == 0 {
		delete(w.now, name)
	}
	w.most = max(w.most, len(w.now))
}

// releaseIn finds the name of a release of the test in the path of an object, such as pace-07-config.
func releaseIn(path string) string {
	at := strings.Index(path, "pace-")
	if at < 0 || len(path) < at+len("pace-00") {
		return ""
	}
	return path[at : at+len("pace-00")]
}

// mass is many installs at the same time by one engine.
type mass struct {
	t      *testing.T
	ns     string
	engine *engine.Engine
	seen   *writers
	ended  []int

	mu      sync.Mutex
	loaded  []int
	writing int // those that have loaded a chart and not ended
	most    int
}

func newMass(t *testing.T, shares *fair.Shares) *mass {
	t.Helper()
	m := &mass{t: t, ns: namespace(t), seen: &writers{now: map[string]int{}}}
	config := rest.CopyConfig(world.cluster.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		m.seen.next = next
		return m.seen
	})
	local, err := cluster.New(config)
	if err != nil {
		t.Fatal(err)
	}
	program, err := env.Binary("fairlead")
	if err != nil {
		t.Fatal(err)
	}
	pool := worker.NewPool([]string{program, "worker"})
	t.Cleanup(pool.Close)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	m.engine = engine.New(ctx, engine.Config{
		Local: local, Pool: pool, Shares: shares, Now: time.Now, OnRecordChanged: func(string, string, string) {},
	})
	return m
}

func (m *mass) load(i int, template string) func(context.Context) (*chart.Chart, error) {
	return func(context.Context) (*chart.Chart, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.loaded = append(m.loaded, i)
		m.writing++
		m.most = max(m.most, m.writing)
		return &chart.Chart{
			Metadata:  &chart.Metadata{APIVersion: "v2", Name: "objects", Version: "1.0.0"},
			Templates: []*chart.File{{Name: "templates/all.yaml", Data: []byte(template)}},
		}, nil
	}
}

// install has release i installed, and notes when that has ended.
func (m *mass) install(i int) {
	const template = `apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-config"}
data: {a: b}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-more"}
data: {a: b}
`
	name := fmt.Sprintf("pace-%02d", i)
	result := m.engine.Execute(m.t.Context(), engine.Action{
		Step: plan.Install, Access: cluster.Access{Namespace: m.ns},
		Target: plan.Target{Name: name, Namespace: m.ns, StorageNamespace: m.ns},
		Load:   m.load(i, template), Values: map[string]any{},
		Revision: v1beta1.ChartRevision{
			Name: "objects", Version: "1.0.0", Digest: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(template))),
		},
		Options: engine.Options{Timeout: patience},
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing--
	m.ended = append(m.ended, i)
	if result.Err != nil {
		m.t.Errorf("%s: %v", name, result.Err)
	}
}

// arrived reports whether release i has its turn, or waits for it after those before it.
func (m *mass) arrived(i int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.loaded)+m.engine.Waiting() > i
}

// inOrder fails when a release was overtaken by more than were under way with it.
func (m *mass) inOrder(what string, order []int) {
	m.t.Helper()
	for at, release := range order {
		if distance := at - release; distance < -m.most || distance > m.most {
			m.t.Errorf("%d is not in its place: releases %s in the order %v, with %d under way at the most",
				release, what, order, m.most)
		}
	}
}

// Of many installs at the same time few are under way, and they end in the order in which they came.
func TestManyInstallsEndOneByOne(t *testing.T) {
	t.Parallel()
	const releases, slots = 40, 3
	shares := fair.New(slots, slots)
	m := newMass(t, shares)
	var group sync.WaitGroup
	for i := range releases {
		group.Go(func() { m.install(i) })
		come := func() (bool, error) { return m.arrived(i), nil }
		err := env.Until(t.Context(), patience, "the action has come", come)
		if err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
	if m.seen.most == 0 || m.seen.most > slots {
		t.Errorf("%d releases had requests at the API server at the same time, want 1 to %d", m.seen.most, slots)
	}
	// Those that have given their share back and read their record count, too; how many these are depends on the
	// machine.
	if bound := max(releases/2, 4*runtime.GOMAXPROCS(0)+2*slots); m.most > bound {
		t.Errorf("%d releases had a chart in memory at the same time, want at most %d", m.most, bound)
	}
	m.inOrder("have begun", m.loaded)
	m.inOrder("have ended", m.ended)
	if held, waiting, _ := shares.Count(); held+waiting+m.engine.Waiting() != 0 {
		t.Errorf("at the end %d slots are held and %d wait", held, waiting+m.engine.Waiting())
	}
}
