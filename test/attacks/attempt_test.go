package attacks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// attack is one thing that the tenant tries. What it leaves out is filled in: with a tree, a GitRepository and a
// Kustomization apps that
// follows it; with charts, a HelmRepository and a HelmRelease web of the first.
type attack struct {
	name string
	// tree is the content of the tenant's Git repository, charts what its chart repository has.
	tree   map[string]string
	charts []map[string]string
	// intercept answers requests to the chart repository instead of it.
	intercept func(w http.ResponseWriter, r *http.Request) bool
	// spec is added to the spec of the Kustomization or HelmRelease, as YAML.
	spec string
	// objects replace the Kustomization and the HelmRelease; see scene.text for what is put in.
	objects string
	// admission is what the API server says when it refuses the objects already.
	admission string
	// refused is KIND/NAME of the object that says what was refused, with one of the reasons and all the words; the last
	// one when empty.
	// Without reasons no object has to say anything.
	refused string
	reasons []string
	says    []string
	// act is what the tenant does once the objects exist.
	act func(t *testing.T, s *scene)
	// absent checks that the effect is absent.
	absent func(t *testing.T, s *scene)
	// heavy attacks use up what is shared: the neighbor is looked after while they are under way, too.
	heavy bool
}

// scene is an attack under way.
type scene struct {
	charts *servers.Charts
	repo   string
	extra  map[string]string
	// before is what the neighbor had.
	before map[string]string
	// logged is how long the log of the controller was.
	logged int
}

// play tries attacks, one after the other.
func play(t *testing.T, attacks ...attack) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) { a.play(t) })
	}
}

func (a attack) play(t *testing.T) {
	s := &scene{before: belongings(t), repo: slug(t.Name()), extra: map[string]string{}, logged: len(logOf(t))}
	world.listener.taken()
	programsCalled(t)
	t.Cleanup(func() {
		if t.Failed() {
			showTenant(t)
			restart(t)
			return
		}
		clear(t)
		if t.Failed() {
			restart(t)
		}
	})
	a.begin(t, s)
	if a.act != nil {
		a.act(t, s)
	}
	if a.heavy {
		world.neighbor.served(t)
	}
	if len(a.reasons) > 0 {
		a.awaitRefusal(t)
	}
	if a.absent != nil {
		a.absent(t, s)
	}
	world.neighbor.served(t)
	s.checkUniversal(t)
}

// begin publishes and creates what the attack needs.
func (a attack) begin(t *testing.T, s *scene) {
	t.Helper()
	if a.tree != nil {
		s.pushTree(t, a.tree)
	}
	if a.charts != nil || a.intercept != nil {
		s.publish(t, a.charts, a.intercept)
	}
	text := s.text(a.manifests())
	objects, err := env.ParseObjects(attacker, text)
	if err != nil {
		t.Fatal(err)
	}
	err = world.tenant.Apply(t.Context(), objects...)
	switch {
	case a.admission != "" && (err == nil || !strings.Contains(err.Error(), a.admission)):
		t.Errorf("the API server answers %v; want a refusal with %q", err, a.admission)
	case a.admission == "" && err != nil:
		t.Fatal(err)
	}
}

func (s *scene) pushTree(t *testing.T, tree map[string]string) {
	t.Helper()
	if _, err := world.git.Create(s.repo); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for path, content := range tree {
		files[s.text(path)] = s.text(content)
	}
	if _, err := world.git.Commit(s.repo, "main", files, "an attack"); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) publish(t *testing.T, charts []map[string]string, intercept func(http.ResponseWriter,
	*http.Request) bool) {
	t.Helper()
	repository, err := servers.ChartRepository(servers.ChartOptions{Options: servers.Options{Intercept: intercept}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repository.Close() })
	s.charts = repository
	for _, files := range charts {
		filled := map[string]string{}
		for name, content := range files {
			filled[name] = s.text(content)
		}
		archive, err := servers.BuildChart(filled)
		if err != nil {
			t.Fatal(err)
		}
		if err := repository.Add(archive); err != nil {
			t.Fatal(err)
		}
	}
}

// manifests of the attack, with what is left out filled in.
func (a attack) manifests() string {
	var documents []string
	if a.tree != nil {
		documents = append(documents, `
apiVersion: fairlead.dev/v1beta1
kind: GitRepository
metadata: {name: fleet}
spec: {url: "$GIT", ref: {branch: main}, interval: 10h}
`)
	}
	if a.charts != nil || a.intercept != nil {
		documents = append(documents, `
apiVersion: fairlead.dev/v1beta1
kind: HelmRepository
metadata: {name: charts}
spec: {url: "$CHARTS", interval: 10h}
`)
	}
	switch {
	case a.objects != "":
		documents = append(documents, a.objects)
	case a.tree != nil:
		documents = append(documents, kustomization("apps", a.spec))
	case a.charts != nil:
		documents = append(documents, helmRelease("web", nameOf(a.charts[0]), a.spec))
	}
	return strings.Join(documents, "\n---\n")
}

// kustomization is a manifest, with more lines of its spec.
func kustomization(name, spec string) string {
	return fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: Kustomization\nmetadata: {name: %s}\nspec:\n"+
		"  sourceRef: {kind: GitRepository, name: fleet}\n  prune: true\n%s", name, spec)
}

// helmRelease is a manifest, with more lines of its spec.
func helmRelease(name, chart, spec string) string {
	return fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: HelmRelease\nmetadata: {name: %s}\nspec:\n"+
		"  chart: {spec: {chart: %s, sourceRef: {kind: HelmRepository, name: charts}}}\n%s", name, chart, spec)
}

func nameOf(files map[string]string) string {
	for line := range strings.Lines(files["Chart.yaml"]) {
		if name, ok := strings.CutPrefix(line, "name: "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// text puts in where things are.
func (s *scene) text(text string) string {
	pairs := []string{"$HOST", world.listener.host(), "$GIT", world.git.URL(s.repo), "$VICTIM_CHARTS",
		world.neighbor.charts.URL(), "$VICTIM", victim, "$FILE", secretFile()}
	if s.charts != nil {
		pairs = append(pairs, "$CHARTS", s.charts.URL())
	}
	for name, value := range s.extra {
		pairs = append(pairs, name, value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// awaitRefusal waits until an object says what was refused.
func (a attack) awaitRefusal(t *testing.T) {
	t.Helper()
	kind, name, ok := strings.Cut(a.refused, "/")
	switch {
	case ok:
	case a.tree != nil && a.objects == "":
		kind, name = v1beta1.KustomizationKind, "apps"
	default:
		kind, name = v1beta1.HelmReleaseKind, "web"
	}
	awaitRefused(t, kind, name, a.reasons, a.says)
}

// answerTime is how long a refusal may take on a slow machine; it asserts nothing.
const answerTime = 3 * time.Minute

// anyName stands for all objects of a kind.
const anyName = "*"

// awaitRefused waits until an object says what was refused. With anyName one of the kind is enough; others may be
// Ready.
func awaitRefused(t *testing.T, kind, name string, reasons, says []string) {
	t.Helper()
	var last map[string]any
	refused, accepted := false, false
	err := env.Until(t.Context(), answerTime, kind+" "+name+" is refused", func() (bool, error) {
		if err := world.controller.Failed(); err != nil {
			return true, nil //nolint:nilerr // reported by checkUniversal
		}
		for _, object := range list(t, kind, attacker) {
			if name != anyName && object.GetName() != name {
				continue
			}
			ready := conditionOf(&object, v1beta1.ReadyCondition)
			answered := ready["status"] == "False" && ready["observedGeneration"] == object.GetGeneration()
			if name != anyName || answered && !refused {
				last = ready
			}
			refused = refused || answered && matches(ready, reasons, says)
			accepted = accepted || name != anyName && ready["status"] == "True"
		}
		return refused || accepted, nil
	})
	if err != nil || accepted {
		t.Errorf("Ready of %s %s is %v, %v: %v; want False with one of %q and the words %q",
			kind, name, last["status"], last["reason"], last["message"], reasons, says)
		return
	}
	t.Logf("refused with %v: %.300v", last["reason"], last["message"])
}

func matches(ready map[string]any, reasons, says []string) bool {
	reason, _ := ready["reason"].(string)
	message, _ := ready["message"].(string)
	lacks := func(text string) bool { return !strings.Contains(message, text) }
	return slices.Contains(reasons, reason) && !slices.ContainsFunc(says, lacks)
}

func conditionOf(object *unstructured.Unstructured, kind string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, condition := range conditions {
		if is, ok := condition.(map[string]any); ok && is["type"] == kind {
			return is
		}
	}
	return nil
}

// checkUniversal checks what holds for every attack: no server was reached, no program was started, nothing of the
// neighbor's has changed or is
// shown, and the controller is the one it was, within its memory.
func (s *scene) checkUniversal(t *testing.T) {
	t.Helper()
	if seen := world.listener.taken(); len(seen) > 0 {
		t.Errorf("the internal service was reached: %q", seen)
	}
	if called := programsCalled(t); called != "" {
		t.Errorf("programs were started: %s", called)
	}
	if diff := cmp.Diff(s.before, belongings(t)); diff != "" {
		t.Errorf("what belongs to the neighbor has changed (-before +after):\n%s", diff)
	}
	s.noCanary(t)
	peak, exceeded := world.memory.Peak()
	if exceeded || peak.Process > memoryLimit {
		t.Errorf("the controller exceeded its limit of %d MiB: %+v", memoryLimit, peak)
	}
	if err := world.controller.Failed(); err != nil && !exceeded {
		t.Error(err)
	}
}

// belongings describes what the neighbor has apart from its rounds.
func belongings(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, kind := range []string{"ConfigMap", "Secret", "ServiceAccount"} {
		objects := &unstructured.UnstructuredList{}
		objects.SetAPIVersion("v1")
		objects.SetKind(kind + "List")
		if err := world.cluster.Client.List(t.Context(), objects, client.InNamespace(victim)); err != nil {
			t.Fatal(err)
		}
		for _, object := range objects.Items {
			if name := object.GetName(); !strings.Contains(name, "round-") {
				data, err := json.Marshal(object.Object["data"])
				if err != nil {
					t.Fatal(err)
				}
				found[kind+"/"+name] = string(object.GetUID()) + " " + digestOf(data)
			}
		}
	}
	hr := release("shop")
	if err := world.cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(hr), hr); err != nil {
		t.Fatal(err)
	}
	ready := conditionOf(hr, v1beta1.ReadyCondition)
	found["HelmRelease/shop"] = fmt.Sprintf("%s %v %v", hr.GetUID(), ready["status"], ready["reason"])
	return found
}

func showTenant(t *testing.T) {
	t.Helper()
	for _, object := range left(t) {
		ready := conditionOf(&object, v1beta1.ReadyCondition)
		t.Logf("%s %s: Ready is %v, %v: %.400v", object.GetKind(), object.GetName(), ready["status"], ready["reason"],
			ready["message"])
		if len(t.Name()) > 0 && object.GetKind() == v1beta1.HelmReleaseKind && strings.HasPrefix(object.GetName(),
			"garbage-") {
			break
		}
	}
}

func slug(name string) string {
	name = strings.ToLower(strings.TrimPrefix(name, "Test"))
	return strings.NewReplacer("/", "-", " ", "-", "_", "-", "'", "", ":", "", "@", "", "$", "", ",", "").Replace(name)
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// eventually waits for something that the test needs, with the patience of a slow machine.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	if err := env.Until(context.WithoutCancel(t.Context()), env.Patience/4, what, func() (bool,
		error) {
		return ask(), nil
	}); err != nil {
		t.Error(err)
	}
}
