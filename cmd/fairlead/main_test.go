package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	helmchart "helm.sh/helm/v3/pkg/chart"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/view"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// now is the time of every test.
var now = time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC)

// world is what a command finds outside of itself.
type world struct {
	objects []client.Object
	funcs   interceptor.Funcs
	// live are the objects of releases.
	live []client.Object
	// reads steps in where these are read.
	reads interceptor.Funcs
	// looks answers what the engine is asked; without it, it is an error.
	looks fakeInspector
	// chart is what a release wants; without it, its source does not exist.
	chart *helmchart.Chart
	// previews answers what applying objects would do; without it, all of them would be created.
	previews func(apply.Set) ([]apply.Previewed, error)
	// logs of containers, by name; none can be read when it is nil.
	logs map[string][]string
	// controllerLogs are the logs of the pods of the controller.
	controllerLogs []string
	// stdin is standard input.
	stdin string
	// width of the terminal, 0 for none.
	width int
	// outWidth and errWidth are the widths of the terminals of standard output and error, 0 for none.
	outWidth, errWidth int
	// colour is set when the terminal shows colours.
	colour bool
	// clock is the time; without it, it is always now.
	clock func() time.Time
}

// result is what a command leaves behind.
type result struct {
	stdout, stderr string
	code           int
}

func (w world) client(t *testing.T) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1beta1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper()).WithObjects(w.objects...).WithInterceptorFuncs(w.funcs)
	for _, k := range kinds {
		if k.ofCluster {
			continue // its objects are never looked for in other namespaces
		}
		builder = builder.WithIndex(view.NewObject(k.name), "metadata.name", func(o client.Object) []string { return []string{o.GetName()} })
	}
	for field, of := range map[string]func(*corev1.Event) string{
		"involvedObject.apiVersion": func(e *corev1.Event) string { return e.InvolvedObject.APIVersion },
		"involvedObject.kind":       func(e *corev1.Event) string { return e.InvolvedObject.Kind },
		"involvedObject.name":       func(e *corev1.Event) string { return e.InvolvedObject.Name },
	} {
		builder = builder.WithIndex(&corev1.Event{}, field, func(o client.Object) []string {
			return []string{of(o.(*corev1.Event))}
		})
	}
	return builder.Build()
}

// liveClient reads the objects of releases.
func (w world) liveClient() client.Client {
	return fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(w.live...).WithInterceptorFuncs(w.reads).Build()
}

func (w world) fetch(context.Context, *v1beta1.HelmRelease) (fetchedChart, error) {
	if w.chart == nil {
		return fetchedChart{}, errors.New("HelmRepository web/charts does not exist")
	}
	return fetchedChart{Chart: w.chart}, nil
}

func (w world) readLogs(_ context.Context, crash view.Crash) ([]string, error) {
	if w.logs == nil {
		return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods/log"}, crash.Pod, errors.New("no"))
	}
	return w.logs[crash.Container], nil
}

func (w world) preview(_ context.Context, set apply.Set, _ apply.HandoverPreview) (out []apply.Previewed, err error) {
	if w.previews != nil {
		return w.previews(set)
	}
	for _, o := range set.Objects {
		out = append(out, apply.Previewed{Would: o.Unstructured})
	}
	return out, nil
}

// resolveServed finds the kinds of a cluster.
func resolveServed(word string) (schema.GroupVersionKind, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for kind := range clientgoscheme.Scheme.AllKnownTypes() {
		if kind.Version == "v1" {
			mapper.Add(kind, meta.RESTScopeNamespace)
		}
	}
	return resolve(mapper, word)
}

// run executes the real command line against the world.
func (w world) run(t *testing.T, args ...string) result {
	t.Helper()
	return w.runWith(t, w.client(t), args...)
}

func (w world) runWith(t *testing.T, c client.WithWatch, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := w.runTo(t.Context(), c, &stdout, &stderr, args...)
	return result{stdout: stdout.String(), stderr: stderr.String(), code: code}
}

// runTo executes the command line until it ends or ctx does, and writes to the writers.
func (w world) runTo(ctx context.Context, c client.WithWatch, stdout, stderr io.Writer, args ...string) int {
	clock := w.clock
	if clock == nil {
		clock = func() time.Time { return now }
	}
	return run(ctx, args, environment{
		in: strings.NewReader(w.stdin), out: stdout, err: stderr,
		width: w.width, outWidth: w.outWidth, errWidth: w.errWidth,
		colour: w.colour, now: clock,
		connect: func(f clusterFlags, _ io.Writer) (*connection, error) {
			out := &connection{
				client: c, watcher: c, objects: w.liveClient(), logs: w.readLogs, engine: w.engine, preview: w.preview, foresee: w.foresee, chart: w.fetch,
				resolve: resolveServed, controllerLogs: w.readControllerLogs,
				user:      func(context.Context) (string, error) { return "alice", nil },
				groups:    func(context.Context) ([]string, error) { return []string{"devs", "owners"}, nil },
				namespace: "web", context: "prod", server: "https://api.example.com:6443/",
			}
			if f.namespace != "" {
				out.namespace = f.namespace
			}
			return out, nil
		},
	})
}

// golden compares the result with a file of testdata; -update writes it.
func golden(t *testing.T, name string, args []string, r result) {
	t.Helper()
	got := fmt.Sprintf("$ fairlead %s\n--- stdout\n%s--- stderr\n%s--- exit %d\n", strings.Join(args, " "), r.stdout, r.stderr, r.code)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("output differs from %s (-want +got):\n%s", path, diff)
	}
}

// goldenCase is one command line whose whole outcome is in a golden file.
type goldenCase struct {
	name  string
	world world
	args  string
}

func runGolden(t *testing.T, cases []goldenCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(c.args)
			golden(t, c.name, args, c.world.run(t, args...))
		})
	}
}

// play lets every patch of an object be followed by what a controller would do: each step changes the stored object once.
func play(steps ...func(client.Object)) interceptor.Funcs {
	return interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if err := c.Patch(ctx, o, p, opts...); err != nil {
				return err
			}
			if data, _ := p.Data(o); strings.Contains(string(data), `"spec"`) {
				// An API server counts changes of the spec; the fake client does not.
				o.SetGeneration(o.GetGeneration() + 1)
				if err := c.Update(ctx, o); err != nil {
					return err
				}
			}
			for _, step := range steps {
				stored := view.NewObject(view.KindOf(o.(view.Object)))
				if err := c.Get(ctx, client.ObjectKeyFromObject(o), stored); err != nil {
					return err
				}
				step(stored)
				if err := c.Update(ctx, stored); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
