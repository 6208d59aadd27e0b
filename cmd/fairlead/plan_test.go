package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/values"
	"fairlead.dev/fairlead/helmops/view"
)

// planner renders a chart that makes another token each time.
type planner struct {
	fakeInspector
	manifest string
	times    int
}

func (p *planner) Foresee(context.Context, engine.Action) (*engine.Foresight, error) {
	return &engine.Foresight{
		From:   p.stored[42],
		To:     p.next(),
		Again:  p.next(),
		Inputs: preview.Inputs{From: 42, KubeVersion: "v1.37.0"},
		Kept: []v1beta1.KeptObject{
			{Kind: "PersistentVolumeClaim", Namespace: "web", Name: "kept", Reason: "keep policy"},
		},
		Untried: []preview.Untried{{
			Group: "rbac.authorization.k8s.io", Kind: "Role", Name: "shop", Refused: true,
			Why: "the API server refuses the dry run: Role web/shop: no right to escalate",
		}},
	}, nil
}

func (p *planner) next() *engine.Content {
	p.times++
	return &engine.Content{
		ChartName:    "shop",
		ChartVersion: "1.9.2",
		Manifest:     strings.ReplaceAll(p.manifest, "TOKEN", strings.Repeat("x", p.times)),
		Hooks: []engine.ContentHook{
			{Kind: "Job", Name: "migrate", Events: []string{"pre-upgrade"}, Manifest: "kind: Job\n"},
		},
	}
}

const plannedShop = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  template:
    spec:
      containers: [{name: web, image: "shop:1.9.1", resources: {requests: {memory: 1Gi}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data: {region: north, login: "hunter2"}
---
apiVersion: v1
kind: Secret
metadata: {name: shop}
stringData: {token: TOKEN}
`

const plannedClaims = `---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: uploads}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
`

const plannedRole = `---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: shop}
rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]
`

// planned runs planOf of a release whose revision 42 runs, and returns what is printed.
func planned(t *testing.T, want v1beta1.ChartRevision, to string, out *output) string {
	t.Helper()
	return plannedWith(t, want, to, out, nil)
}

// plannedWith is planned with causes that are found in what Retrace returns, unless that is nil.
func plannedWith(t *testing.T, want v1beta1.ChartRevision, to string, out *output, retraces *engine.Retracing) string {
	t.Helper()
	hr := shop()
	hr.Status.StorageNamespace = "web"
	in := release.Inputs{Chart: want, Values: map[string]any{"login": "hunter2"}, Mask: redact.NewMask("hunter2")}
	look := &planner{manifest: to, fakeInspector: fakeInspector{
		records: []plan.Record{
			{
				Version:      42,
				Status:       plan.StatusDeployed,
				Chart:        v1beta1.ChartRevision{Name: "shop", Version: "1.9.1", Digest: digestA},
				ConfigDigest: values.Digest(in.Values),
				Ours:         true,
				Digest:       "sha256:42",
			},
		},
		stored: map[int]*engine.Content{
			42: {Revision: 42, ChartName: "shop", ChartVersion: "1.9.1", Manifest: plannedShop + plannedClaims},
		},
	}}

	var printed bytes.Buffer
	a := &app{environment: environment{out: &printed, err: &printed, now: func() time.Time { return now }}}
	var find findCauses
	if retraces != nil {
		look.retraces = retraces
		find = wantedOf(t, hr, in).findCauses(t.Context(), &connection{}, look)
	}

	p, err := a.planOf(t.Context(), look, hr, in, engine.Action{}, find)
	if err != nil {
		t.Fatal(err)
	}

	if out.machine() {
		if err := out.write(a.out, p); err != nil {
			t.Fatal(err)
		}
	} else {
		a.planLines(p)
	}

	return printed.String()
}

func nextShop() v1beta1.ChartRevision {
	return v1beta1.ChartRevision{Name: "shop", Version: "1.9.2", Digest: digestB}
}

const nextManifest = plannedShop + plannedRole

func nextOf(manifest string) string {
	return strings.NewReplacer("shop:1.9.1", "shop:1.9.2", "1Gi", "1536Mi", "north", "south hunter2").Replace(manifest)
}

// The sample in docs/cli.md is what the command prints.
func TestPlanIsDocumented(t *testing.T) {
	t.Parallel()
	printed := planned(t, nextShop(), nextOf(nextManifest), &output{})
	isSample(t, "../../docs/cli.md", "fairlead plan release shop -n web", printed)
	if strings.Contains(printed, "hunter2") {
		t.Errorf("it shows a secret: %s", printed)
	}
}

func TestPlanForMachines(t *testing.T) {
	t.Parallel()
	printed := planned(t, nextShop(), nextOf(nextManifest), &output{format: outputJSON})
	var p view.Plan
	if err := json.Unmarshal([]byte(printed), &p); err != nil {
		t.Fatal(err)
	}

	if p.Risk != "Escalation" || p.FromRevision != 42 || p.To.Version != "1.9.2" ||
		!strings.HasPrefix(p.Digest, "sha256:") {
		t.Errorf("the plan is %+v", p)
	}
	if want := (view.PlanSummary{Created: 1, Changed: 2, Deleted: 1, Kept: 1, Same: 1}); p.Summary != want {
		t.Errorf("the summary is %+v, want %+v", p.Summary, want)
	}
	if !strings.Contains(printed, `"namespace": "web"`) || strings.Contains(printed, "hunter2") ||
		strings.Contains(printed, ": null") {
		t.Errorf("it prints %s", printed)
	}
	if again := planned(t, nextShop(), nextOf(nextManifest), &output{format: outputJSON}); again != printed {
		t.Error("the same plan has another digest")
	}
}

func TestPlanOfNothing(t *testing.T) {
	t.Parallel()
	same := v1beta1.ChartRevision{Name: "shop", Version: "1.9.1", Digest: digestA}
	printed := planned(t, same, plannedShop, &output{})
	if want := "nothing pending: release web/shop runs the wanted chart and values\n"; printed != want {
		t.Errorf("it prints %q, want %q", printed, want)
	}
}
