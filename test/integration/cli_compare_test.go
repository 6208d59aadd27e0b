package integration

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// compare runs diff on the release web and returns what it prints.
func compare(t *testing.T, namespace string, wantCode int, args ...string) string {
	t.Helper()
	out, errs, code := command(t, "fairlead", append([]string{"diff", "release", "web", "-n", namespace}, args...)...)
	if code != wantCode {
		t.Fatalf("diff %v: exit code %d, want %d\n%s%s", args, code, wantCode, out, errs)
	}
	return out + errs
}

// publishSample pushes the sample chart with further files.
func publishSample(t *testing.T, namespace, version string, more map[string]string) {
	t.Helper()
	archive := chartArchive(t, "sample", version, more)
	if _, err := world.registry.PushChart(t.Context(), namespace, archive); err != nil {
		t.Fatal(err)
	}
}

// A revision is compared with the cluster: what was edited, what is gone, and what a later revision brought.
func TestCompareARevisionWithTheCluster(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "1.0.0", "charts", `{"message":"first"}`)
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	says(t, compare(t, ns, 0, "--revision", "1..live"),
		"from revision 1 (sample 1.0.0) to the cluster", "no differences")

	publishSample(t, ns, "1.1.0", map[string]string{"templates/extra.yaml": settings("extra", "a")})
	upgraded := release(ns, "web", "sample", "1.1.0", "charts", `{"message":"second"}`)
	apply(t, upgraded)
	awaitVersion(t, upgraded, "1.1.0")
	mustRun(t, "fairlead", "suspend", "release", "web", "-n", ns)
	mustRun(t, "kubectl", "patch", "configmap", "web", "-n", ns, "--type=merge",
		"-p", `{"data":{"message":"edited","mine":"x"}}`)
	mustRun(t, "kubectl", "delete", "deployment", "web", "-n", ns)

	got := compare(t, ns, 1, "--revision", "1..live")
	says(t, got, "value message: first → second", ".data.message: first → edited (kubectl-patch since ",
		".data.version: 1.0.0 → 1.1.0", "Deployment web: missing", "ConfigMap extra: created")
	if strings.Contains(got, "mine") {
		t.Errorf("it shows a field that the manifest does not set:\n%s", got)
	}

	got = compare(t, ns, 1, "--revision", "deployed..live")
	says(t, got, "from revision 2 (sample 1.1.0) to the cluster", ".data.message: second → edited",
		"Deployment web: missing")
	if strings.Contains(got, "extra") || strings.Contains(got, "value ") {
		t.Errorf("what is as the deployed revision has it, is shown:\n%s", got)
	}

	says(t, compare(t, ns, 1, "--revision", "1.."), "from revision 1 (sample 1.0.0) to revision 2 (sample 1.1.0)",
		"value message: first → second", ".data.message: first → second", "ConfigMap extra: created")
	says(t, compare(t, ns, 1, "--revision", "1..pending"), "to the wanted chart (sample 1.1.0) and values",
		"value message: first → second")
	says(t, compare(t, ns, 2, "--revision", "7..live"), "revision 7 of release "+ns+"/web is not in storage")
}

// Another version is compared without being asked for in the release.
func TestCompareWithAnotherVersion(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0", "1.1.0", "2.0.0")
	hr := release(ns, "web", "sample", "1.1.0", "charts", `{"message":"hello"}`)
	apply(t, hr)
	awaitVersion(t, hr, "1.1.0")
	before := get(t, hr).ResourceVersion
	says(t, compare(t, ns, 1, "--to-version", "2.x"),
		"from revision 1 (sample 1.1.0) to sample 2.0.0 and the wanted values",
		"why: version 1.1.0 → 2.0.0", ".data.version: 1.1.0 → 2.0.0")
	says(t, compare(t, ns, 1, "--to-version", "1.0.0"), "why: version 1.1.0 → 1.0.0", ".data.version: 1.1.0 → 1.0.0")
	says(t, compare(t, ns, 0, "--to-version", "1.1.0"), "nothing would change")
	says(t, compare(t, ns, 2, "--to-version", "3.0.0"), "no version matches", "2.0.0, 1.1.0, 1.0.0")
	says(t, compare(t, ns, 2, "--to-git", "main"), "compare with another version by --to-version")

	var read struct {
		Pending struct{ To v1beta1.ChartRevision }
		Values  []struct{ Path string }
	}
	out, _, _ := command(t, "fairlead", "diff", "release", "web", "-n", ns, "--to-version", "2.0.0", "-o", "json")
	err := json.Unmarshal([]byte(out), &read)
	if err != nil || read.Pending.To.Version != "2.0.0" || len(read.Values) != 0 {
		t.Errorf("as JSON it prints %v\n%s", err, out)
	}
	if after := get(t, hr); after.ResourceVersion != before {
		t.Error("comparing changed the release")
	}
}

// No comparison shows what a Secret holds, or held when an earlier revision was made.
func TestComparisonsShowNoSecret(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	more := map[string]string{"templates/token.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: token}
data: {url: "https://{{ .Values.token }}@host"}
`}
	registrySample(t, ns)
	publishSample(t, ns, "1.0.0", more)
	publishSample(t, ns, "1.1.0", more)
	login := func(token string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: named(ns, "login"),
			StringData: map[string]string{"values.yaml": "token: " + token + "\npin: 7\n"},
		}
	}
	apply(t, login("first-hunter2"))
	hr := release(ns, "web", "sample", "1.0.0", "charts", `{"message":"one"}`)
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "login"}}
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")

	check := func(want string, args ...string) {
		t.Helper()
		for _, format := range []string{"", "json", "yaml"} {
			formatted := args
			if format != "" {
				formatted = append(append([]string{}, args...), "-o", format)
			}
			got := compare(t, ns, 1, formatted...)
			if strings.Contains(got, "hunter2") {
				t.Errorf("diff %v shows the secret:\n%s", formatted, got)
			}
			if format == "" {
				says(t, got, want)
			}
		}
	}

	mustRun(t, "fairlead", "suspend", "release", "web", "-n", ns)
	apply(t, login("second-hunter2"))
	check("value token: *** → ***", "--pending")
	check("value token: *** → ***", "--to-version", "1.1.0")
	check("value token: *** → ***", "--revision", "1..pending")
	mustRun(t, "fairlead", "resume", "release", "web", "-n", ns)
	until(t, "the Secret is taken over", func() bool { return revisionOf(t, hr) == "2 1.0.0" })
	awaitVersion(t, hr, "1.0.0")
	check("value token: *** → ***", "--revision", "1..2")
	check("value token: *** → ***", "--revision", "1..live")

	mustRun(t, "fairlead", "suspend", "release", "web", "-n", ns)
	mustRun(t, "kubectl", "patch", "helmrelease", "web", "-n", ns, "--type=merge",
		"-p", `{"spec":{"valuesFrom":null,"values":{"token":"none"}}}`)
	got := compare(t, ns, 1, "--pending")
	says(t, got, "value pin: *** → -")
}

// A chart in Git is compared with that at a branch, a commit or a tag.
func TestCompareWithABranch(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	hr := gitRelease(ns, "web", "")
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	sha, err := world.git.Commit(ns, "feature", gitTree("sample", "2.0.0", nil), "change")
	if err != nil {
		t.Fatal(err)
	}

	says(t, compare(t, ns, 1, "--to-git", "feature"),
		"the chart is taken from GitRepository "+ns+"/fleet at feature@sha1:"+sha,
		"to the release at feature@sha1:"+sha, "why: version 1.0.0 → 2.0.0", ".data.version: 1.0.0 → 2.0.0")
	says(t, compare(t, ns, 1, "--to-git", sha), "to the release at sha1:"+sha, ".data.version: 1.0.0 → 2.0.0")
	says(t, compare(t, ns, 0, "--to-git", "main"), "nothing would change")
	says(t, compare(t, ns, 2, "--to-git", "featrue"), `no branch "featrue"`, "feature, main")
	says(t, compare(t, ns, 2, "--to-version", "2.0.0"), "by --to-git REF")
}

// A release that a Kustomization declares is taken from the files at the branch, with what they generate.
func TestCompareADeclaredReleaseWithABranch(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	const secret = "hunter2-of-the-cluster"
	declared := func(message, generated, token string) map[string]string {
		return map[string]string{
			"apps/kustomization.yaml": "resources: [release.yaml]\nconfigurations: [names.yaml]\n" +
				"configMapGenerator: [{name: settings, files: [values.yaml]}]\n",
			"apps/names.yaml": "nameReference:\n- kind: ConfigMap\n  fieldSpecs:\n" +
				"  - {kind: HelmRelease, path: spec/valuesFrom/name}\n",
			"apps/values.yaml": "generated: " + generated + "\n",
			"apps/release.yaml": `apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: web}
spec:
  chart: {spec: {chart: ./charts/sample, sourceRef: {kind: GitRepository, name: fleet}}}
  valuesFrom: [{kind: ConfigMap, name: settings}]
  values: {message: ` + message + `, token: "` + token + `"}
`,
		}
	}
	gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	commit(t, ns, declared("one", "a", "${TOKEN}"))
	apps := kustomization(ns, "apps", "apps", func(spec *v1beta1.KustomizationSpec) {
		variables := v1beta1.SubstituteReference{Kind: "Secret", Name: "variables"}
		spec.PostBuild = &v1beta1.PostBuild{SubstituteFrom: []v1beta1.SubstituteReference{variables}}
	})
	variables := map[string]string{"TOKEN": secret}
	apply(t, &corev1.Secret{ObjectMeta: named(ns, "variables"), StringData: variables}, apps)
	awaitReady(t, apps)
	hr := &v1beta1.HelmRelease{ObjectMeta: named(ns, "web")}
	awaitVersion(t, hr, "1.0.0")

	files := gitTree("sample", "2.0.0", nil)
	maps.Copy(files, declared("two", "b", "next-${TOKEN}"))
	sha, err := world.git.Commit(ns, "feature", files, "change")
	if err != nil {
		t.Fatal(err)
	}

	got := compare(t, ns, 1, "--to-git", "feature")
	says(t, got, "the HelmRelease is taken from Kustomization "+ns+"/apps at feature@sha1:"+sha,
		"the chart is taken from GitRepository "+ns+"/fleet at feature@sha1:"+sha,
		"value message: *** → two", "value generated: *** → b", "value token: *** → next-***",
		"why: version 1.0.0 → 2.0.0", ".data.message: one → two")
	if strings.Contains(got, secret) {
		t.Errorf("it shows what came from a Secret:\n%s", got)
	}
	says(t, compare(t, ns, 0, "--to-git", "main"), "nothing would change")

	other := map[string]string{"apps/other.yaml": settings("other", "a")}
	if _, err := world.git.Commit(ns, "gone", other, "change"); err != nil {
		t.Fatal(err)
	}
	says(t, compare(t, ns, 2, "--to-git", "gone"),
		"build Kustomization "+ns+"/apps at gone@sha1:", "it has no HelmRelease "+ns+"/web there")
}
