package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// pendingOf runs diff --pending and returns what it prints.
func pendingOf(t *testing.T, namespace, name string, wantCode int) string {
	t.Helper()
	out, errs, code := command(t, "fairlead", "diff", "release", name, "-n", namespace, "--pending")
	if code != wantCode {
		t.Fatalf("diff --pending: exit code %d, want %d\n%s%s", code, wantCode, out, errs)
	}
	return out + errs
}

func TestPendingShowsANewVersionWhileSuspended(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	if out := pendingOf(t, ns, "web", 0); !strings.Contains(out, "nothing pending") {
		t.Errorf("in sync, it prints\n%s", out)
	}
	mustRun(t, "fairlead", "suspend", "release", "web", "-n", ns)
	push(t, world.registry, ns, "sample", "1.1.0")
	before := int(get(t, hr).Status.Latest().Version)
	if out := pendingOf(t, ns, "web", 1); !strings.Contains(out, "version 1.0.0 → 1.1.0") ||
		!strings.Contains(out, "ConfigMap") {
		t.Errorf("of a new version it prints\n%s", out)
	}
	out, _, _ := command(t, "fairlead", "diff", "release", "web", "-n", ns, "--pending", "-o", "json")
	var read struct {
		Pending struct{ From, To v1beta1.ChartRevision }
	}
	if err := json.Unmarshal([]byte(out), &read); err != nil || read.Pending.From.Version != "1.0.0" ||
		read.Pending.To.Version != "1.1.0" ||
		read.Pending.To.Digest == "" {
		t.Errorf("as JSON it prints %v\n%s", err, out)
	}
	if got := strings.Count(mustRun(t, "kubectl", "get", "secrets", "-n", ns, "-l", "owner=helm", "-o", "name"),
		"\n"); got != before {
		t.Errorf("looking left %d records, there were %d", got, before)
	}
}

func TestPendingOfAChartInGit(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	hr := gitRelease(ns, "web", "")
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	mustRun(t, "fairlead", "suspend", "release", "web", "-n", ns)
	commit(t, ns,
		map[string]string{"charts/sample/templates/extra.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n"})
	if out := pendingOf(t, ns, "web", 0); !strings.Contains(out, "nothing pending") {
		t.Errorf("with the version as before it prints\n%s", out)
	}
	commit(t, ns, gitTree("sample", "1.1.0", nil))
	if out := pendingOf(t, ns, "web", 1); !strings.Contains(out, "version 1.0.0 → 1.1.0") ||
		!strings.Contains(out, "extra: created") {
		t.Errorf("of a new version it prints\n%s", out)
	}
}
