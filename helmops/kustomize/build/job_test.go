package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// childVerb makes the test binary a child that builds.
const childVerb = "be-a-worker"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childVerb {
		os.Exit(worker.Serve(Jobs(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func builder(t testing.TB) Builder {
	t.Helper()
	pool := worker.NewPool(worker.Command(childVerb))
	t.Cleanup(pool.Close)
	return Builder{Runner: pool}
}

// A child makes what this process makes, of errors, too.
func TestChildBuildsTheSame(t *testing.T) {
	b := builder(t)
	secret, err := os.ReadFile("../sops/testdata/secret.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("../sops/testdata/key.agekey")
	if err != nil {
		t.Fatal(err)
	}
	source := files{
		"apps/kustomization.yaml": "resources: [../base, linked/secret.yaml]\nnamePrefix: a-\n",
		"apps/linked":             "->../secrets",
		"base/kustomization.yaml": "resources: [web.yaml, settings.yaml]\n", "base/web.yaml": deployment,
		"base/settings.yaml": configMap("settings", "\"${greeting}\""), "secrets/secret.yaml": string(secret),
		"plain/numbers.yaml": "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: numbers}\nspec: {big: 12345678901234567, float: 1.5, none: null}\n",
		"broken/a.yaml":      "apiVersion: v1\nkind: ConfigMap\n  name: x\n", "empty/x.txt": "",
		"diamond": "->.",
		"many/kustomization.yaml": "resources: [../base]\npatches:\n" +
			strings.Repeat("- {patch: \"{apiVersion: v1, kind: A, metadata: {name: b}}\"}\n", 11_000),
	}
	owner := types.NamespacedName{Namespace: "fleet", Name: "apps"}
	for _, r := range []Request{
		{
			Path: "apps", Owner: owner, Decrypt: true, Keys: map[string][]byte{"a.agekey": key},
			Variables: map[string]string{"greeting": "hello"}, Overlay: v1beta1.Overlay{PostBuild: &v1beta1.PostBuild{}},
		},
		{Path: "./apps/", Owner: owner, Decrypt: true},
		{Path: "apps"},
		{Path: "apps", Decrypt: true, Keys: map[string][]byte{"a.agekey": []byte("none")}},
		{Path: "plain"},
		{
			Path:    "plain",
			Overlay: v1beta1.Overlay{NamePrefix: "x-", Components: []string{"../gone"}, IgnoreMissingComponents: true},
		},
		{Path: "broken"}, {Path: "empty"}, {Path: "gone"}, {Path: "../outside"}, {Path: "many"}, {Path: "diamond/plain"},
	} {
		want, wantErr := r.Build(t.Context(), source.tree(t), nil)
		got, err := b.Build(t.Context(), "fleet", source.tree(t), r)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%s: got the error %v, want %v", r.Path, err, wantErr)
		}
		var known, wantKnown *Error
		if errors.As(wantErr, &wantKnown) &&
			(!errors.As(err, &known) || known.Reason() != wantKnown.Reason() || known.Path != wantKnown.Path ||
				known.Line != wantKnown.Line || known.Retryable() != wantKnown.Retryable()) {
			t.Errorf("%s: the error has become %+v, was %+v", r.Path, known, wantKnown)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-here +child):\n%s", r.Path, diff)
		}
	}
}

// A build asks for what it reads, not for the whole source.
func TestBuildAsksForWhatItReads(t *testing.T) {
	t.Parallel()
	source := files{
		"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": configMap("a", "a"), "app/large.yaml": "x",
	}
	for i := range 100 {
		source[fmt.Sprintf("others/%d/a.yaml", i)] = "x"
	}
	tree := source.tree(t)
	var asked []string
	remote := remoteTree(func(q []byte) ([]byte, error) {
		asked = append(asked, string(q))
		return tree.Answer(q)
	})
	if objects, err := Build(t.Context(), remote, Options{Path: "app"}); err != nil || len(objects) != 1 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	want := []string{`{"dir":"."}`, `{"dir":"app"}`, `{"file":"app/kustomization.yaml"}`, `{"file":"app/a.yaml"}`}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
}

// A file that cannot be had fails the build, also where kustomize would do without it.
func TestUnansweredQuestionsFailTheBuild(t *testing.T) {
	t.Parallel()
	tree := files{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": configMap("a", "a")}.tree(t)
	for _, missing := range []string{`{"dir":"."}`, `{"file":"a.yaml"}`} {
		remote := remoteTree(func(q []byte) ([]byte, error) {
			if string(q) == missing {
				return nil, errors.New("the connection was lost")
			}
			return tree.Answer(q)
		})
		if _, err := Build(t.Context(), remote, Options{}); err == nil ||
			!strings.Contains(err.Error(), "the connection was lost") {
			t.Errorf("%s: %v", missing, err)
		}
	}
	for _, asked := range []string{"", "{}", `{"dir":"../x"}`, `{"file":"gone"}`, `{"file":"../etc/passwd"}`} {
		answer, err := tree.Answer([]byte(asked))
		var found listing
		if err == nil && (json.Unmarshal(answer, &found) != nil || found.Exists) {
			t.Errorf("%s is answered with %s", asked, answer)
		}
	}
}

// What the bounds do not foresee ends with the process, with the name of the file, and leaves nothing behind.
func TestChildIsBounded(t *testing.T) {
	b := builder(t)
	copies := "- {op: add, path: /data/a, value: [x]}\n" +
		strings.Repeat("- {op: copy, from: /data/a, path: /data/a/-}\n", 60)
	source := files{
		"bomb/kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n",
		"bomb/a.yaml":             configMap("a", "a"), "bomb/p.yaml": copies,
		"good/a.yaml": configMap("a", "a"),
	}.tree(t)
	_, err := b.Build(t.Context(), "fleet", source, Request{Path: "bomb"})
	var known *Error
	if !errors.As(err, &known) || known.Reason() != v1beta1.RenderingLimitExceededReason || known.Retryable() {
		t.Fatalf("got %v", err)
	}
	if !strings.HasPrefix(err.Error(), "bomb/") || !strings.Contains(err.Error(), "exceeds its bound of ") {
		t.Errorf("the error does not name the file and the bound: %v", err)
	}
	if r, err := b.Build(t.Context(), "fleet", source, Request{Path: "good"}); err != nil || len(r.Objects) != 1 {
		t.Errorf("the next build: %d objects, %v", len(r.Objects), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Build(ctx, "fleet", source, Request{Path: "good"}); !errors.Is(err, context.Canceled) {
		t.Errorf("of a context that has ended: %v", err)
	}
}
