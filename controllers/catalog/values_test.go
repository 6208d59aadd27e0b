package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/store"
	"fairlead.dev/fairlead/test/servers"
)

// takesValues is a release that takes values from files of sources in the namespace apps.
func takesValues(references ...v1beta1.ValuesReference) *v1beta1.HelmRelease {
	hr := release("web", "web", "1.0.0")
	hr.Spec.ValuesFrom = references
	return hr
}

func ofGit(path string) v1beta1.ValuesReference {
	return v1beta1.ValuesReference{Kind: v1beta1.GitRepositoryKind, Name: "config", Path: path}
}

// valuesWorld is a Git repository with values, and a catalog that polls it for a release.
type valuesWorld struct {
	t       *testing.T
	server  *servers.Git
	source  *v1beta1.GitRepository
	catalog *Catalog
	choice  ChartRef
	// notified are the choices that the last poll reported, woken is how often the source was asked to poll.
	notified []ChartRef
	woken    int
}

func newValuesWorld(t *testing.T, path string, files map[string]string) *valuesWorld {
	t.Helper()
	server, err := servers.GitServer(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	url, err := server.Create("config")
	if err != nil {
		t.Fatal(err)
	}

	w := &valuesWorld{t: t, server: server}
	w.source = &v1beta1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "config", UID: "g1", Generation: 1},
	}
	w.source.Spec.URL = url
	w.source.Spec.Reference = &v1beta1.GitRepositoryRef{Branch: "main"}
	hr := takesValues(ofGit(path))
	w.choice = ChoicesOfValues(hr)[0]
	w.catalog = newCatalog(t, w.source, hr)
	w.catalog.Subscribe(func(_ context.Context, choice ChartRef) { w.notified = append(w.notified, choice) })
	w.catalog.OnWake(v1beta1.GitRepositoryKind, func(ChartRef) { w.woken++ })
	w.commit(files)
	return w
}

// commit adds a commit, and returns the revision of the branch.
func (w *valuesWorld) commit(files map[string]string) string {
	w.t.Helper()
	sha, err := w.server.Commit("config", "main", files, "values")
	if err != nil {
		w.t.Fatal(err)
	}
	return "main@sha1:" + sha
}

// poll polls the source as its controller does.
func (w *valuesWorld) poll() {
	w.t.Helper()
	w.notified = nil
	choices, err := ChoicesOf(w.catalog.objects)(w.t.Context(), w.choice.Source())
	if err != nil {
		w.t.Fatal(err)
	}
	found := w.catalog.Poll(w.t.Context(), w.source, choices)
	if found.Err != nil {
		w.t.Fatal(found.Err)
	}
	status.SourceReady(w.source, found.Artifact, found.Message, now)
}

// holds expects files, as path=content, seen in a revision, and which choices were reported.
func (w *valuesWorld) holds(what, revision string, reported bool, want ...string) {
	w.t.Helper()
	found, err := w.catalog.Values(w.t.Context(), w.choice)
	var got []string
	for _, file := range found.Files {
		got = append(got, file.Path+"="+strings.TrimSpace(string(file.Data)))
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" || found.Revision != revision {
		w.t.Errorf("%s: revision %s, want %s, error %v (-want +got):\n%s", what, found.Revision, revision, err, diff)
	}
	if slices.Contains(w.notified, w.choice) != reported {
		w.t.Errorf("%s: %v were notified, want the release to be: %t", what, w.notified, reported)
	}
}

// Values files are followed: the release is notified when they change, and not when other files do.
func TestValuesFilesAreFollowed(t *testing.T) {
	t.Parallel()
	w := newValuesWorld(t, "env/*.yaml", map[string]string{"env/b.yaml": "b: 1\n", "env/a.yaml": "a: 1\n", "README.md": "x"})
	if _, err := w.catalog.Values(t.Context(), w.choice); !IsPending(err) || w.woken != 1 {
		t.Errorf("before a poll: %v, woken %d times; want that it is pending, and one", err, w.woken)
	}
	if w.catalog.Answered(t.Context(), w.source, []ChartRef{w.choice}) {
		t.Error("before a poll it is said to be answered")
	}

	first := w.commit(map[string]string{"README.md": "y"})
	w.poll()
	w.holds("the first poll", first, true, "env/a.yaml=a: 1", "env/b.yaml=b: 1")
	other := w.commit(map[string]string{"README.md": "z", "env/sub/c.yaml": "c: 1\n"})
	w.poll()
	w.holds("a commit of other files", other, false, "env/a.yaml=a: 1", "env/b.yaml=b: 1")
	w.poll()
	w.holds("a poll without news", other, false, "env/a.yaml=a: 1", "env/b.yaml=b: 1")
	changed := w.commit(map[string]string{"env/a.yaml": "a: 2\n", "env/c.yaml": "c: 3\n"})
	w.poll()
	w.holds("a commit of these files", changed, true, "env/a.yaml=a: 2", "env/b.yaml=b: 1", "env/c.yaml=c: 3")

	w.commit(map[string]string{"env/a.yaml": "", "env/b.yaml": "", "env/c.yaml": ""})
	w.poll()
	_, err := w.catalog.Values(t.Context(), w.choice)
	if !IsAbsent(err) || !strings.Contains(err.Error(), `GitRepository apps/config: no file matches "env/*.yaml"`) {
		t.Errorf("without the files: %v", err)
	}
	if !slices.Contains(w.notified, w.choice) {
		t.Error("without the files the release is not notified")
	}
	w.poll()
	if _, again := w.catalog.Values(t.Context(), w.choice); !errors.Is(again, err) || len(w.notified) > 0 {
		t.Errorf("a poll without news reads the archive again: %v, notified %v", again, w.notified)
	}
	back := w.commit(map[string]string{"env/a.yaml": "a: 3\n"})
	w.poll()
	w.holds("a file that is there again", back, true, "env/a.yaml=a: 3")
}

// What the cache has lost is read again; what a new process finds in the store, it returns without a poll.
func TestValuesFilesThatTheCacheHasLost(t *testing.T) {
	t.Parallel()
	w := newValuesWorld(t, "values.yaml", nil)
	revision := w.commit(map[string]string{"values.yaml": "a: 1\n"})
	w.poll()
	second := NewCatalog(w.catalog.objects, w.catalog.secrets, w.catalog.store)
	if found, err := second.Values(t.Context(), w.choice); err != nil || found.Revision != revision || len(found.Files) != 1 {
		t.Errorf("a new process finds %+v, %v", found, err)
	}

	if keep, err := w.catalog.held(t.Context()); err != nil || !keepsAll(keep, w) {
		t.Errorf("the files are not held: %v, %v", keep, err)
	}
	if _, _, err := w.catalog.store.Collect(map[store.Claim]bool{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.catalog.Values(t.Context(), w.choice); !IsPending(err) || w.woken != 1 {
		t.Errorf("with an empty cache: %v, woken %d times; want that it is pending, and one", err, w.woken)
	}
	if w.catalog.Answered(t.Context(), w.source, []ChartRef{w.choice}) {
		t.Error("with an empty cache it is said to be answered")
	}
	w.poll()
	w.holds("after the next poll", revision, true, "values.yaml=a: 1")
}

func keepsAll(keep map[store.Claim]bool, w *valuesWorld) bool {
	answer := w.catalog.shelves[w.choice.Source()].Picks[w.choice.String()]
	return keep[store.Claim{Holder: holderOf(w.source), Digest: answer.Archive}]
}

func TestValuesFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	encrypted := "password: ENC[AES256_GCM,data:aHVudGVyMg==,iv:x,tag:y,type:str]\nsops:\n    mac: ENC[AES256_GCM,data:z]\n"
	files := map[string]string{
		"plain.yaml": "# sops: is not used\na: 1\n", "sops.yaml": encrypted, "binary.yaml": "a: \xff\xfe\n",
		"many/x.yaml": "x: 1\n", "large.yaml": "a: " + strings.Repeat("x", 4<<20),
	}
	for i := range maxValuesFiles {
		files["many/"+strings.Repeat("y", i+1)+".yaml"] = "a: 1\n"
	}
	w := newValuesWorld(t, "plain.yaml", files)
	for path, want := range map[string]struct{ reason, says string }{
		"sops.yaml":    {v1beta1.UnsupportedReason, "sops.yaml is encrypted with SOPS"},
		"binary.yaml":  {v1beta1.InvalidContentReason, "binary.yaml is binary; values are UTF-8 text"},
		"many/*.yaml":  {v1beta1.InvalidContentReason, `51 files match "many/*.yaml"; up to 50 are allowed`},
		"large.yaml":   {v1beta1.InvalidContentReason, "more than the 4194304 bytes that values may have"},
		"../plain":     {v1beta1.InvalidReferenceReason, "must be relative and inside of the source"},
		"nothing.yaml": {v1beta1.NotFoundReason, "no file matches"},
	} {
		choice := w.choice
		choice.files = path
		if found := w.catalog.Poll(t.Context(), w.source, []ChartRef{choice}); found.Err != nil {
			t.Fatal(found.Err)
		}
		_, err := w.catalog.Values(t.Context(), choice)
		if sources.Reason(err) != want.reason || !strings.Contains(err.Error(), want.says) ||
			strings.Contains(err.Error(), "ENC[") || IsAbsent(err) != (path == "nothing.yaml") {
			t.Errorf("%s: %v; want %s: %s", path, err, want.reason, want.says)
		}
	}
	w.poll()
	if found, err := w.catalog.Values(t.Context(), w.choice); err != nil || len(found.Files) != 1 {
		t.Errorf("a file that only mentions SOPS: %+v, %v", found, err)
	}

	elsewhere := w.choice
	elsewhere.Name = "gone"
	if _, err := w.catalog.Values(t.Context(), elsewhere); !IsAbsent(err) ||
		!strings.Contains(err.Error(), "GitRepository apps/gone does not exist") {
		t.Errorf("without the source: %v", err)
	}
}

// The commands ask upstream themselves, and need no controller.
func TestResolveValues(t *testing.T) {
	t.Parallel()
	w := newValuesWorld(t, "values.yaml", nil)
	revision := w.commit(map[string]string{"values.yaml": "a: 1\n"})
	r, err := NewValuesResolver(w.catalog.objects, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		found, err := r.Values(t.Context(), w.choice)
		if err != nil || found.Revision != revision || len(found.Files) != 1 {
			t.Errorf("it is %+v, %v", found, err)
		}
	}
	gone := w.choice
	gone.files = "gone.yaml"
	if _, err := r.Values(t.Context(), gone); !IsAbsent(err) {
		t.Errorf("without the file: %v", err)
	}
	gone.Name = "gone"
	if _, err := r.Values(t.Context(), gone); !IsAbsent(err) {
		t.Errorf("without the source: %v", err)
	}
}

// Releases are found by the values files that they ask for; those in other namespaces are left out where that is not
// allowed.
func TestValuesUsers(t *testing.T) {
	t.Parallel()
	own := takesValues(v1beta1.ValuesReference{Kind: "ConfigMap", Name: "config"}, ofGit("a.yaml"), ofGit("b.yaml"))
	foreign := takesValues(ofGit("a.yaml"))
	foreign.Namespace = "tenant"
	foreign.Spec.ValuesFrom[0].Namespace = "apps"
	a := ChoicesOfValues(own)[0]
	for ownNamespace, want := range map[bool][]types.NamespacedName{
		false: {{Namespace: "apps", Name: "web"}, {Namespace: "tenant", Name: "web"}},
		true:  {{Namespace: "apps", Name: "web"}},
	} {
		scheme := runtime.NewScheme()
		if err := v1beta1.AddToScheme(scheme); err != nil {
			t.Fatal(err)
		}
		b := builder{fake.NewClientBuilder().WithScheme(scheme).WithObjects(own.DeepCopy(), foreign.DeepCopy())}
		if err := Index(t.Context(), b, ownNamespace); err != nil {
			t.Fatal(err)
		}
		objects := b.Build()
		for _, choice := range []ChartRef{a, a.Source()} {
			if diff := cmp.Diff(want, ValuesUsersOf(t.Context(), objects, choice)); diff != "" {
				t.Errorf("of %s with ownNamespace %t (-want +got):\n%s", choice, ownNamespace, diff)
			}
		}
		choices, err := ChoicesOf(objects)(t.Context(), a.Source())
		if diff := cmp.Diff([]string{a.String(), ChoicesOfValues(own)[1].String()}, textsOf(choices)); err != nil || diff != "" {
			t.Errorf("asked with ownNamespace %t: %v (-want +got):\n%s", ownNamespace, err, diff)
		}
	}
	if text := a.String(); text != `the values files "a.yaml" of GitRepository apps/config` {
		t.Errorf("a choice is called %s", text)
	}
}

func textsOf(choices []ChartRef) []string {
	texts := make([]string, 0, len(choices))
	for _, choice := range choices {
		texts = append(texts, choice.String())
	}
	return texts
}
