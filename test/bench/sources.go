package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

const (
	// indexCharts and indexVersions are what the large index has, entryBytes about how long each entry is.
	indexCharts   = 100
	indexVersions = 100
	entryBytes    = 2500
	// sourceInterval is how often each source is polled.
	sourceInterval = time.Second
)

// largeIndex is an index as large public repositories have them.
func largeIndex() []byte {
	var out strings.Builder
	out.WriteString("apiVersion: v1\nentries:\n")
	for chart := range indexCharts {
		fmt.Fprintf(&out, "  chart%03d:\n", chart)
		for version := range indexVersions {
			digest := sha256.Sum256(fmt.Appendf(nil, "%d %d", chart, version))
			fmt.Fprintf(&out,
				"  - name: chart%03d\n    version: 1.%d.0\n    digest: %x\n    urls: [chart%03d-1.%d.0.tgz]\n    description: %s\n",
				chart, version, digest, chart, version, strings.Repeat("what this chart is good for ", (entryBytes-200)/28))
		}
	}
	return []byte(out.String())
}

// indexServer serves an index with an ETag and counts its answers.
type indexServer struct {
	content           []byte
	whole, notChanged atomic.Int64
}

func (s *indexServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const tag = `"large"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		s.notChanged.Add(1)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.whole.Add(1)
	_, _ = w.Write(s.content)
}

// pollSources declares one source of each kind and counts what unchanged polls ask upstream, and what a large index
// costs in memory.
func (f *field) pollSources(ctx context.Context, r *result) error {
	index := &indexServer{content: largeIndex()}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http.Server{Handler: index, ReadHeaderTimeout: time.Minute}
	go func() { _ = web.Serve(listener) }()
	defer web.Close()
	git, registry, objects, err := f.sources(ctx, "http://"+listener.Addr().String())
	if err != nil {
		return err
	}
	defer git.Close()
	defer registry.Close()
	before, err := f.read(ctx)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := f.cluster.Apply(ctx, object); err != nil {
			return err
		}
	}
	for _, object := range objects {
		err := env.Until(ctx, f.settings.Timeout, object.GetName()+" is Ready", func() (bool, error) {
			err := f.cluster.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
			return err == nil && env.Condition(object, v1beta1.ReadyCondition).Status == metav1.ConditionTrue, err
		})
		if err != nil {
			return err
		}
	}
	if err := f.pause(ctx, 5*sourceInterval); err != nil { // what the first polls leave behind
		return err
	}
	after, err := f.read(ctx)
	if err != nil {
		return err
	}
	r.Notes = append(r.Notes,
		fmt.Sprintf("an index of %.1f MiB with %d versions: the largest memory of the controller grows from %.0f to %.0f MiB",
			// the controller is the first
			float64(len(index.content))/(1<<20), indexCharts*indexVersions, before.processes[0].peak, after.processes[0].peak))
	git.Forget()
	registry.Forget()
	whole, begun := index.whole.Load(), index.notChanged.Load()
	if err := f.pause(ctx, pollTime); err != nil {
		return err
	}
	r.Notes = append(r.Notes,
		fmt.Sprintf("HelmRepository over HTTP: %d requests in %s, %d of them fetched the index",
			index.notChanged.Load()-begun+index.whole.Load()-whole, pollTime, index.whole.Load()-whole),
		fmt.Sprintf("GitRepository: requests in %s: %v", pollTime, git.Requests()),
		fmt.Sprintf("OCIRepository with a range: requests in %s: %v", pollTime, registry.Requests()))
	r.Wall = pollTime.Seconds()
	return nil
}

// sources starts the upstreams and describes a source of each kind.
func (f *field) sources(
	ctx context.Context, index string,
) (*servers.Git, *servers.RegistryServer, []env.Conditioned, error) {
	git, err := servers.GitServer(filepath.Join(f.dir, "polled"), servers.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	url, err := git.Create("polled")
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err := git.Commit("polled", "main", map[string]string{"a.yaml": "a: b\n"}, "first"); err != nil {
		return nil, nil, nil, err
	}
	registry, err := servers.Registry(filepath.Join(f.dir, "polled-registry"), servers.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	archive, err := servers.BuildChart(map[string]string{"Chart.yaml": "apiVersion: v2\nname: polled\nversion: 1.0.0\n"})
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err := registry.PushChart(ctx, "charts", archive); err != nil {
		return nil, nil, nil, err
	}
	interval := &metav1.Duration{Duration: sourceInterval}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	return git, registry, []env.Conditioned{
		&v1beta1.HelmRepository{ObjectMeta: meta("large"), Spec: v1beta1.HelmRepositorySpec{URL: index, Interval: interval}},
		&v1beta1.GitRepository{
			ObjectMeta: meta("polled"),
			Spec: v1beta1.GitRepositorySpec{
				URL: url, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: interval,
			},
		},
		&v1beta1.OCIRepository{ObjectMeta: meta("polled"), Spec: v1beta1.OCIRepositorySpec{
			URL: "oci://" + registry.Host() + "/charts/polled", Insecure: true,
			Reference: &v1beta1.OCIRepositoryRef{SemVer: "*"}, Interval: interval,
		}},
	}, nil
}
