package review

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/kustomize/build"
	"fairlead.dev/fairlead/helmops/process/worker"
	"fairlead.dev/fairlead/helmops/view"
	"fairlead.dev/fairlead/sources/git"
	"fairlead.dev/fairlead/test/servers"
)

// The test binary is its own child, as the command is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		jobs := rendering.Jobs()
		for name, job := range build.Jobs() {
			jobs[name] = job
		}
		os.Exit(worker.Serve(jobs, os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

const remote = "https://github.com/acme/fleet.git"

// world is a repository, and what it is looked at with.
type world struct {
	tb     testing.TB
	tree   *servers.WorkTree
	charts *servers.Charts
	pool   *worker.Pool
	cache  string
	base   string
}

func newWorld(tb testing.TB, files map[string]string) *world {
	tb.Helper()
	w := &world{tb: tb, cache: tb.TempDir(), pool: worker.NewPool(worker.Command("worker"))}
	tb.Cleanup(w.pool.Close)
	var err error
	w.charts, err = servers.ChartRepository(servers.ChartOptions{})
	w.must(err)
	tb.Cleanup(func() { _ = w.charts.Close() })
	w.tree, err = servers.NewWorkTree(tb.TempDir(), remote)
	w.must(err)
	w.must(w.tree.Write(w.filled(files)))
	w.base, err = w.tree.Commit("base")
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

// filled puts the address of the chart repository into files.
func (w *world) filled(files map[string]string) map[string]string {
	out := map[string]string{}
	for name, content := range files {
		out[name] = strings.ReplaceAll(content, "$CHARTS", w.charts.URL())
	}
	return out
}

func (w *world) publish(name, version string, templates map[string]string) {
	w.tb.Helper()
	files := map[string]string{"Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version)}
	for file, content := range templates {
		files[file] = content
	}
	archive, err := servers.BuildChart(files)
	w.must(err)
	w.must(w.charts.Add(archive))
}

// change changes files, and reviews that.
func (w *world) change(files map[string]string, options ...func(*Config)) *view.Review {
	w.tb.Helper()
	w.must(w.tree.Write(w.filled(files)))
	found, err := w.review(options...)
	w.must(err)
	return found
}

func (w *world) review(options ...func(*Config)) (*view.Review, error) {
	w.tb.Helper()
	checkout, err := git.OpenCheckout(w.tree.Dir)
	w.must(err)
	base, err := checkout.At(w.tb.Context(), w.base)
	w.must(err)
	head, err := checkout.WorkTree(w.tb.Context())
	w.must(err)
	config := Config{
		Checkout: checkout, Base: base, Head: head, Paths: []string{"./clusters/prod"}, Namespace: "default",
		KubeVersion: engine.DefaultKubeVersion, CacheDir: w.cache, Pool: w.pool, Workers: runtime.NumCPU(),
		Progress: func(string) {},
	}
	for _, option := range options {
		option(&config)
	}
	return Run(w.tb.Context(), config)
}

// fetched counts the requests for a file of the chart repository.
func (w *world) fetched(name string) int {
	n := 0
	for _, request := range w.charts.Seen() {
		if strings.Contains(request, name) {
			n++
		}
	}
	return n
}

// items are the plans in short: their kinds and names, what changes, and the objects.
func items(found *view.Review) []string {
	var out []string
	for _, i := range found.Items {
		line := i.Kind + " " + i.Namespace + "/" + i.Name + " " + i.Change + " " + i.Risk
		for _, o := range i.Objects {
			line += ", " + o.Kind + " " + o.Name + " " + o.Change
		}
		if i.Error != "" {
			line += ": " + i.Error
		}
		out = append(out, line)
	}
	return out
}

func expect(t *testing.T, found *view.Review, want ...string) {
	t.Helper()
	if got := items(found); !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s\nnotes: %q", strings.Join(got, "\n  "), strings.Join(want, "\n  "), found.Notes)
	}
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
}

const fleet = `apiVersion: fairlead.dev/v1beta1
kind: GitRepository
metadata: {name: fleet, namespace: flux-system}
spec: {url: "ssh://git@github.com/acme/fleet", secretRef: {name: deploy}}
---
apiVersion: fairlead.dev/v1beta1
kind: Kustomization
metadata: {name: fleet, namespace: flux-system}
spec: {path: ./clusters/prod, prune: true, sourceRef: {kind: GitRepository, name: fleet}}
---
apiVersion: fairlead.dev/v1beta1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./apps, prune: true, sourceRef: {kind: GitRepository, name: fleet}}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRepository
metadata: {name: charts, namespace: web}
spec: {url: "$CHARTS"}
`

// hr is a release with a chart of the HelmRepository, or of a directory of this repository.
func hr(name, chart, version, more string) string {
	source := "{kind: HelmRepository, name: charts}"
	if strings.Contains(chart, "/") {
		source = "{kind: GitRepository, name: fleet, namespace: flux-system}"
	}
	return fmt.Sprintf(`apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: %s, namespace: web}
spec:
  chart: {spec: {chart: %s, version: %q, sourceRef: %s}}
%s---
`, name, chart, version, source, more)
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas | default 1 }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:{{ .Chart.Version }}"}]}
`

func TestUntouchedReleasesCostNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"clusters/prod/sync.yaml": fleet,
		"apps/releases.yaml":      hr("a", "one", "1.0.0", "") + hr("b", "two", "1.0.0", "") + hr("c", "one", "^1", ""),
	})
	for _, name := range []string{"one", "two"} {
		w.publish(name, "1.0.0", map[string]string{"templates/d.yaml": deployment})
	}
	w.publish("one", "1.1.0", map[string]string{"templates/d.yaml": deployment})
	found := w.change(map[string]string{
		"apps/releases.yaml": hr("a", "one", "1.0.0", "  values: {replicas: 3}\n") + hr("b", "two", "1.0.0", "") + hr("c", "one", "^1", ""),
	})
	expect(t, found, "HelmRelease web/a changed None, Deployment a changed",
		"Kustomization flux-system/apps changed None, HelmRelease a changed")
	if found.Untouched != 3 {
		t.Errorf("untouched: %d, want b, c and Kustomization fleet", found.Untouched)
	}
	a := found.Items[0]
	if a.File != "apps/releases.yaml" || a.Line != 1 || len(a.Values) != 1 || a.Values[0].Path != "replicas" {
		t.Errorf("%s:%d, values %v", a.File, a.Line, a.Values)
	}
	if n := w.fetched("index.yaml"); n != 1 && n != 2 || w.fetched("two-1.0.0.tgz") != 0 || w.fetched("one-1.0.0.tgz") != 1 {
		t.Errorf("requests of the first run: %v", w.charts.Seen())
	}

	// The chart has an exact version: another run asks for nothing.
	w.charts.Forget()
	if again, err := w.review(); err != nil || !slices.Equal(items(again), items(found)) {
		t.Errorf("again: %v, %v", again, err)
	}
	if requests := w.charts.Requests(); len(requests) != 0 {
		t.Errorf("requests of the second run: %v", requests)
	}

	// What is damaged in the cache is fetched again.
	archives, err := filepath.Glob(filepath.Join(w.cache, "charts", "*.tgz"))
	w.must(err)
	for _, archive := range archives {
		w.must(os.WriteFile(archive, []byte("damaged"), 0o600))
	}
	if again, err := w.review(); err != nil || !slices.Equal(items(again), items(found)) {
		t.Errorf("with a damaged cache: %v, %v", again, err)
	}

	// A range is resolved once for both sides and all releases.
	w.charts.Forget()
	found = w.change(map[string]string{
		"apps/releases.yaml": hr("a", "one", "^1", "") + hr("b", "two", "1.0.0", "") + hr("c", "one", "^1", "  values: {replicas: 2}\n"),
	})
	expect(t, found, "HelmRelease web/a changed Restart, Deployment a changed",
		"HelmRelease web/c changed None, Deployment c changed",
		"Kustomization flux-system/apps changed None, HelmRelease a changed, HelmRelease c changed")
	if n := w.fetched("index.yaml"); n < 1 || n > 2 {
		t.Errorf("the index was asked for %d times", n)
	}
}

func TestChartsOfTheRepository(t *testing.T) {
	t.Parallel()
	chart := map[string]string{
		"charts/shop/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n", "charts/shop/templates/d.yaml": deployment,
	}
	files := map[string]string{
		"clusters/prod/sync.yaml": fleet, "apps/a.yaml": hr("a", "charts/shop", "", ""),
		"apps/b.yaml": hr("b", "charts/other", "", ""),
	}
	for name, content := range chart {
		files[name] = content
		files[strings.ReplaceAll(name, "shop", "other")] = strings.ReplaceAll(content, "shop", "other")
	}
	w := newWorld(t, files)
	found := w.change(map[string]string{
		"charts/shop/templates/pvc.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: " +
			`{found: "{{ len (lookup "v1" "Secret" "web" "x") }}", kube: "{{ .Capabilities.KubeVersion.Minor }}", ` +
			`crd: "{{ .Capabilities.APIVersions.Has "example.com/v1" }}"}`,
	}, func(c *Config) {
		c.KubeVersion = "1.33.1"
		c.APIVersions = []string{"example.com/v1"}
	})
	expect(t, found, "HelmRelease web/a changed None, ConfigMap x created")
	found = w.change(map[string]string{"charts/shop/templates/pvc.yaml": "{{ fail \"no\" }}"})
	if len(found.Items) != 1 || found.Failed != 1 {
		t.Fatalf("a chart that does not render: %v", items(found))
	}
	contains(t, found.Items[0].Error, "no")
}

func TestWhatIsCreatedAndDeleted(t *testing.T) {
	t.Parallel()
	claim := "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: {{ .Release.Name }}-%s%s}\nspec: {}\n"
	w := newWorld(t, map[string]string{
		"clusters/prod/sync.yaml":       fleet,
		"charts/data/Chart.yaml":        "apiVersion: v2\nname: data\nversion: 0.1.0\n",
		"charts/data/templates/go.yaml": fmt.Sprintf(claim, "go", ""),
		"charts/data/templates/stay.yaml": fmt.Sprintf(claim, "stay",
			", annotations: {helm.sh/resource-policy: keep}"),
		"apps/a.yaml": hr("a", "charts/data", "", ""),
		"apps/b.yaml": hr("b", "charts/data", "", "  deletionPolicy: Orphan\n"),
	})
	found := w.change(map[string]string{
		"apps/a.yaml": "", "apps/b.yaml": "", "apps/c.yaml": hr("c", "charts/data", "", ""),
	})
	expect(t, found,
		"HelmRelease web/a deleted DataLoss, PersistentVolumeClaim a-go deleted, PersistentVolumeClaim a-stay kept",
		"HelmRelease web/b deleted None, PersistentVolumeClaim b-go kept, PersistentVolumeClaim b-stay kept",
		"HelmRelease web/c created None, PersistentVolumeClaim c-go created, PersistentVolumeClaim c-stay created",
		"Kustomization flux-system/apps changed None, HelmRelease a deleted, HelmRelease b deleted, HelmRelease c created")

	found = w.change(map[string]string{
		"clusters/prod/sync.yaml": strings.ReplaceAll(fleet, "path: ./apps, prune: true", "path: ./apps, prune: false"),
	})
	if found.Risk != "None" {
		t.Errorf("with spec.prune off: %v", items(found))
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: web}\nstringData: {values.yaml: \"password: %s\"}\n---\n"
	encrypted := "apiVersion: v1\nkind: Secret\nmetadata: {name: sealed, namespace: web}\nstringData:\n" +
		"  values.yaml: ENC[AES256_GCM,data:%s,type:str]\nsops: {mac: \"ENC[AES256_GCM,data:x]\", version: 3.9.0}\n---\n"
	values := "  valuesFrom: [{kind: Secret, name: db}, {kind: Secret, name: sealed}, {kind: ConfigMap, name: elsewhere}]\n"
	template := deployment + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {url: \"db://{{ .Values.password }}@host\"}\n"
	w := newWorld(t, map[string]string{
		"clusters/prod/sync.yaml": strings.Replace(fleet, "path: ./apps,",
			"path: ./apps, decryption: {provider: sops, secretRef: {name: sops}},", 1),
		"apps/a.yaml":                  hr("a", "charts/shop", "", values) + fmt.Sprintf(secret, "hunter2-old") + fmt.Sprintf(encrypted, "one"),
		"charts/shop/Chart.yaml":       "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
		"charts/shop/templates/d.yaml": template,
	})
	found := w.change(map[string]string{
		"apps/a.yaml": hr("a", "charts/shop", "", values) + fmt.Sprintf(secret, "hunter2-new") + fmt.Sprintf(encrypted, "two"),
	})
	expect(t, found, "HelmRelease web/a changed None, ConfigMap c changed",
		"Kustomization flux-system/apps changed None, Secret db changed, Secret sealed changed")
	text, err := json.Marshal(found)
	w.must(err)
	if strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "data:two") {
		t.Errorf("it shows a secret: %s", text)
	}
	if len(found.Items) != 2 {
		t.FailNow()
	}
	contains(t, strings.Join(found.Items[0].Notes, "\n"), "the values of Secret web/sealed are not known: it is encrypted",
		"the values of ConfigMap web/elsewhere are not known: it is not in the tree")
	contains(t, strings.Join(found.Items[1].Notes, "\n"), "the keys of SOPS are not known")

	// An error quotes the values that a chart fails with.
	found = w.change(map[string]string{"charts/shop/templates/d.yaml": "{{ fail .Values.password }}"})
	text, err = json.Marshal(found)
	w.must(err)
	if found.Failed != 1 || strings.Contains(string(text), "hunter2") {
		t.Errorf("an error shows a secret: %s", text)
	}
}

func TestPlansThatCannotBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"clusters/prod/sync.yaml": fleet + "---\napiVersion: fairlead.dev/v1beta1\nkind: Kustomization\n" +
			"metadata: {name: lost, namespace: flux-system}\nspec: {path: ./x, sourceRef: {kind: GitRepository, name: elsewhere}}\n" +
			"---\napiVersion: fairlead.dev/v1beta1\nkind: GitRepository\nmetadata: {name: foreign, namespace: flux-system}\n" +
			"spec: {url: \"https://github.com/acme/other\", secretRef: {name: x}}\n" +
			"---\napiVersion: fairlead.dev/v1beta1\nkind: Kustomization\nmetadata: {name: foreign, namespace: flux-system}\n" +
			"spec: {path: ./x, sourceRef: {kind: GitRepository, name: foreign}}\n",
		"apps/a.yaml": hr("a", "one", "1.0.0", "") + hr("b", "one", "9.0.0", ""),
	})
	w.publish("one", "1.0.0", map[string]string{"templates/d.yaml": deployment})
	orphan := strings.ReplaceAll(hr("d", "one", "1.0.0", ""), "name: charts", "name: missing")
	found := w.change(map[string]string{
		"apps/a.yaml": hr("a", "one", "1.0.0", "  values: {replicas: 2}\n") + hr("b", "one", "9.0.0", "  values: {replicas: 2}\n") + orphan,
	})
	if found.Failed != 2 || len(found.Items) != 4 || found.Items[2].Name != "a" {
		t.Fatalf("got %v", items(found))
	}
	contains(t, found.Items[0].Error, "9.0.0")
	contains(t, found.Items[1].Error, "HelmRepository web/missing is not in the tree; --cluster reads it from the cluster")
	contains(t, strings.Join(found.Notes, "\n"),
		"Kustomization flux-system/lost is not built: GitRepository flux-system/elsewhere is not in the tree",
		"the Kustomizations of GitRepository flux-system/foreign are not built: its URL is that of no remote")
	if len(found.Notes) != 2 {
		t.Errorf("notes: %q", found.Notes)
	}

	found = w.change(map[string]string{"apps/a.yaml": "kind: [broken"})
	if found.Failed == 0 || !strings.HasPrefix(items(found)[0], "HelmRelease web/a deleted None: Kustomization flux-system/apps, which declares it") {
		t.Errorf("a file that cannot be read: %v", items(found))
	}
	if _, err := w.review(func(c *Config) { c.Paths = []string{"clusters/staging"} }); err == nil ||
		!strings.Contains(err.Error(), "there is no directory clusters/staging") {
		t.Errorf("a directory that is not there: %v", err)
	}
}
