package integration

import (
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// crashes is a Deployment that crashes.
var crashes = strings.NewReplacer(
	`{{- with .Values.waiting }}`, `{{- if true }}`, `waiting: {{ . }}`, `waiting: CrashLoopBackOff`,
).Replace(podsTemplate)

// The newest version fails and is rolled back. An older one that is newer than what runs is taken, from an index and
// from a registry; Ready and explain say why the newest is not. A reset forgets.
func TestAKnownBadVersionIsSkipped(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"index", "registry"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			amongOthers(t)
			ns := namespace(t)
			charts := chartRepository(t, servers.ChartOptions{}, "sample")
			url := charts.URL()
			if kind == "registry" {
				url = "oci://" + world.registry.Host() + "/" + ns
			}
			publish := func(version, template string) {
				archive := chartArchive(t, "sample", version, map[string]string{"templates/deployment.yaml": template})
				if _, err := world.registry.PushChart(t.Context(), ns, archive); err != nil {
					t.Fatal(err)
				}
				if err := charts.Add(archive); err != nil {
					t.Fatal(err)
				}
			}
			publish("1.0.0", podsTemplate)
			hr := release(ns, "web", "sample", "*", "charts", `{"message":"runs","token":""}`)
			hr.Spec.Bake = often
			repository := helmRepository(ns, "charts", url)
			repository.Spec.Interval = often
			apply(t, repository, hr)
			awaitVersion(t, hr, "1.0.0")
			awaitVerified(t, hr)

			publish("1.2.0", crashes)
			until(t, "1.2.0 is rolled back", func() bool { return revisionOf(t, hr) == "3 1.0.0" })
			publish("1.1.0", podsTemplate)
			awaitVersion(t, hr, "1.1.0")
			awaitVerified(t, hr)
			until(t, "Ready says why", func() bool {
				return strings.Contains(condition(t, hr, v1beta1.ReadyCondition).Message,
					"version 1.2.0 is not taken, because it failed before with these values")
			})
			skipped := get(t, hr).Status.Skipped
			if len(skipped) != 1 || skipped[0].ChartVersion != "1.2.0" {
				t.Errorf("status.skipped is %+v", skipped)
			}
			says(t, mustRun(t, "fairlead", "explain", "release", "web", "-n", ns), "version 1.2.0 (", "is not taken")
			pending := mustRun(t, "fairlead", "diff", "release", "web", "-n", ns, "--pending")
			if strings.Contains(pending, "1.2.0") {
				t.Errorf("1.2.0 is said to be next: %s", pending)
			}

			mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns, "--reset")
			until(t, "1.2.0 is tried again", func() bool {
				return slices.ContainsFunc(get(t, hr).Status.History, func(s v1beta1.Snapshot) bool {
					return s.ChartVersion == "1.2.0" && s.Version > 4
				})
			})
			until(t, "it is rolled back to 1.1.0", func() bool { return revisionOf(t, hr) == "6 1.1.0" })
		})
	}
}
