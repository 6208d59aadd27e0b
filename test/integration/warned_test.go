package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// warnings returns the notes of the events that say what the API server warned an object of, sorted: each as often as
// it was recorded.
func warnings(t *testing.T, ns, of string) []string {
	t.Helper()
	list := &eventsv1.EventList{}
	if err := world.cluster.Client.List(t.Context(), list, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list.Items {
		if e.Reason != v1beta1.WarningReceivedReason || e.Regarding.Name != of {
			continue
		}
		times := 1
		if e.Series != nil {
			times = int(e.Series.Count)
		}
		out = append(out, slices.Repeat([]string{e.Note}, times)...)
	}
	slices.Sort(out)
	return out
}

// awaitWarnings waits for as many events as are wanted, and compares them.
func awaitWarnings(t *testing.T, ns, of string, want ...string) {
	t.Helper()
	slices.Sort(want)
	until(t, "events of "+of+" say what the API server warned of", func() bool {
		return len(warnings(t, ns, of)) >= len(want)
	})
	if diff := cmp.Diff(want, warnings(t, ns, of)); diff != "" {
		t.Errorf("the events of %s are (-want +got):\n%s", of, diff)
	}
}

// policy applies a manifest of policies, and deletes them at the end.
func policy(t *testing.T, manifest string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "kubectl", "apply", "-f", file)
	t.Cleanup(func() { mustRun(t, "kubectl", "delete", "-f", file) })
}

// ownPolicies applies the policies of config/warnings to one namespace, with the user of the tests in the place of the
// controller.
func ownPolicies(t *testing.T, ns string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "warnings", "policies.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	user := strings.TrimSpace(mustRun(t, "kubectl", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"))
	policy(t, strings.NewReplacer(
		"system:serviceaccount:fairlead-system:fairlead-controller", user,
		"fairlead-warn-", ns+"-warn-",
		"namespaceSelector: {}", "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "+ns+"}}",
	).Replace(string(content)))
}

const withoutEffect = `apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: web}
spec:
  suspend: true
  chart: {spec: {chart: web, sourceRef: {kind: HelmRepository, name: charts}}}
  install: {skipCRDs: true}
  rollback: {recreate: true}
`

const deprecated = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: old}\n"

// deprecation is what API servers warn of Endpoints.
const deprecation = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"

// Those who apply through a Kustomization read what the API server warns of, with the object that it is about, once
// for each revision: of fields without effect and of deprecated kinds. What the controller writes by itself is not
// warned of.
func TestKustomizationIsWarned(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	ownPolicies(t, ns)
	file := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(file, []byte(withoutEffect), 0o600); err != nil {
		t.Fatal(err)
	}
	try := func(manager string) string {
		_, errs, _ := world.cluster.Run(t, "kubectl", "apply", "--server-side", "--dry-run=server", "-n", ns,
			"--field-manager", manager, "-f", file)
		return errs
	}
	until(t, "the policies are in force, and those of other tests are not", func() bool {
		said := try(v1beta1.KustomizationFieldManager)
		return strings.Contains(said, "'"+ns+"-warn-") && !strings.Contains(said, "'fairlead-warn-")
	})
	if said := try("fairlead"); strings.Contains(said, "has no effect") {
		t.Errorf("the controller is warned of what it writes by itself: %s", said)
	}
	fleet(t, ns, map[string]string{"web.yaml": withoutEffect, "old.yaml": deprecated, "a.yaml": settings("a", "one")})
	k := kustomization(ns, "apps", "")
	apply(t, k)
	awaitReady(t, k)
	binding := ns + "-warn-helmreleases"
	from := "Validation failed for ValidatingAdmissionPolicy '" + binding + "' with binding '" + binding + "': "
	ofFields := "the API server warns of HelmRelease " + ns + "/web: " +
		from + "spec.install.skipCRDs true has no effect: Flux does not read it either; " +
		"install.crds: Skip skips them; " +
		from + "spec.rollback.recreate true has no effect: Flux does not act on it either"
	ofKind := "the API server warns of Endpoints " + ns + "/old: " + deprecation
	awaitWarnings(t, ns, "apps", ofFields, ofKind)
	awaitApplied(t, k, commit(t, ns, map[string]string{"a.yaml": settings("a", "two")}))
	awaitWarnings(t, ns, "apps", ofFields, ofKind, ofFields, ofKind)
	awaitApplied(t, k, commit(t, ns, map[string]string{"web.yaml": "", "a.yaml": settings("a", "three")}))
	awaitWarnings(t, ns, "apps", ofFields, ofKind, ofFields, ofKind, ofKind)
}

// A release reports what the API server warns of with each version of the chart, whether the object is written or not.
func TestReleaseIsWarned(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample")
	addChart(t, charts, "1.0.0", map[string]string{"templates/old.yaml": deprecated})
	hr := release(ns, "toy", "sample", "*", "charts", "")
	apply(t, helmRepository(ns, "charts", charts.URL()), hr)
	awaitReady(t, hr)
	says := "the API server warns of Endpoints " + ns + "/old: " + deprecation
	awaitWarnings(t, ns, "toy", says)
	addChart(t, charts, "2.0.0", map[string]string{"templates/old.yaml": deprecated})
	awaitVersion(t, hr, "2.0.0")
	awaitWarnings(t, ns, "toy", says, says)
	addChart(t, charts, "3.0.0", map[string]string{"templates/a.yaml": settings("a", "one")})
	awaitVersion(t, hr, "3.0.0")
	awaitWarnings(t, ns, "toy", says, says)
}

// A policy can quote what it warns of. The event shows no secret.
func TestWarningShowsNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "quiet-canary-of-the-warning-7"
	ns := namespace(t)
	policy(t, strings.ReplaceAll(`apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME-quotes}
spec:
  failurePolicy: Ignore
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  matchConditions: [{name: quoted, expression: "has(object.data) && 'key' in object.data"}]
  validations: [{expression: "false", messageExpression: "'the key is ' + object.data.key"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAME-quotes}
spec: {policyName: NAME-quotes, validationActions: [Warn]}
`, "NAME", ns))
	until(t, "the policy is in force", func() bool {
		_, errs, _ := world.cluster.Run(t, "kubectl", "create", "configmap", "tried", "-n", ns, "--from-literal=key=a",
			"--dry-run=server")
		return strings.Contains(errs, "the key is a")
	})
	quoted := func(name, value string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {key: '" + value + "'}\n"
	}
	fleet(t, ns, map[string]string{
		"charts/web/Chart.yaml":       "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"charts/web/templates/a.yaml": quoted("released", "{{ .Values.password }}"),
		"plain/a.yaml":                quoted("applied", "${password}"),
	})
	apply(t,
		&corev1.Secret{ObjectMeta: named(ns, "values"), StringData: map[string]string{"values.yaml": "password: " + secret}},
		&corev1.Secret{ObjectMeta: named(ns, "variables"), StringData: map[string]string{"password": secret}},
	)
	hr := release(ns, "web", "./charts/web", "", "fleet", "")
	hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "values"}}
	k := kustomization(ns, "plain", "plain", func(s *v1beta1.KustomizationSpec) {
		from := []v1beta1.SubstituteReference{{Kind: "Secret", Name: "variables"}}
		s.PostBuild = &v1beta1.PostBuild{SubstituteFrom: from}
	})
	apply(t, hr, k)
	awaitReady(t, hr)
	awaitReady(t, k)
	from := "Validation failed for ValidatingAdmissionPolicy '" + ns + "-quotes' with binding '" + ns + "-quotes': "
	awaitWarnings(t, ns, "web", "the API server warns of ConfigMap "+ns+"/released: "+from+"the key is ***")
	awaitWarnings(t, ns, "plain", "the API server warns of ConfigMap "+ns+"/applied: "+from+"the key is ***")
	shownNowhere(t, ns, secret)
}
