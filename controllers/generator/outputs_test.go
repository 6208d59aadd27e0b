package generator

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// directories are declarations that are known after they were read.
type directories struct {
	*catalog.Catalog

	outputs []catalog.Output
	known   bool
	err     error
	// unread is why they cannot be read.
	unread  error
	read    int
	forgot  int
	reading func()
}

func (d *directories) AdmitGenerator(*v1beta1.ArtifactGenerator) error { return nil }

func (d *directories) Outputs(context.Context, *v1beta1.ArtifactGenerator) ([]catalog.Output, bool, error) {
	return d.outputs, d.known, d.err
}

func (d *directories) Expand(context.Context, *v1beta1.ArtifactGenerator) error {
	d.read++
	d.reading()
	d.known = d.unread == nil
	return d.unread
}

func (d *directories) ForgetGenerator(types.NamespacedName) { d.forgot++ }

// The directories of a source are read outside of the worker. Until they are known, and after a failure, nothing is made
// or deleted; a generator that was Ready stays so while they are read.
func TestAGeneratorOfDirectories(t *testing.T) {
	t.Parallel()
	g := generator("{app}")
	g.Status.ObservedGeneration = -1
	g.Spec.PathPattern = "@repo/{app}"
	g.Spec.CommonMetadata = &v1beta1.CommonMetadata{Labels: map[string]string{"team": "shop", "env": "prod"}}
	h, c := newHandler(t, g, owned(g, "former"))
	woken := make(chan struct{}, 1)
	h.readings = loop.NewTasks[error](t.Context(), func(types.NamespacedName) { woken <- struct{}{} }, time.Now)
	d := &directories{reading: func() {}}
	h.declared = d
	reconcile := func() time.Duration {
		t.Helper()
		again, err := h.Reconcile(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	has := func(want ...string) {
		t.Helper()
		if got := slices.Sorted(maps.Keys(artifacts(t, c))); !slices.Equal(got, want) {
			t.Errorf("there are the artifacts %v, want %v", got, want)
		}
	}
	says := func(reason, message string) {
		t.Helper()
		if status.Reason(g) != reason || !strings.Contains(status.Message(g), message) {
			t.Errorf("it says %s: %s; want %s: %s", status.Reason(g), status.Message(g), reason, message)
		}
	}

	d.unread = sources.Fail(v1beta1.FetchFailedReason, errors.New("no route"), "fetching it")
	reconcile()
	says(v1beta1.ProgressingReason, "reading the directories that match spec.pathPattern")
	<-woken
	if again := reconcile(); again != expandRetry {
		t.Errorf("again in %s", again)
	}
	says(v1beta1.FetchFailedReason,
		"fetching it: no route; no artifact is made or deleted, and the controller retries in 30s")
	has("former")

	d.unread = nil
	d.outputs = []catalog.Output{{Name: "web", Rules: "r", Labels: map[string]string{"app": "web", "env": "dev"}}}
	reconcile()
	says(v1beta1.FetchFailedReason, "no route")
	<-woken
	reconcile()
	has("web")
	says(v1beta1.ProgressingReason, "making 1 of 1 artifacts, web first")
	want := map[string]string{"app": "web", "env": "prod", "team": "shop"}
	if got := artifacts(t, c)["web"].Labels; !maps.Equal(got, want) {
		t.Errorf("the labels are %v, want %v", got, want)
	}
	if d.read != 2 {
		t.Errorf("the directories were read %d times", d.read)
	}

	d.outputs, d.err = nil, sources.Fail(v1beta1.NotFoundReason, nil, "no directory matches")
	if again := reconcile(); again != elsewhereRetry {
		t.Errorf("again in %s", again)
	}
	says(v1beta1.NotFoundReason, "no directory matches; no artifact is made or deleted until that changes")
	has("web")

	h.Forget(types.NamespacedName{Namespace: g.Namespace, Name: g.Name})
	if d.forgot != 1 {
		t.Error("a generator that is gone is not forgotten")
	}
}
