package release

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/store"
)

func ofGit(path string, optional bool) v1beta1.ValuesReference {
	return v1beta1.ValuesReference{Kind: v1beta1.GitRepositoryKind, Name: "config", Path: path, Optional: optional}
}

// Each file of a source is a layer of its own, at the place of its entry; the message of one that is broken names it.
func TestFilesOfSourcesAreLayers(t *testing.T) {
	t.Parallel()
	h := newHandler(t, nil,
		&corev1.ConfigMap{ObjectMeta: named("base"), Data: map[string]string{"values.yaml": "a: 1\nb: 1\nc: 1"}})
	asked := ""
	files := []catalog.ValuesFile{{Path: "env/1.yaml", Data: []byte("a: 2\nb: 2")}, {Path: "env/2.yaml", Data: []byte("b: 3")}}
	reader := valuesReader{document: h.documents.Get, files: func(_ context.Context, choice catalog.ChartRef) (
		catalog.ValuesFiles, error,
	) {
		asked = choice.String()
		return catalog.ValuesFiles{Revision: "main@sha1:1", Files: files}, nil
	}}
	hr := helmRelease("web", own(`{"d":4}`), from(
		v1beta1.ValuesReference{Kind: "ConfigMap", Name: "base"}, ofGit("env/*.yaml", false)))
	composed, err := reader.values(t.Context(), hr)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": float64(2), "b": float64(3), "c": float64(1), "d": float64(4)}
	if diff := cmp.Diff(want, composed.Merged); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if asked != `the values files "env/*.yaml" of GitRepository apps/config` {
		t.Errorf("it asks for %s", asked)
	}
	if origin := composed.origin([]string{"b"}); origin != "GitRepository apps/config env/2.yaml at main@sha1:1" {
		t.Errorf("b comes from %s", origin)
	}
	if masked := composed.Mask.Apply("3"); masked != "3" {
		t.Errorf("what comes from a file is masked: %s", masked)
	}

	files[1].Data = []byte("b: 3\npassword: hunter2\n  broken: [")
	_, err = reader.values(t.Context(), hr)
	says := "values: GitRepository apps/config env/2.yaml at main@sha1:1 is not a YAML map (line"
	if refs.ReasonOf(err) != v1beta1.ValuesErrorReason || !strings.HasPrefix(err.Error(), says) ||
		strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a broken file: %v", err)
	}
}

func TestFilesOfSourcesThatAreMissing(t *testing.T) {
	t.Parallel()
	absent := newHandler(t, nil).catalog.Values
	failing := func(err error) readFiles {
		return func(context.Context, catalog.ChartRef) (catalog.ValuesFiles, error) {
			return catalog.ValuesFiles{}, err
		}
	}
	for name, tt := range map[string]struct {
		files    readFiles
		optional bool
		reason   string
		final    bool
		message  string
	}{
		"no source": {files: absent, reason: v1beta1.ValuesErrorReason, message: "spec.valuesFrom: GitRepository apps/config " +
			"does not exist; the controller continues when it is created"},
		"no source, optional": {files: absent, optional: true},
		"a source that is not ready, optional": {
			files:    failing(sources.Fail(v1beta1.SourceNotReadyReason, nil, "GitRepository apps/config is not ready: no route")),
			optional: true, reason: v1beta1.ValuesErrorReason, message: "spec.valuesFrom: GitRepository apps/config is not ready",
		},
		"a path that leads out": {
			files:  failing(sources.Stall(v1beta1.InvalidReferenceReason, nil, "the path must be relative")),
			reason: v1beta1.InvalidReferenceReason, final: true, message: "spec.valuesFrom: the path must be relative",
		},
	} {
		hr := helmRelease("web", from(ofGit("values.yaml", tt.optional)))
		composed, err := valuesReader{files: tt.files}.values(t.Context(), hr)
		var known *refs.ObstacleError
		switch {
		case tt.reason == "":
			if err != nil || len(composed.Layers) != 0 {
				t.Errorf("%s: %v, %v", name, composed.Layers, err)
			}
		case !errors.As(err, &known) || known.Reason != tt.reason || known.Final != tt.final ||
			!strings.HasPrefix(known.Message, tt.message):
			t.Errorf("%s: %v; want %s (final %t): %s", name, err, tt.reason, tt.final, tt.message)
		}
	}
}

// Files that the source controller has not read yet are no obstacle: the catalog wakes the release.
func TestPendingFilesOfSourcesAreNoObstacle(t *testing.T) {
	t.Parallel()
	h := newHandler(t, nil, &v1beta1.OCIRepository{ObjectMeta: named("config")})
	artifacts, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = artifacts.Close() })
	h.catalog = catalog.NewCatalog(h.objects, h.objects, artifacts)
	reference := v1beta1.ValuesReference{Kind: v1beta1.OCIRepositoryKind, Name: "config", Path: "values.yaml"}
	_, err = h.gather(t.Context(), helmRelease("web", from(reference)))
	if !catalog.IsPending(err) {
		t.Errorf("error = %v, want pending", err)
	}
}
