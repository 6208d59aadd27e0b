package integration

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// retraced is a release of the sample chart with pods, whose token comes from a Secret.
func retraced(
	t *testing.T, change func(*v1beta1.HelmRelease),
) (ns string, charts *servers.Charts, hr *v1beta1.HelmRelease) {
	t.Helper()
	ns = namespace(t)
	charts = chartRepository(t, servers.ChartOptions{}, "sample")
	publish(t, charts, "1.0.0")
	hr = release(ns, "web", "sample", "*", "charts", `{"message":"one"}`)
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "later"}}
	change(hr)
	apply(t, helmRepository(ns, "charts", charts.URL()), valuesSecret(ns, "values.yaml", "token: "+hidden), hr)
	awaitReady(t, hr)
	return ns, charts, hr
}

// Of an upgrade with another chart, another value and another Secret, each change is attributed to what made it.
func TestPlanNamesCauses(t *testing.T) {
	t.Parallel()
	const other = "other-" + hidden
	ns, charts, hr := retraced(t, func(*v1beta1.HelmRelease) {})
	mustRun(t, "fairlead", "suspend", "release", "web", "-n", ns)
	publish(t, charts, "1.1.0")
	secret := get(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "later"}})
	secret.Data["values.yaml"] = []byte("token: " + other)
	apply(t, secret)
	apply(t, withValues(get(t, hr), `{"message":"two","replicas":1}`))

	out, errs, code := command(t, "fairlead", "plan", "release", "web", "-n", ns, "--causes")
	if code != 1 {
		t.Fatalf("plan --causes: exit code %d\n%s%s", code, out, errs)
	}

	const inEnv = `.spec.template.spec.containers[name="main"].env[name="TOKEN"].value: ***`
	const chart = "cause: chart sample 1.0.0 → sample 1.1.0"
	message := "cause: value message: *** → two (spec.values)"
	want := map[string]string{
		".data.version: 1.0.0 → 1.1.0":                                chart,
		".image: example.com/sample:1.0.0 → example.com/sample:1.1.0": chart,
		".data.message: ": message,
		".spec.template.metadata.annotations.message: ": message,
		inEnv: "cause: value token: *** → *** (Secret " + ns + "/later, key values.yaml)",
	}
	lines := strings.Split(out, "\n")
	for field, cause := range want {
		for i, line := range lines {
			if strings.Contains(line, field) {
				if !strings.Contains(lines[i+1], cause) {
					t.Errorf("the cause of %s is not %q", line, cause)
				}
				delete(want, field)
			}
		}
	}
	for field := range want {
		t.Errorf("the plan lacks %s", field)
	}
	for i, line := range lines {
		if strings.HasPrefix(line, "  .") && !strings.Contains(lines[i+1], "cause: ") {
			t.Errorf("there is no cause of %s", line)
		}
	}
	if strings.Contains(out+errs, hidden) {
		t.Error("the plan shows the secret")
	}
	if t.Failed() {
		t.Log(out)
	}
}

// After an upgrade that was refused, and after one that failed, explain names the field and the value that made it.
func TestExplainNamesTheValueThatFailed(t *testing.T) {
	t.Parallel()
	ns, _, hr := retraced(t, func(hr *v1beta1.HelmRelease) {
		leave := false
		hr.Spec.Upgrade = &v1beta1.Upgrade{Remediation: &v1beta1.UpgradeRemediation{RemediateLastFailure: &leave}}
		bakes(time.Second)(hr)
	})
	awaitVerified(t, hr)

	explained := func() string {
		out, errs, code := command(t, "fairlead", "explain", "release", "web", "-n", ns)
		if code != 1 || strings.Contains(out+errs, hidden) {
			t.Errorf("explain: exit code %d\n%s%s", code, out, errs)
		}
		return strings.Join(strings.Fields(out), " ")
	}

	apply(t, withValues(hr, `{"message":"one","nodeSelector":"wrong"}`))
	awaitNotReady(t, hr, v1beta1.PreflightRejectedReason)
	says(t, explained(), "Deployment web: .spec.template.spec.nodeSelector changed by value nodeSelector (spec.values)",
		"Helps fairlead plan release web -n "+ns+" --causes")

	hr.Spec.Timeout = &metav1.Duration{Duration: 4 * time.Second}
	apply(t, withValues(hr, `{"message":"one","waiting":"ImagePullBackOff"}`))
	awaitNotReady(t, hr, v1beta1.UpgradeFailedReason)
	says(t, explained(), `Deployment web: .spec.template.metadata.annotations["sim.fairlead.dev/waiting"] added `+
		"by value waiting (spec.values) since revision 2", "fairlead diff release web -n "+ns+" --revision 1..2",
		"fairlead rollback release web 1 -n "+ns)
}
