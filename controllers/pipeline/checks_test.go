package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
)

// Each expression, asked about version 1.2.0-rc.1 in prod, which has 1.1.0 and gets its candidates from staging.
func TestChecks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		expr, message, onError string
		first                  bool // the stage has nothing
		want                   promotion.Result
		again                  time.Duration
		says                   string
	}{
		{expr: "candidate.version == '1.2.0-rc.1' && candidate.digest == 'two'", want: promotion.Pass},
		{expr: "[candidate.major, candidate.minor, candidate.patch] == [1, 2, 0]", want: promotion.Pass},
		{expr: "candidate.prerelease == ''", want: promotion.Wait, says: "candidate.prerelease == '' is false"},
		{expr: "candidate.prerelease == ''", message: "no pre-releases here", want: promotion.Wait,
			says: "no pre-releases here"},
		{expr: "current.version == '1.1.0' && candidate.major == current.major", want: promotion.Pass},
		{expr: "current == null", first: true, want: promotion.Pass},
		{expr: "current != null && current.minor == 1", want: promotion.Pass},
		{expr: "current.minor == 1", first: true, want: promotion.Wait, says: "has no answer"},
		{expr: "current.minor == 1", first: true, onError: "Fail", want: promotion.Fail, says: "has no answer"},
		{expr: "candidate.color == 'red'", onError: "Fail", want: promotion.Fail, says: "no such key: color"},
		{expr: "stage == 'prod'", want: promotion.Pass},
		{expr: "candidate.ageSeconds >= 3600", want: promotion.Wait, again: time.Minute},
		{expr: "candidate.ageSeconds >= 1800", want: promotion.Pass},
		{expr: "now.getDayOfWeek() == 1", want: promotion.Pass},
		{expr: "now > timestamp('2030-01-01T00:00:00Z')", want: promotion.Wait, again: time.Minute},
		{expr: "now.nothing", want: promotion.Wait, again: time.Minute, says: "has no answer"},
		{expr: "releases.all(r, r.ready && r.verified && !r.suspended && r.digest == 'one')", want: promotion.Pass},
		{expr: "releases.map(r, r.name) == ['prod/web'] && releases[0].stage == 'prod'", want: promotion.Pass},
		{expr: "upstream.all(r, r.stage == 'staging' && r.digest == 'two')", want: promotion.Pass},
		{expr: "upstream.exists(r, r.message.contains('baking'))", want: promotion.Pass},
		{expr: "upstream.all(r, r.verified)", want: promotion.Wait},
		{expr: "upstream[0].spec.values.password == ''", want: promotion.Wait, says: "no such key"},
		{expr: "releases.all(a, releases.all(b, " + strings.Repeat("'aaaaaaaaaa'+", 20) + "'' == ''))",
			want: promotion.Wait, says: "is false"},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			t.Parallel()
			compiling, err := newChecks()
			if err != nil {
				t.Fatal(err)
			}
			found, err := compiling.of(threeStages(func(p *v1beta1.ReleasePipeline) {
				p.Spec.Stages[2].Gates = &v1beta1.StageGates{Checks: []v1beta1.StageCheck{
					{Name: "x", Expr: tt.expr, Message: tt.message, OnError: tt.onError},
				}}
			}))
			if err != nil {
				t.Fatal(err)
			}
			old := promotion.Candidate{
				Version:   "1.1.0",
				ID:        promotion.Identity{Chart: "one"},
				FirstSeen: now.Add(-time.Hour),
			}
			c := promotion.Candidate{
				Version: "1.2.0-rc.1", ID: promotion.Identity{Chart: "two"}, FirstSeen: now.Add(-30 * time.Minute),
			}
			next := promotion.Candidate{Version: "1.3.0", ID: promotion.Identity{Chart: "three"}}
			f := promotion.Facts{Candidates: []promotion.Candidate{c}, Stages: []promotion.Stage{
				{
					Name:     "staging",
					Delivery: &promotion.Delivery{Candidate: next, At: now, Verified: true},
					Verified: []promotion.Verification{{Candidate: c, At: now, Since: now}},
					Releases: []promotion.Release{
						{Name: "staging/web", Current: true, Runs: "two", Message: "baking"},
					},
				},
				{Name: "prod", From: []string{"staging"}, Gates: promotion.Gates{Checks: found["prod"]},
					Delivery: &promotion.Delivery{Candidate: old, At: now.Add(-time.Hour), Verified: true},
					Releases: []promotion.Release{
						{
							Name:    "prod/web",
							Current: true,
							Ready:   true,
							ID:      promotion.Identity{Chart: "one"},
							Runs:    "one",
						},
					}},
			}}
			if tt.first {
				f.Stages[1].Delivery = nil
			}
			d := promotion.Decide(f, now)[1]
			if tt.want == promotion.Pass {
				if d.Step != promotion.StepPromote {
					t.Fatalf("%s: %s", d.Step, d.Message)
				}
				return
			}
			g := d.Gates[len(d.Gates)-1]
			if g.Name != "checks/x" || g.Result != tt.want || !strings.Contains(g.Message, tt.says) {
				t.Errorf("%s: %s: %s; want %s, saying %q", g.Name, g.Result, g.Message, tt.want, tt.says)
			}
			if want := now.Add(tt.again); tt.again != 0 && !d.Next.Equal(want) || tt.again == 0 && !d.Next.IsZero() {
				t.Errorf("again at %s, want in %s", d.Next, tt.again)
			}
		})
	}
}

// An expression that costs too much has no answer; how long it takes is bounded.
func TestChecksAreBounded(t *testing.T) {
	t.Parallel()
	compiling, err := newChecks()
	if err != nil {
		t.Fatal(err)
	}
	const expr = "releases.all(a, releases.all(b, releases.all(c, " +
		"releases.all(d, a.name + b.name + c.name + d.name != 'x'))))"
	program, err := compiling.programs.Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	many := make([]any, 200)
	for i := range many {
		many[i] = map[string]any{"name": fmt.Sprint(i)}
	}
	begin := time.Now()
	_, err = compiledCheck{program}.Holds(map[string]any{"releases": many})
	if err == nil || !strings.Contains(err.Error(), "limit exceeded") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	for i := range 2 * maxExpressions {
		if _, err := compiling.programs.Compile(fmt.Sprintf("candidate.major == %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := compiling.programs.Len(); n != maxExpressions {
		t.Errorf("%d expressions are kept", n)
	}
}

// A pipeline with an expression that is none is stalled, and says which field it is.
func TestChecksThatAreNone(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"candidate.":          "spec.stages[1].gates.checks[1].expr: line 1, column 11",
		"secret('apps/web')":  "spec.stages[1].gates.checks[1].expr: line 1, column 7: undeclared reference",
		"1 + 1":               "it gives a value of type int, want bool",
		"hr.spec.values == 1": "undeclared reference to 'hr'",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
				p.Spec.Stages[1].Gates = &v1beta1.StageGates{
					Checks: []v1beta1.StageCheck{{Name: "good", Expr: "true"}, {Name: "bad", Expr: expr}},
				}
			}))
			s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
			s.settle()
			if ready := s.ready(); ready.Reason != v1beta1.InvalidReferenceReason || !status.IsStalled(s.pipeline) ||
				!strings.Contains(ready.Message, want) {
				t.Errorf("%s: %s; want %q", ready.Reason, ready.Message, want)
			}
			if len(s.pipeline.Status.Stages) > 0 {
				t.Error("it was promoted")
			}
		})
	}
}

// A check that waits for the time is asked again in a minute, and its gate is in the status. A check is not asked about
// a candidate that fails another gate.
func TestACheckWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages[0].Gates = &v1beta1.StageGates{Checks: []v1beta1.StageCheck{
			{Name: "late", Expr: "now >= timestamp('2026-03-02T09:02:00Z')", Message: "not before 9:02"},
		}}
	}))
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	if next := s.settle(); next != time.Minute {
		t.Errorf("again in %s", next)
	}
	gates := s.pipeline.Status.Stages[0].Gates
	if g := gates[len(gates)-1]; g.Name != "checks/late" || g.Message != "not before 9:02" || g.Until == nil {
		t.Errorf("the gate is %+v", g)
	}
	s.pipeline.Spec.Stages[0].Gates.Range = ">=2.0.0"
	s.settle()
	gates = s.pipeline.Status.Stages[0].Gates
	if g := gates[len(gates)-1]; !strings.Contains(g.Message, "another gate fails") {
		t.Errorf("the gate is %+v", g)
	}
	s.pipeline.Spec.Stages[0].Gates.Range = ""
	s.time = now.Add(2 * time.Minute)
	s.settle()
	if d := s.pipeline.Status.Stages[0].Delivery; d == nil || d.Version != "1.0.0" {
		t.Errorf("dev has %+v", d)
	}
}

// What checks see of a HelmRelease.
func TestReleasesOfChecks(t *testing.T) {
	t.Parallel()
	r := releaseOf(verifiedRelease())
	if !r.Ready || r.Runs != "two" {
		t.Errorf("ready %t, runs %s", r.Ready, r.Runs)
	}
	failed := v1beta1.Snapshot{Version: 5, ChartDigest: "three", Status: plan.StatusFailed}
	r = releaseOf(verifiedRelease(func(hr *v1beta1.HelmRelease) {
		hr.Status.Conditions[0].Status = metav1.ConditionFalse
		hr.Status.History = append([]v1beta1.Snapshot{failed}, hr.Status.History...)
	}))
	if r.Ready || r.Runs != "two" {
		t.Errorf("after an upgrade that failed: ready %t, runs %s", r.Ready, r.Runs)
	}

	r = releaseOf(verifiedRelease(func(hr *v1beta1.HelmRelease) {
		hr.Status.History = []v1beta1.Snapshot{failed}
	}))
	if r.Runs != "" {
		t.Errorf("after an install that failed: runs %s", r.Runs)
	}
}
