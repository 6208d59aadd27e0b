package integration

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

const (
	// calm is the interval of the objects of the zoo: some of them come due while it is watched.
	calm = 5 * time.Second
	// watched is how long the zoo is left alone in each of its states.
	watched = time.Minute
	// settled is how long all objects may take to come to their states.
	settled = 2 * time.Minute
)

// zoo is a namespace with an object in every state that can be held steady, and its only controller.
type zoo struct {
	*testing.T
	ns      string
	v       *victim
	animals []*animal
}

// animal is an object of the zoo, and the reasons that its conditions have.
type animal struct {
	object  env.Conditioned
	reasons []string
	// deleted are the reasons that its conditions have while Fairlead cannot finish its deletion. It is empty for an
	// object whose deletion Fairlead finishes.
	deleted []string
	// reconcileSuspended is set when it was suspended while it was deleted.
	asleep bool
}

// keep applies an object, and waits later for its conditions to have the reasons.
func (z *zoo) keep(object env.Conditioned, reasons ...string) {
	z.Helper()
	z.sedate(object)
	apply(z.T, object)
	z.animals = append(z.animals, &animal{object: object, reasons: reasons})
}

// train applies an object, and changes it once it is Ready.
func (z *zoo) train(object env.Conditioned, change func(), reasons ...string) {
	z.Helper()
	z.keep(object, reasons...)
	awaitReady(z.T, object)
	change()
}

// sedate gives an object the interval of the zoo.
func (z *zoo) sedate(object env.Conditioned) {
	interval := &metav1.Duration{Duration: calm}
	switch o := object.(type) {
	case *v1beta1.HelmRelease:
		o.Spec.Interval = interval
	case *v1beta1.Kustomization:
		o.Spec.Interval = interval
		o.Spec.RetryInterval = &metav1.Duration{Duration: 2 * calm}
	case *v1beta1.GitRepository:
		o.Spec.Interval = interval
	case *v1beta1.HelmRepository:
		o.Spec.Interval = interval
	case *v1beta1.OCIRepository:
		o.Spec.Interval = interval
	case *v1beta1.Bucket:
		o.Spec.Interval = interval
	case *v1beta1.HelmChart:
		o.Spec.Interval = interval
	}
}

// settle waits until the conditions of every object have the reasons they should have, and adds all reasons that
// are in the zoo to covered.
func (z *zoo) settle(covered map[string]bool, wanted func(*animal) []string) {
	z.Helper()
	missing := func() (out []string) {
		for _, a := range z.animals {
			has := map[string]bool{}
			for _, c := range get(z.T, a.object).GetConditions() {
				has[c.Reason] = true
				covered[c.Reason] = true
			}
			what := kindOfAnimal(a.object) + " " + a.object.GetName()
			for _, reason := range wanted(a) {
				if !has[reason] {
					out = append(out, fmt.Sprintf("%s has %v and lacks %s", what, has, reason))
				}
			}
		}
		return out
	}
	for begun := time.Now(); ; time.Sleep(time.Second) {
		left := missing()
		if len(left) == 0 {
			return
		}
		if time.Since(begun) > settled {
			z.Errorf("some are not in their state after %s:\n%s", settled, strings.Join(left, "\n"))
			return
		}
	}
}

func kindOfAnimal(object client.Object) string {
	switch object.(type) {
	case *v1beta1.HelmRelease:
		return v1beta1.HelmReleaseKind
	case *v1beta1.Kustomization:
		return v1beta1.KustomizationKind
	case *v1beta1.GitRepository:
		return v1beta1.GitRepositoryKind
	case *v1beta1.HelmRepository:
		return v1beta1.HelmRepositoryKind
	case *v1beta1.OCIRepository:
		return v1beta1.OCIRepositoryKind
	case *v1beta1.Bucket:
		return v1beta1.BucketKind
	case *v1beta1.ReleasePipeline:
		return v1beta1.ReleasePipelineKind
	default:
		return v1beta1.HelmChartKind
	}
}

// patch changes every object of the zoo.
func (z *zoo) patch(body string) {
	z.Helper()
	for _, a := range z.animals {
		err := world.cluster.Client.Patch(z.Context(), a.object, client.RawPatch(types.MergePatchType, []byte(body)))
		if err != nil {
			z.Fatal(err)
		}
	}
}

// metricLine is a metric with or without labels.
var metricLine = regexp.MustCompile(`^([a-z_]+)(\{[^}]*\})? ([0-9.e+]+)$`)

// metrics returns the metrics of the controller by name and labels.
func (z *zoo) metrics() map[string]float64 {
	z.Helper()
	request, err := http.NewRequestWithContext(z.Context(), http.MethodGet, z.v.controller.Metrics, nil)
	if err != nil {
		z.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		z.Fatal(err)
	}
	defer response.Body.Close()

	found := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		parts := metricLine.FindStringSubmatch(lines.Text())
		if parts == nil {
			continue
		}
		if found[parts[1]+parts[2]], err = strconv.ParseFloat(parts[3], 64); err != nil {
			z.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		z.Fatal(err)
	}
	return found
}

// watch leaves the zoo alone, and checks that no object is reconciled as often as once a second, and that nothing
// grows.
func (z *zoo) watch(state string) {
	z.Helper()
	const perObject, raised = "fairlead_object_reconciles_total", `fairlead_raised_requeues_total{kind="HelmRelease"}`
	const goroutines, memory = "go_goroutines", "go_memstats_heap_inuse_bytes"
	before := z.metrics()
	began := time.Now()
	time.Sleep(watched)
	after := z.metrics()
	seconds := time.Since(began).Seconds()

	for _, a := range z.animals {
		series := fmt.Sprintf("%s{kind=%q,name=%q,namespace=%q}", perObject,
			kindOfAnimal(a.object), a.object.GetName(), a.object.GetNamespace())
		if after[series] == 0 || after[series] < before[series] {
			z.Errorf("%s: %.0f reconciles became %.0f: %s", state, before[series], after[series], series)
		}
	}
	for name, count := range after {
		if !strings.HasPrefix(name, perObject) {
			continue
		}
		if reconciles := count - before[name]; reconciles >= seconds {
			z.Errorf("%s: %.0f reconciles in %.0f s: %s", state, reconciles, seconds, name)
		}
	}
	if after[goroutines] > before[goroutines]+20 {
		z.Errorf("%s: %.0f goroutines became %.0f", state, before[goroutines], after[goroutines])
	}
	if after[memory] > before[memory]*1.5+32<<20 {
		z.Errorf("%s: %.0f bytes became %.0f", state, before[memory], after[memory])
	}
	if more := after[raised] - before[raised]; more > seconds {
		z.Errorf("%s: %.0f requeues had to be put off", state, more)
	}
}

// An object in any state there is, suspended in it, or being deleted in it, is left alone while nothing
// changes it.
func TestNothingSpins(t *testing.T) {
	ns := namespace(t)
	alone(t)
	z := &zoo{T: t, ns: ns}
	z.v = newVictim(t, ns, "controller", "--cache-share", "4Mi")
	t.Cleanup(z.release)
	z.sources()
	z.lost()
	z.releases()
	z.histories()
	z.kustomizations()
	z.pipelines()
	z.rare()
	z.leaving()
	covered := map[string]bool{}
	z.settle(covered, func(a *animal) []string { return a.reasons })
	z.watch("as they are")

	z.patch(`{"spec":{"suspend":true}}`)
	z.watch("suspended")
	z.settle(covered, func(*animal) []string { return nil })

	z.deleteAll()
	z.settle(covered, func(a *animal) []string { return a.deleted })
	z.checkFinalizers()
	z.watch("being deleted")
	z.checkFinalizers()
	z.checkCovered(covered)
}

// checkCovered checks that the zoo had every reason but those of notHeld, and none of these.
func (z *zoo) checkCovered(covered map[string]bool) {
	z.Helper()
	for _, reason := range reasons(z.T) {
		why, excused := notHeld[reason]
		switch {
		case !covered[reason] && !excused:
			z.Errorf("reason %s is neither in the zoo nor on the list of those that cannot be held steady", reason)
		case covered[reason] && excused:
			z.Errorf("reason %s is in the zoo, and on the list of those that cannot be: %s", reason, why)
		case excused && why == "":
			z.Errorf("nothing says why reason %s is not in the zoo", reason)
		}
	}
}

// reasons are the values of all constants of api/v1beta1 whose names end with Reason.
func reasons(t *testing.T) []string {
	t.Helper()
	root, err := env.Root()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "api", "v1beta1", "reasons.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			value, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name.Name, "Reason") {
				all = append(all, value)
			}
		}
		return false
	})
	if len(all) < 70 {
		t.Fatalf("only %d reasons were found", len(all))
	}
	return all
}
