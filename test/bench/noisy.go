package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/hostile"
	"fairlead.dev/fairlead/test/servers"
)

const (
	// neighbors is how many releases are installed beside the noise.
	neighbors = 50
	// noisyNamespace is where the noise is made.
	noisyNamespace = "noise"
	// onset is how long the noise lasts before the neighbors are installed.
	onset = 5 * time.Second
	// noisyLimit is how long the neighbors are waited for; those that are not Ready by then are counted.
	noisyLimit = 5 * time.Minute
)

// installBesideNoise times releases alone, and again beside a namespace that attacks in all ways.
func (f *field) installBesideNoise(ctx context.Context, r *result) (err error) {
	begin := time.Now()
	alone, _, err := f.timeInstalls(ctx, "alone")
	if err != nil {
		return err
	}
	memory := env.WatchMemory(f.controller.PID(), 0)
	defer memory.Stop()
	quiet, err := f.makeNoise(ctx)
	if err != nil {
		return errors.Join(err, quiet())
	}
	defer func() { err = errors.Join(err, quiet()) }()
	if err := f.pause(ctx, onset); err != nil {
		return err
	}
	beside, missing, err := f.timeInstalls(ctx, "beside")
	if err != nil {
		return err
	}
	peak, _ := memory.Peak()
	r.Ready, r.Wall = beside, time.Since(begin).Seconds()
	r.Notes = append(r.Notes,
		fmt.Sprintf("alone:  p50 %.2f s, p95 %.2f s, max %.2f s", alone.P50, alone.P95, alone.Max),
		fmt.Sprintf("beside: p50 %.2f s, p95 %.2f s, max %.2f s; %d of %d not Ready after %s", beside.P50, beside.P95,
			beside.Max, missing, neighbors, noisyLimit),
		fmt.Sprintf("p95 beside by p95 alone: %.1f", beside.P95/alone.P95),
		fmt.Sprintf("peak memory: controller %.0f MiB, its children %.0f MiB (up to %d), together %.0f MiB", peak.Process,
			peak.Children, peak.Most, peak.Together),
	)
	return nil
}

// timeInstalls installs releases and returns how long they took, and how many did not become Ready; these count with
// the limit.
func (f *field) timeInstalls(ctx context.Context, name string) (spread, int, error) {
	asked := make([]time.Time, neighbors)
	goals := make([]wanted, neighbors)
	err := inParallel(writers, neighbors, func(i int) (err error) {
		asked[i] = time.Now()
		goals[i], err = f.create(ctx, fmt.Sprintf("%s%04d", name, i), 0)
		return err
	})
	if err != nil {
		return spread{}, 0, err
	}
	ready, err := f.awaitSome(ctx, goals, min(noisyLimit, f.settings.Timeout))
	if err != nil {
		return spread{}, 0, err
	}
	took := make([]float64, 0, neighbors)
	for i, goal := range goals {
		seconds := noisyLimit.Seconds()
		if at, ok := ready[goal]; ok {
			seconds = at.Sub(asked[i]).Seconds()
		}
		took = append(took, seconds)
	}
	f.tell("  %d of %d are Ready", len(ready), neighbors)
	return spreadOf(took), neighbors - len(ready), nil
}

// awaitSome waits until all are Ready, or for a time, and returns when those became Ready that did.
func (f *field) awaitSome(ctx context.Context, goals []wanted, limit time.Duration) (map[wanted]time.Time, error) {
	deadline := time.After(limit)
	check := time.NewTicker(time.Second)
	defer check.Stop()
	for {
		ready, changed := f.arrivals.snapshot(goals)
		if len(ready) == len(goals) {
			return ready, nil
		}
		select {
		case <-changed:
		case <-check.C:
			if err := f.failed(); err != nil {
				return nil, err
			}
		case <-deadline:
			return ready, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// noise is what a namespace attacks with.
type noise struct {
	charts *servers.Charts
	git    *servers.Git
	silent net.Listener
	remote *hostile.APIServer
	ended  chan struct{}
}

// makeNoise lets a namespace attack in all ways, until the returned function is called.
func (f *field) makeNoise(ctx context.Context) (quiet func() error, err error) {
	f.tell("  a namespace attacks in all ways")
	n := &noise{ended: make(chan struct{})}
	if err := n.serve(f.dir); err != nil {
		return n.close, err
	}
	objects, err := env.ParseObjects(noisyNamespace, n.manifests())
	if err != nil {
		return n.close, err
	}
	return n.close, f.cluster.Apply(ctx, objects...)
}

// serve starts the servers of the noise.
func (n *noise) serve(dir string) (err error) {
	if n.charts, err = servers.ChartRepository(servers.ChartOptions{}); err != nil {
		return err
	}
	for i, name := range bombs() {
		files := hostile.Templates[name]
		files["Chart.yaml"] = fmt.Sprintf("apiVersion: v2\nname: bomb%d\nversion: 1.0.0\n", i)
		archive, err := servers.BuildChart(files)
		if err != nil {
			return err
		}
		if err := n.charts.Add(archive); err != nil {
			return err
		}
	}
	if n.git, err = servers.GitServer(filepath.Join(dir, "noise"), servers.Options{}); err != nil {
		return err
	}
	for name, files := range directories() {
		if _, err := n.git.Create(name); err != nil {
			return err
		}
		if _, err := n.git.Commit(name, "main", files, "Add what is too much"); err != nil {
			return err
		}
	}
	if n.silent, err = hostile.Silent(); err != nil {
		return err
	}
	discovered := hostile.Discovery()
	n.remote, err = hostile.ServeAPI(func(w http.ResponseWriter, r *http.Request) {
		if !discovered(w, r) {
			hostile.Flood(w, r, n.ended)
		}
	})
	return err
}

func (n *noise) close() error {
	close(n.ended)
	var errs []error
	if n.charts != nil {
		errs = append(errs, n.charts.Close())
	}
	if n.git != nil {
		errs = append(errs, n.git.Close())
	}
	if n.silent != nil {
		errs = append(errs, n.silent.Close())
	}
	if n.remote != nil {
		n.remote.Close()
	}
	return errors.Join(errs...)
}

// bombs are the templates of the noise.
func bombs() []string {
	return []string{"ranges are nested", "a text is repeated", "a value evaluates itself", "the output has no end"}
}

// directories are what kustomize is given, by repository.
func directories() map[string]map[string]string {
	return map[string]map[string]string{
		"diamond": hostile.Diamond(16),
		"crowd":   hostile.Crowd(400),
		"aliases": {"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": hostile.Aliases()},
	}
}

const noisySources = `apiVersion: v1
kind: Namespace
metadata: {name: noise}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRepository
metadata: {name: charts}
spec: {url: "%s", interval: 1s}
---
apiVersion: v1
kind: Secret
metadata: {name: remote}
stringData: {value: %q}
`

// manifests of the noise: 12 releases of each bomb, 200 of a chart that does not exist, 12 on a cluster that floods,
// 4 Kustomizations of each
// directory, 30 sources that hang and 30 with an interval of a millisecond.
func (n *noise) manifests() string {
	text := &strings.Builder{}
	fmt.Fprintf(text, noisySources, n.charts.URL(), n.remote.Kubeconfig)
	add := func(kind, name, spec string) {
		fmt.Fprintf(text, "---\napiVersion: fairlead.dev/v1beta1\nkind: %s\nmetadata: {name: %s}\nspec: {%s}\n", kind, name,
			spec)
	}
	from := func(chart string) string {
		return "interval: 1s, chart: {spec: {chart: " + chart + ", sourceRef: {kind: HelmRepository, name: charts}}}"
	}
	for i := range 12 * len(bombs()) {
		add("HelmRelease", fmt.Sprintf("bomb-%d", i), from(fmt.Sprintf("bomb%d", i%len(bombs()))))
	}
	for i := range 200 {
		add("HelmRelease", fmt.Sprintf("garbage-%d", i), from("missing"))
	}
	for i := range 12 {
		add("HelmRelease", fmt.Sprintf("remote-%d", i), from("bomb0")+", kubeConfig: {secretRef: {name: remote}}")
	}
	for name := range directories() {
		add("GitRepository", name, "ref: {branch: main}, interval: 1ms, url: '"+n.git.URL(name)+"'")
		for i := range 4 {
			add("Kustomization", fmt.Sprintf("%s-%d", name, i),
				"prune: true, interval: 1s, retryInterval: 1s, sourceRef: {kind: GitRepository, name: "+name+"}")
		}
	}
	for i := range 30 {
		add("HelmRepository", fmt.Sprintf("silent-%d", i), "interval: 1s, url: 'http://"+n.silent.Addr().String()+"'")
		add("HelmRepository", fmt.Sprintf("often-%d", i), fmt.Sprintf("interval: 1ms, url: '%s/%d/..'", n.charts.URL(), i))
	}
	return text.String()
}
