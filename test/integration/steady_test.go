package integration

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// Most requests to the API server for the sample chart of the project, watches aside.
const (
	maxInstallRequests = 12
	maxUpgradeRequests = 9
)

// Releases whose input has not changed cost no request, however often they are looked at, and nothing is written on
// their behalf: not by audits, not by a new controller, not when a change of what they are made from means nothing to
// them.
func TestSteadyReleasesCostNothing(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	names, config := steadyReleases(t, ns)
	looked := func() { v.looks(t, 4*len(names)) }
	looked()

	during := v.proxy.Record(ofFairlead)
	looked()
	expect(t, "audits", during, nil)

	during = v.proxy.Record(ofFairlead)
	change := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"seen-by":"a person"}}}`))
	if err := world.cluster.Client.Patch(t.Context(), config, change); err != nil {
		t.Fatal(err)
	}
	until(t, "the ConfigMap is read again", func() bool { return len(requests(during)) > 0 })
	looked()
	expect(t, "an annotation of a ConfigMap", during, []string{"get configmaps " + config.Name})

	during = v.proxy.Record(ofFairlead)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: names[0]}}
	change = client.RawPatch(types.MergePatchType, []byte(`{"status":{"collisionCount":1}}`))
	if err := world.cluster.Client.Status().Patch(t.Context(), deployment, change); err != nil {
		t.Fatal(err)
	}
	looked()
	expect(t, "the status of a Deployment", during, nil)

	v.kill()
	during = v.proxy.Record(ofFairlead)
	v.start(t)
	looked()
	during.Stop()
	for _, r := range during.Requests() {
		if r.Writes() || r.Verb == env.Get && strings.HasPrefix(r.Name, "sh.helm.release.") {
			t.Errorf("a new controller sent %s: %s", describe(r), r.Body)
		}
	}
	during = v.proxy.Record(ofFairlead)
	looked()
	expect(t, "audits of a new controller", during, nil)
}

// steadyReleases installs releases that are audited every second, and returns their names and the ConfigMap with their
// values.
func steadyReleases(t *testing.T, ns string) ([]string, *corev1.ConfigMap) {
	t.Helper()
	push(t, world.registry, ns, "sample", "1.0.0")
	repository := helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns)
	repository.Spec.Interval = &metav1.Duration{Duration: time.Hour}
	config := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "common"}, Data: map[string]string{"values.yaml": "replicas: 1\n"},
	}
	apply(t, repository, config, valuesSecret(ns, "values.yaml", "message: private\n"),
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fairlead"}})
	bind(t, ns, "deployer", "cluster-admin")
	var releases []*v1beta1.HelmRelease
	var names []string
	for i := range 5 {
		hr := release(ns, fmt.Sprintf("r%d", i), "sample", "*", "charts", "")
		hr.Spec.Interval = often
		hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "ConfigMap", Name: "common"}, {Kind: "Secret", Name: "later"}}
		if i == 1 {
			hr.Spec.ServiceAccountName = "fairlead"
		}
		releases, names = append(releases, hr), append(names, hr.Name)
		apply(t, hr)
	}
	for _, hr := range releases {
		awaitReady(t, hr)
	}
	return names, config
}

func ofFairlead(r env.Request) bool { return r.UserAgent == "fairlead" }

// requests of a recording, watches aside.
func requests(recording *env.Recording) []string {
	var all []string
	for _, r := range recording.Requests() {
		if r.Verb != env.Watch {
			all = append(all, describe(r))
		}
	}
	return all
}

func describe(r env.Request) string {
	return strings.TrimSpace(
		strings.Join([]string{r.Verb, strings.TrimSuffix(r.Resource+"/"+r.Subresource, "/"), r.Name}, " "))
}

// expect ends a recording and compares what is in it.
func expect(t *testing.T, what string, recording *env.Recording, want []string) {
	t.Helper()
	recording.Stop()
	if got := requests(recording); !slices.Equal(got, want) {
		t.Errorf("%s: the controller sent %q, want %q", what, got, want)
	}
}

// looks waits until the controller has looked at releases so many more times.
func (v *victim) looks(t *testing.T, more int) {
	t.Helper()
	v.looksAt(t, v1beta1.HelmReleaseKind, more)
}

// looksAt waits until the controller has looked at objects of a kind so many more times.
func (v *victim) looksAt(t *testing.T, kind string, more int) {
	t.Helper()
	before := v.looked(t, kind)
	until(t, fmt.Sprintf("the controller has looked %d more times", more), func() bool {
		return v.looked(t, kind) >= before+more
	})
}

// looked is how often the controller has looked at objects of a kind.
func (v *victim) looked(t *testing.T, kind string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.controller.Metrics, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	sum := 0
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), `controller_runtime_reconcile_total{controller="`+kind+`"`) {
			continue
		}
		_, value, _ := strings.Cut(lines.Text(), "} ")
		count, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += int(count)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return sum
}

// An install and an upgrade stay within their share of the API server.
func TestRequestsOfARelease(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	pushBeacon(t, ns)
	repository := helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns)
	repository.Spec.Interval = &metav1.Duration{Duration: time.Hour}
	apply(t, repository)
	looked := func() { v.looks(t, 6) } // what was begun has been sent meanwhile, events too
	// The first release of a process makes it discover and watch what the chart consists of.
	first := release(ns, "first", "beacon", "*", "charts", "")
	first.Spec.Interval = often
	apply(t, first)
	awaitReady(t, first)

	hr := release(ns, "web", "beacon", "*", "charts", `{"message":"one"}`)
	hr.Spec.Interval = often
	for _, step := range []struct {
		name string
		most int
	}{{"install", maxInstallRequests}, {"upgrade", maxUpgradeRequests}} {
		looked()
		during := v.proxy.Record(ofFairlead)
		apply(t, hr)
		awaitReady(t, hr)
		looked()
		during.Stop()
		sent := withoutProgress(requests(during))
		t.Logf("%s: %d requests\n%s", step.name, len(sent), tally(sent))
		if len(sent) == 0 || len(sent) > step.most {
			t.Errorf("an %s takes %d requests, want at most %d", step.name, len(sent), step.most)
		}
		withValues(hr, `{"message":"two"}`)
	}
	if got := revisions(t, ns, "web"); got != "1:superseded 2:deployed" {
		t.Errorf("the records are %s", got)
	}
}

// withoutProgress leaves out what a release says while an action takes long, which depends on the machine: all but one
// write of its status.
func withoutProgress(sent []string) (out []string) {
	told := false
	for _, request := range sent {
		if strings.HasPrefix(request, "patch helmreleases/status") {
			if told {
				continue
			}
			told = true
		}
		out = append(out, request)
	}
	return out
}

func tally(all []string) string {
	slices.Sort(all)
	return strings.Join(all, "\n")
}
