package helmcompat

import (
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// adopted are the charts that are installed by the helm command and then handed to Fairlead: those whose upgrades
// remove something, and those that server-side apply has trouble with.
var adopted = []string{
	"hooks", "random", "fields-removed", "lists-reordered", "volumes-changed", "foreign-fields", "string-data",
	"twice-in-a-list",
	"unknown-fields", "nothing-in-it", "crds", "many-kinds", "subcharts", "no-values", longest,
}

// A release of the helm command is adopted as it is when the HelmRelease asks for the same; when it asks for something
// else, the upgrade leaves what an upgrade by the helm command leaves, without a trace of fields that are no longer
// there.
func TestAdopts(t *testing.T) {
	for _, s := range everyChart(t) {
		if !slices.Contains(adopted, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.name = "adopt-" + s.name
			p := begin(t, s)
			for _, side := range []side{p.cli, p.own} {
				if output, code := p.helm(t, side, 0); code != 0 {
					t.Fatalf("helm ended with %d: %s", code, output)
				}
			}
			before := p.look(t, p.own)
			p.declare(t, 0)
			p.mustSettle(t)
			if diff := gocmp.Diff(before, p.look(t, p.own)); diff != "" {
				t.Errorf("the adoption changed something:\n%s", diff)
			}
			if s.between != "" {
				p.interfere(t)
			}
			p.turn(t, 1)
			p.same(t, "after the upgrade")
		})
	}
}

// Objects that exist and belong to no release become the release's, as with helm --take-ownership.
func TestTakesOver(t *testing.T) {
	t.Parallel()
	p := begin(t, scenario{
		name: "takes-over",
		before: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config, labels: {mine: \"yes\"}}\n" +
			"data: {mine: \"1\", message: old}\n---\n" +
			"apiVersion: v1\nkind: Service\nmetadata: {name: main}\n" +
			"spec: {ports: [{name: old, port: 1}], selector: {old: \"yes\"}}\n",
		files: map[string]string{
			"templates/c.yaml": configMap("config", "message: {{ .Values.message | quote }}"),
			"templates/s.yaml": object("v1", "Service", "main", "",
				"spec: {ports: [{name: new, port: 2}], selector: {new: \"yes\"}}\n"),
			"templates/n.yaml": configMap("new", "a: b"),
		},
		values: `{"message":"first"}`, changed: `{"message":"second"}`, installFlags: []string{"--take-ownership"},
	})
	p.turn(t, 0)
	p.same(t, "after the install over objects of nobody")
	p.turn(t, 1)
	p.same(t, "after the upgrade")
	p.remove(t)
	mustRun(t, "helm", "uninstall", releaseName, "-n", p.cli.namespace, "--wait")
	p.same(t, "after the uninstall")
}

// Tests that Fairlead runs after the install leave on the record what helm test leaves.
func TestRunsTests(t *testing.T) {
	t.Parallel()
	for _, s := range hookCharts {
		if s.name != "test-hooks" {
			continue
		}
		s.name, s.spec = "runs-tests", map[string]any{"test": map[string]any{"enable": true}}
		p := begin(t, s)
		for turn := range 2 {
			p.turn(t, turn)
			mustRun(t, "helm", "test", releaseName, "-n", p.cli.namespace, "--timeout", "60s")
			p.same(t, []string{"after the install", "after the upgrade"}[turn])
		}
	}
}
