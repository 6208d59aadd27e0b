package helmcompat

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/test/servers"
)

// Every chart ends in the same records and objects, with every client that installs, upgrades and uninstalls it; and a
// rollback by the helm command finds in Fairlead's releases what it needs.
func TestSame(t *testing.T) {
	for _, s := range everyChart(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if s.files == nil && s.archives == nil {
				t.Skip("the folder shared/charts beside the project is absent; its charts are not compared")
			}
			p := begin(t, s)
			p.turn(t, 0)
			p.same(t, "after the install")
			if s.between != "" {
				p.interfere(t)
			}
			p.turn(t, 1)
			p.same(t, "after the upgrade")
			if len(s.archives) > 0 && s.name != longest {
				return
			}
			p.suspend(t)
			for _, side := range []side{p.cli, p.own} {
				mustRun(t, "helm", "rollback", releaseName, "1", "-n", side.namespace, "--wait", "--wait-for-jobs",
					"--timeout", "60s")
			}
			p.same(t, "after helm rollback")
			p.turn(t, 1)
			p.same(t, "after the upgrade that follows the rollback")
			p.remove(t)
			mustRun(t, "helm", "uninstall", releaseName, "-n", p.cli.namespace, "--wait", "--timeout", "60s")
			p.same(t, "after the uninstall")
		})
	}
}

func everyChart(t *testing.T) []scenario {
	t.Helper()
	return slices.Concat(hookCharts, chartFeatures, objectCharts, changeCharts, otherProjects(t))
}

// turn lets both sides install or upgrade, at the same time, and both have to succeed.
func (p *play) turn(t *testing.T, turn int) {
	t.Helper()
	p.declare(t, turn)
	if output, code := p.helm(t, p.cli, turn); code != 0 {
		t.Fatalf("helm ended with %d: %s", code, output)
	}
	p.mustSettle(t)
}

func (p *play) mustSettle(t *testing.T) {
	t.Helper()
	if ready := p.settled(t); ready.Status != metav1.ConditionTrue {
		t.Fatalf("the HelmRelease is not Ready, %s: %s", ready.Reason, ready.Message)
	}
}

// longest is the chart of another project that is taken through its whole life; the others are installed and upgraded.
const longest = "podinfo-6.11.2"

// otherProjects are charts of other projects, where they are at hand.
func otherProjects(t *testing.T) []scenario {
	t.Helper()
	archives, err := servers.Published()
	if err != nil {
		t.Fatal(err)
	}
	if len(archives) == 0 {
		return []scenario{{name: "other-projects"}}
	}
	var scenarios []scenario
	for _, file := range archives {
		name := strings.TrimSuffix(filepath.Base(file), ".tgz")
		s := scenario{name: name, archives: []string{file}, values: `{"podAnnotations":{"example.com/turn":"first"}}`,
			changed: `{"podAnnotations":{"example.com/turn":"second"}}`,
			random:  []string{`-test-[a-z0-9]{5}`, `[0-9a-f]{64}`}} // names of tests, and checksums of texts with the namespace
		if strings.HasPrefix(name, "prometheus-node-exporter") { // two cannot have one port of the same node
			s.values = `{"hostNetwork":false,"service":{"port":9100},"podAnnotations":{"example.com/turn":"first"}}`
			s.changed = strings.ReplaceAll(s.values, "first", "second")
		}
		scenarios = append(scenarios, s)
	}
	return scenarios
}
