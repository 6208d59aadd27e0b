package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/promotion"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func at(minutes int) metav1.Time {
	return metav1.NewTime(now.Add(time.Duration(minutes) * time.Minute))
}

// verifiedRelease runs the chart with the digest two, which it has verified.
func verifiedRelease(change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 3}}
	hr.Status.ObservedGeneration = 3
	hr.Status.History = []v1beta1.Snapshot{{Version: 4, ChartDigest: "two", Status: plan.StatusDeployed}}
	hr.Status.LastVerified = &v1beta1.Verified{Revision: 4, ChartDigest: "two", At: at(-5)}
	hr.Status.LastAttemptedConfigDigest = "values"
	hr.Status.Conditions = []metav1.Condition{
		{Type: v1beta1.ReadyCondition, Status: metav1.ConditionTrue, Message: "runs", ObservedGeneration: 3},
		{Type: v1beta1.VerifiedCondition, Status: metav1.ConditionTrue, ObservedGeneration: 3},
	}
	for _, c := range change {
		c(hr)
	}
	return hr
}

// The verdict of a HelmRelease counts for the chart that runs, at the present generation, and a failure for the
// present values.
func TestReleaseOf(t *testing.T) {
	t.Parallel()
	bad := func(digest, config string) func(*v1beta1.HelmRelease) {
		return func(hr *v1beta1.HelmRelease) {
			hr.Status.KnownBad = []v1beta1.KnownBad{{ChartDigest: digest, ConfigDigest: config,
				Reason: v1beta1.BakeFailedReason}}
		}
	}
	for _, tt := range []struct {
		name    string
		change  []func(*v1beta1.HelmRelease)
		digest  string
		current bool
		bad     map[promotion.Identity]string
	}{
		{"verified", nil, "two", true, map[promotion.Identity]string{}},
		{"verified at an older generation", []func(*v1beta1.HelmRelease){func(hr *v1beta1.HelmRelease) {
			hr.Generation = 4
		}}, "", false, map[promotion.Identity]string{}},
		{"still baking", []func(*v1beta1.HelmRelease){func(hr *v1beta1.HelmRelease) {
			hr.Status.Conditions[1].Status = metav1.ConditionUnknown
		}}, "", true, map[promotion.Identity]string{}},
		{"another revision runs", []func(*v1beta1.HelmRelease){func(hr *v1beta1.HelmRelease) {
			hr.Status.History[0].ChartDigest = "three"
		}}, "", true, map[promotion.Identity]string{}},
		{"a chart failed with these values", []func(*v1beta1.HelmRelease){bad("three", "values")}, "two", true,
			map[promotion.Identity]string{{Chart: "three"}: "BakeFailed"}},
		{"a chart failed with other values", []func(*v1beta1.HelmRelease){bad("three", "former")}, "two", true,
			map[promotion.Identity]string{}},
		{"the last failure says more", []func(*v1beta1.HelmRelease){bad("three", "values"),
			func(hr *v1beta1.HelmRelease) {
				hr.Status.LastFailure = &v1beta1.LastFailure{ChartDigest: "three", Reason: "BakeFailed",
					Message: "it crashed"}
			}}, "two", true, map[promotion.Identity]string{{Chart: "three"}: "BakeFailed: it crashed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := releaseOf(verifiedRelease(tt.change...))
			if got.ID.Chart != tt.digest || got.Current != tt.current {
				t.Errorf("it verified %q, at the present generation %t; want %q, %t", got.ID.Chart, got.Current,
					tt.digest, tt.current)
			}
			if diff := cmp.Diff(tt.bad, got.Bad); diff != "" {
				t.Errorf("charts that failed (-want +got):\n%s", diff)
			}
		})
	}
}

func threeStages(change ...func(*v1beta1.ReleasePipeline)) *v1beta1.ReleasePipeline {
	p := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", UID: "u1",
		Generation: 1}}
	p.Spec.Subject.SourceRef = v1beta1.PipelineSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web"}
	p.Spec.Stages = []v1beta1.PipelineStage{{Name: "dev"}, {Name: "staging"}, {Name: "prod"}}
	for _, c := range change {
		c(p)
	}
	return p
}

// What was written into a status is what the next decision is made from.
func TestTheStatusIsReadBack(t *testing.T) {
	t.Parallel()
	p := threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages[2].Gates = &v1beta1.StageGates{
			Soak: &metav1.Duration{Duration: time.Hour}, Prereleases: "Deny",
			Approval: &v1beta1.StageApproval{Count: 2, Groups: []string{"owners"}},
			Windows: []v1beta1.PromotionWindow{{Kind: "Deny", Cron: "0 9 * * *",
				Duration: metav1.Duration{Duration: time.Hour}}},
		}
	})
	addCandidate(p, v1beta1.ChartRevision{Version: "1.0.0", Digest: "one"}, "", now.Add(-time.Hour))
	addCandidate(p, v1beta1.ChartRevision{Version: "1.1.0", Digest: "two"}, "", now)
	addCandidate(p, v1beta1.ChartRevision{Version: "1.1.0", Digest: "two"}, "", now.Add(time.Hour))
	f := factsOf(p, inputs{releases: map[string][]v1beta1.HelmRelease{"dev": {*verifiedRelease()}}})
	if len(f.Candidates) != 2 || f.Candidates[0].Version != "1.1.0" || !f.Candidates[0].FirstSeen.Equal(now) {
		t.Errorf("candidates %+v", f.Candidates)
	}
	for pass, want := range []string{promotion.StepPromote, promotion.StepVerify, promotion.StepNone} {
		f := factsOf(p, inputs{releases: map[string][]v1beta1.HelmRelease{"dev": {*verifiedRelease()}}})
		decisions := promotion.Decide(f, now)
		if decisions[0].Step != want {
			t.Errorf("pass %d: %s, want %s: %s", pass, decisions[0].Step, want, decisions[0].Message)
		}
		applied := f.Stages[0].Apply(decisions[0], now)
		out := record(p, f, decisions, now)
		if out.acted != (want != promotion.StepNone) {
			t.Errorf("pass %d: acted %t", pass, out.acted)
		}
		again := factsOf(p, inputs{}).Stages[0]
		if diff := cmp.Diff(applied.Delivery, again.Delivery); diff != "" {
			t.Errorf("pass %d: delivery (-written +read):\n%s", pass, diff)
		}
		if diff := cmp.Diff(applied.Verified, again.Verified); diff != "" {
			t.Errorf("pass %d: verified (-written +read):\n%s", pass, diff)
		}
	}
	if d := p.Status.Stages[0].Delivery; d.Promotion != "web-dev-1" || !d.Verified ||
		p.Status.Stages[0].Promotions != 1 {
		t.Errorf("dev has %+v", p.Status.Stages[0])
	}
	gates := factsOf(p, inputs{}).Stages[2].Gates
	if gates.Soak != time.Hour || !gates.NoPrereleases || gates.Approval.Count != 2 ||
		gates.Approval.When != promotion.Always || len(gates.Approval.Groups) != 1 || len(gates.Windows) != 1 ||
		!gates.Windows[0].Deny {
		t.Errorf("gates %+v", gates)
	}
}

func TestCandidatesAreBounded(t *testing.T) {
	t.Parallel()
	p := threeStages()
	for i := range 50 {
		addCandidate(p, v1beta1.ChartRevision{Version: "1.0.0", Digest: strings.Repeat("x", i+1)}, "", now)
	}
	if n := len(p.Status.Candidates); n != maxCandidates || len(p.Status.Candidates[0].Digest) != 50 {
		t.Errorf("%d candidates, the first %q", n, p.Status.Candidates[0].Digest)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	gates := func(g v1beta1.StageGates) func(*v1beta1.ReleasePipeline) {
		return func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[1].Gates = &g }
	}
	for _, tt := range []struct {
		name   string
		change func(*v1beta1.ReleasePipeline)
		want   string
	}{
		{"nothing is wrong", func(*v1beta1.ReleasePipeline) {}, ""},
		{"an earlier stage", func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[2].From = []string{"dev"} }, ""},
		{"a later stage", func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[1].From = []string{"prod"} },
			`spec.stages[1].from names "prod", which is no earlier stage`},
		{"the stage itself", func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[1].From = []string{"staging"} },
			"no earlier stage"},
		{"no range", gates(v1beta1.StageGates{Range: "newest"}),
			`spec.stages[1].gates.range "newest" is no version range`},
		{"no cron", gates(v1beta1.StageGates{Windows: []v1beta1.PromotionWindow{{Cron: "@daily"}}}),
			"spec.stages[1].gates.windows[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := check(threeStages(tt.change))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
