package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                "",
		"-n 5 -scenarios install,upgrade": "",
		"-scenarios upgrade":              "needs install",
		"-scenarios install,grow":         `scenario "grow"`,
		"-n 0":                            "positive",
		"-n 5 extra":                      `"extra" is no flag`,
		"-many 5":                         "not defined",
	} {
		var messages bytes.Buffer
		_, err := parse(strings.Fields(args), &messages)
		if (err == nil) != (want == "") || !strings.Contains(messages.String(), want) {
			t.Errorf("%q: error %v, messages %q, want %q", args, err, messages.String(), want)
		}
	}
	if code := run(t.Context(), []string{"-n", "0"}, io.Discard, io.Discard); code != 2 {
		t.Errorf("wrong flags end with %d", code)
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	var hundred []float64
	for i := 100; i > 0; i-- {
		hundred = append(hundred, float64(i))
	}
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{7}, spread{7, 7, 7}},
		{[]float64{3, 1, 2}, spread{2, 3, 3}},
		{hundred, spread{50, 95, 100}},
	} {
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("%v: %v, want %v", test.values, got, test.want)
		}
	}
}

func TestProcFiles(t *testing.T) {
	t.Parallel()
	if got, err := cpuSeconds("12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 30 20 0 0"); err != nil || got != 2.5 {
		t.Errorf("CPU %v, %v", got, err)
	}
	for _, broken := range []string{
		"", "12 (a) S 1", "12 (a) S 1 2 3 4 5 6 7 8 9 10 x 50 0 0", "12 (a) S 1 2 3 4 5 6 7 8 9 10 1 1",
	} {
		if got, err := cpuSeconds(broken); err == nil {
			t.Errorf("%q: CPU %v", broken, got)
		}
	}
	own, err := proc{"bench", os.Getpid()}.consumed()
	if err != nil || own.peak < 1 {
		t.Errorf("this process has consumed %+v, %v", own, err)
	}
}

func TestSumSamples(t *testing.T) {
	t.Parallel()
	page := "# TYPE asked counter\nasked{a=\"x y\"} 3\nasked 1.5e+01\nasked_more{a=\"b\"} 7\n"
	if got, err := sumSamples(page, "asked"); err != nil || got != 18 {
		t.Errorf("%d, %v; want 18", got, err)
	}
	if got, err := sumSamples("asked{} many\n", "asked"); err == nil {
		t.Errorf("%d of a sample that is no number", got)
	}
}

func TestReconcilesOfANamespace(t *testing.T) {
	t.Parallel()
	page := `done{kind="A",name="a",namespace="zoo"} 3` + "\n" + `done{kind="A",name="b",namespace="zoo-other"} 5` + "\n"
	if got, err := sumSamples(ofNamespace(page, "zoo"), "done"); err != nil || got != 3 {
		t.Errorf("%d, %v; want 3", got, err)
	}
}

func release(
	name string, generation, observed int64, ready metav1.ConditionStatus, more ...metav1.Condition,
) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: generation}}
	hr.Status.Conditions = append(more, metav1.Condition{
		Type: v1beta1.ReadyCondition, Status: ready, ObservedGeneration: observed, Reason: "Because", Message: "of something",
	})
	return hr
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	a := newArrivals()
	second := int64(0)
	a.now = func() time.Time { second++; return time.Unix(second, 0) }
	goals := []wanted{{"a", 1}, {"b", 2}}
	_, changed := a.snapshot(goals)
	a.note(release("a", 1, 1, metav1.ConditionTrue))
	<-changed
	a.note(release("a", 1, 1, metav1.ConditionTrue)) // what comes later does not count
	a.note(release("b", 2, 1, metav1.ConditionTrue)) // Ready is about the generation before
	a.note(release("b", 2, 2, metav1.ConditionFalse))
	ready, _ := a.snapshot(goals)
	if len(ready) != 1 || ready[goals[0]] != time.Unix(1, 0) {
		t.Errorf("arrived: %v", ready)
	}
	err := a.missing(append(goals, wanted{"c", 1}), ready)
	for _, text := range []string{"2 of 3", "b: Ready is False, Because: of something", "c: never seen"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
	a.note(release("b", 2, 2, metav1.ConditionTrue, metav1.Condition{Type: "Verified", Status: metav1.ConditionUnknown}))
	if ready, _ = a.snapshot(goals); ready[goals[1]] != time.Unix(5, 0) {
		t.Errorf("arrived: %v", ready)
	}
	if busy, _ := a.settling(); busy != 1 {
		t.Errorf("%d releases are settling, want the one that is not verified", busy)
	}
	a.note(release("b", 2, 2, metav1.ConditionTrue, metav1.Condition{Type: "Verified", Status: metav1.ConditionTrue}))
	if busy, _ := a.settling(); busy != 0 {
		t.Errorf("%d releases are settling", busy)
	}
}

func TestInParallel(t *testing.T) {
	t.Parallel()
	var sum atomic.Int64
	broken := errors.New("broken")
	err := inParallel(3, 10, func(i int) error {
		sum.Add(int64(i))
		if i == 4 {
			return broken
		}
		return nil
	})
	if sum.Load() != 45 || !errors.Is(err, broken) {
		t.Errorf("sum %d, error %v", sum.Load(), err)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	key := func(verb, resource string) env.Key {
		return env.Key{UserAgent: "fairlead", Verb: verb, Resource: resource}
	}
	before := reading{
		processes: []consumption{{1, 10}}, all: 5, requests: env.Counts{key("get", "pods"): 2, key("list", "pods"): 1},
	}
	after := reading{processes: []consumption{{3, 20}}, all: 45, requests: env.Counts{
		key("get", "pods"): 6, key("list", "pods"): 1, key("create", "secrets"): 8,
	}}
	counted := result{Name: "install", Title: "install of 4", Releases: 4}
	counted.charge([]proc{{"fairlead", 1}}, before, after)
	if len(counted.Requests) != 2 || counted.Requests[0].Count != 8 || counted.Requests[1].Count != 4 ||
		counted.AllRequests != 40 {
		t.Errorf("charged %+v", counted)
	}
	before.requests, after.requests = nil, nil
	uncounted := result{Name: "idle", Title: "nothing"}
	uncounted.charge([]proc{{"fairlead", 1}}, before, after)
	r := &report{Machine: machine{CPU: "abacus"}, Scenarios: []result{counted, uncounted}}
	var text strings.Builder
	if err := r.print(&text); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(text.String()), " ")
	for _, want := range []string{
		"abacus", "fairlead 2.00 0.500 20", "fairlead all 12 3.000", "every client all 40 10.000", "fairlead not counted",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	path := filepath.Join(t.TempDir(), "report.json")
	if err := r.save(path); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	var back report
	if err != nil || json.Unmarshal(content, &back) != nil || back.Scenarios[0].Requests[0].Verb != "create" ||
		back.Scenarios[1].Requests != nil {
		t.Errorf("the saved report is %s, %v", content, err)
	}
	if err := r.save(""); err != nil {
		t.Error(err)
	}
}
