package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"fairlead.dev/fairlead/api/v1beta1"
)

// crashingInEU is a Deployment that crashes in version 1.2.0 in the region eu.
var crashingInEU = strings.NewReplacer(
	`{{- with .Values.waiting }}`, `{{- if and (eq .Chart.Version "1.2.0") (eq .Values.stage "eu") }}`,
	`waiting: {{ . }}`, `waiting: CrashLoopBackOff`,
).Replace(podsTemplate)

// The HelmReleases of a stage take a candidate in waves. One that fails in the second wave gets no further: the first
// goes back, and the others never had it.
func TestWaves(t *testing.T) {
	t.Parallel()
	amongOthers(t)
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) {
		byRegion := func(name string) v1beta1.StageWave {
			selector := metav1.LabelSelector{MatchLabels: map[string]string{"region": name}}
			return v1beta1.StageWave{Name: name, Selector: selector}
		}
		one := intstr.FromInt32(1)
		waves := []v1beta1.StageWave{byRegion("canary"), byRegion("eu")}
		waves[1].MaxUnavailable = &one
		p.Spec.Stages = []v1beta1.PipelineStage{{Name: "prod", Waves: waves}}
	})
	remove(t, &v1beta1.HelmRelease{ObjectMeta: named(p.ns, "prod")})
	regions := map[string]string{"canary": "canary", "eu-a": "eu", "eu-b": "eu", "rest": "us"}
	releases := map[string]*v1beta1.HelmRelease{}
	for name, region := range regions {
		hr := p.release("prod")
		hr.Name, hr.Labels = name, map[string]string{"region": region}
		withValues(hr, fmt.Sprintf(`{"message":"runs","stage":%q}`, region))
		apply(t, hr)
		releases[name] = hr
	}
	publish := func(version string) {
		files := map[string]string{"templates/deployment.yaml": crashingInEU}
		archive := chartArchive(t, "sample", version, files)
		if _, err := world.registry.PushChart(t.Context(), p.ns, archive); err != nil {
			t.Fatal(err)
		}
	}
	publish("1.0.0")
	p.await("prod 1.0.0 Verified")

	// Nothing verifies the candidate in the first wave while its release is suspended: all others wait.
	change(t, get(t, releases["canary"]), func(hr *v1beta1.HelmRelease) { hr.Spec.Suspend = true })
	publish("1.1.0")
	p.await("prod 1.1.0 Verifying")
	for _, name := range []string{"eu-a", "eu-b", "rest"} {
		until(t, name+" waits", func() bool {
			h := get(t, releases[name]).Status.Held
			return h != nil && h.Reason == v1beta1.HeldByWave && h.ChartVersion == "1.1.0"
		})
		until(t, "Ready of "+name+" says so", func() bool {
			return strings.Contains(condition(t, releases[name], v1beta1.ReadyCondition).Message,
				"does not take version 1.1.0: Wave: waits for ")
		})
	}
	if wave := p.stage("prod").Wave; wave == nil || wave.Open != "canary" || !wave.All || wave.Done {
		t.Errorf("the wave is %+v", wave)
	}
	says(t, p.stage("prod").Message, "wave canary is open")
	change(t, get(t, releases["canary"]), func(hr *v1beta1.HelmRelease) { hr.Spec.Suspend = false })
	p.await("prod 1.1.0 Verified")
	inOrder(t, releases, "canary", "eu-a", "eu-b", "rest")
	until(t, "all waves are done", func() bool { w := p.stage("prod").Wave; return w != nil && w.Done })

	publish("1.2.0")
	until(t, "1.2.0 is rejected", func() bool {
		return slices.ContainsFunc(p.stage("prod").Rejected, func(r v1beta1.StageRejection) bool {
			return strings.Contains(r.Reason, p.ns+"/eu-a")
		})
	})
	p.await("prod 1.1.0 Blocked")
	until(t, "the canary goes back", func() bool { return revisionOf(t, releases["canary"]) == "4 1.1.0" })
	for _, name := range []string{"eu-b", "rest"} {
		if now := revisionOf(t, releases[name]); now != "2 1.1.0" {
			t.Errorf("%s has %s", name, now)
		}
	}
}

// inOrder checks that releases were upgraded one after the other, each once that before was verified.
func inOrder(t *testing.T, releases map[string]*v1beta1.HelmRelease, names ...string) {
	t.Helper()
	var verified metav1.Time
	for _, name := range names {
		s := get(t, releases[name]).Status
		if at := s.Latest().LastDeployed; at.Before(&verified) {
			t.Errorf("%s was upgraded at %s, before the one before was verified at %s", name, at, verified)
		}
		verified = s.LastVerified.At
	}
}
