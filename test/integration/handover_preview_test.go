package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// clone writes files as a local copy of a repository.
func clone(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if content == "" {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".git", "HEAD"), []byte("ref: refs/heads/main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// previews asserts the lines of a preview of a Kustomization.
func previews(t *testing.T, ns, name, dir string, want ...string) {
	t.Helper()
	out, errs, code := command(t, "fairlead", "diff", "kustomization", name, "-n", ns, "--path", filepath.Join(dir, name))
	for _, line := range want {
		if !strings.Contains(out, line+"\n") {
			t.Errorf("the preview of %s lacks %q (%d):\n%s%s", name, line, code, out, errs)
		}
	}
	if deleted := strings.Count(out, ": deleted"); deleted != strings.Count(strings.Join(want, "\n"), ": deleted") {
		t.Errorf("the preview of %s deletes %d objects:\n%s", name, deleted, out)
	}
}

// A preview says of each object that changes hands what then happens to it.
func TestAPreviewForetellsWhoTakesObjects(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	home := ns + "-home"
	in := func(manifest string) string {
		return strings.Replace(manifest, "{name: ", "{namespace: "+home+", name: ", 1)
	}
	files := map[string]string{
		"one/home.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + home + "}\n",
		"one/a.yaml":    in(settings("a", "one")), "one/gone.yaml": settings("gone", "one"),
		"one/keep.yaml": settings("keep-one", "one"),
		"two/b.yaml":    settings("b", "two"), "two/keep.yaml": settings("keep-two", "two"),
	}
	fleet(t, ns, files)
	one, two := kustomization(ns, "one", "one"), kustomization(ns, "two", "two")
	apply(t, one, two)
	awaitReady(t, one)
	awaitReady(t, two)
	a, b := configUID(t, home, "a"), configUID(t, ns, "b")
	change := map[string]string{
		"one/home.yaml": "", "one/a.yaml": "", "two/a.yaml": in(settings("a", "two")),
		"two/b.yaml": "", "one/b.yaml": settings("b", "one"), "one/gone.yaml": "",
		"one/inner.yaml": declared("inner", "inner", ""), "inner/c.yaml": settings("c", "inner"),
	}
	for name, content := range change {
		files[name] = content
	}
	dir := clone(t, files)
	previews(t, ns, "one", dir,
		"ConfigMap "+home+"/a: handed over to Kustomization "+ns+"/two",
		"ConfigMap "+ns+"/b: taken over from Kustomization "+ns+"/two",
		"ConfigMap "+ns+"/gone: deleted", "Kustomization "+ns+"/inner: created",
		"Namespace "+home+": kept (has 1 object: configmaps a)")
	previews(t, ns, "two", dir,
		"ConfigMap "+home+"/a: taken over from Kustomization "+ns+"/one",
		"ConfigMap "+ns+"/b: handed over to Kustomization "+ns+"/one")

	sha := commit(t, ns, change)
	awaitOwner(t, home, "a", "two", a)
	awaitOwner(t, ns, "b", "one", b)
	awaitApplied(t, one, sha)
	awaitApplied(t, two, sha)
	until(t, "nothing is released any more", func() bool { return get(t, one).Status.Released == nil })
	if !holds(t, ns, "gone", "") {
		t.Error("an object that nobody took is still there")
	}
	kept := get(t, one).Status.Kept
	there := exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: home}})
	if len(kept) != 1 || kept[0].Name != home || !there {
		t.Errorf("kept are %+v", kept)
	}
}

// The preview of a Kustomization under a new name says that the objects stay.
func TestAPreviewForetellsARename(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	files := map[string]string{"root/app.yaml": declared("first", "app", ""), "app/a.yaml": settings("a", "one")}
	fleet(t, ns, files)
	root, first := kustomization(ns, "root", "root"), kustomization(ns, "first", "app")
	apply(t, root)
	awaitReady(t, root)
	awaitReady(t, first)
	files["root/app.yaml"] = declared("second", "app", "")
	dir := clone(t, files)
	out, errs, _ := command(t, "fairlead", "diff", "kustomization", "second", "-n", ns,
		"--file", filepath.Join(dir, "root", "app.yaml"), "--path", filepath.Join(dir, "app"))
	if want := "ConfigMap " + ns + "/a: taken over from Kustomization " + ns + "/first\n"; !strings.Contains(out, want) {
		t.Errorf("the preview lacks %q:\n%s%s", want, out, errs)
	}
	files["root/app.yaml"] = declared("first", "app", "") + "---\n" + declared("second", "app", "")
	dir = clone(t, files)
	out, errs, code := command(t, "fairlead", "diff", "kustomization", "second", "-n", ns,
		"--file", filepath.Join(dir, "root", "app.yaml"), "--path", filepath.Join(dir, "app"))
	if code != 2 || !strings.Contains(errs, "Kustomization "+ns+"/first") {
		t.Errorf("an object that its owner keeps is foretold as %d:\n%s%s", code, out, errs)
	}
}
