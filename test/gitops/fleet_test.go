package gitops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/install"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// The sample repository as its README says: a cluster that follows it has the apps of its environment, from encrypted
// values too, a tenant is kept to its rights, a pull request can be previewed, and `git revert` brings back what was.
func TestFleet(t *testing.T) {
	publish(t, "1.0.0")
	publish(t, "1.1.0")
	url, err := world.git.Create("fleet")
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := world.git.Create("team-a")
	if err != nil {
		t.Fatal(err)
	}
	push(t, world.git, "team-a",
		map[string]string{"config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}\n"})
	files := sample(t, strings.NewReplacer(
		"oci://registry.example.com/charts", "oci://"+world.registry.Host()+"/charts\n  insecure: true",
		"https://git.example.com/team-a/deploy.git", tenant, "interval: 1m", "interval: 1s",
	))
	push(t, world.git, "fleet", files)
	_, _ = bootstrap(t, "--url", url, "--path", "clusters/staging", "--tenancy", "strict", "--allow-upstream-cidrs",
		"127.0.0.1/32")
	key := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "sops-age"},
		Data:       map[string][]byte{"age.agekey": ageKey(t)},
	}
	world.cluster.MustApply(t, key)
	apps := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "apps"}}
	world.cluster.AwaitReady(t, apps)
	awaitMessage(t, "this is staging")
	release := env.Read(t, world.cluster,
		&v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "beacon"}})
	if got := release.Status.Latest(); got == nil || got.ChartVersion != "1.1.0" {
		t.Errorf("staging runs %+v", got)
	}
	previewed(t, files)
	reverted(t, files)
	kept(t)
	everyCluster(t, files)

	// Taken out with all that it has made, the cluster is as it was.
	if out := must(t, "uninstall", "--yes", "--releases"); !strings.Contains(out,
		"left: namespace fairlead-system, because others have something in it: secrets sops-age") {
		t.Errorf("uninstall prints\n%s", out)
	}
	if err := world.cluster.Client.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	must(t, "uninstall", "--yes")
	if out := world.cluster.MustRun(t, "helm", "ls", "-A", "-a", "-q"); out != "" {
		t.Errorf("releases are left: %s", out)
	}
	for _, name := range []string{"apps", "team-a"} {
		env.Await(t, "namespace "+name+" is gone", func() bool {
			return !world.cluster.Exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		})
	}
}

// previewed shows what a pull request would change.
func previewed(t *testing.T, files map[string]string) {
	t.Helper()
	dir := checkout(t, files, map[string]string{
		"apps/base/beacon.yaml": strings.Replace(files["apps/base/beacon.yaml"], "this is ${cluster}",
			"from a pull request in ${cluster}", 1),
	})
	where := []string{"-n", install.Namespace, "--path", filepath.Join(dir, "apps", "staging")}
	out, errs, code := world.cluster.Run(t, "fairlead", append([]string{"diff", "kustomization", "apps"}, where...)...)
	if code != 1 || !strings.Contains(out, "HelmRelease apps/beacon: changed") ||
		!strings.Contains(out, "from a pull request in staging") ||
		strings.Contains(out+errs, "staging-oncall") {
		t.Errorf("diff ended with %d:\n%s%s", code, out, errs)
	}
	same := checkout(t, files, nil)
	if out, errs, code := world.cluster.Run(t, "fairlead", "diff", "kustomization", "apps", "-n", install.Namespace,
		"--path",
		filepath.Join(same, "apps", "staging")); code != 0 {
		t.Errorf("diff of what is applied ended with %d:\n%s%s", code, out, errs)
	}
	built := must(t, append([]string{"build", "kustomization", "apps"}, where...)...)
	if !strings.Contains(built, "kind: HelmRelease") || strings.Contains(built, "staging-oncall") {
		t.Errorf("build prints\n%s", built)
	}
}

// reverted pushes a change and its revert.
func reverted(t *testing.T, files map[string]string) {
	t.Helper()
	before := files["apps/base/beacon.yaml"]
	push(t, world.git, "fleet",
		map[string]string{"apps/base/beacon.yaml": strings.Replace(before, "this is", "changed in", 1)})
	awaitMessage(t, "changed in staging")
	push(t, world.git, "fleet", map[string]string{"apps/base/beacon.yaml": before})
	awaitMessage(t, "this is staging")
}

// kept says that a tenant may do something in its own namespace, and nothing elsewhere.
func kept(t *testing.T) {
	t.Helper()
	env.Await(t, "the tenant's object is there", func() bool {
		return world.cluster.Exists(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "theirs"}})
	})
	push(t, world.git, "team-a",
		map[string]string{"more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stolen, namespace: apps}\n"})
	team := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "team-a"}}
	refused := world.cluster.AwaitReadiness(t, team, "it is refused", func(ready metav1.Condition) bool {
		return ready.Status == metav1.ConditionFalse && ready.Reason == v1beta1.AccessDeniedReason
	})
	if !strings.Contains(refused.Message, "system:serviceaccount:team-a:team-a") {
		t.Errorf("the message does not say who may not: %s", refused.Message)
	}
	if world.cluster.Exists(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "stolen"}}) {
		t.Error("a tenant has written into the namespace of others")
	}
}

// everyCluster builds what all clusters of the sample declare.
func everyCluster(t *testing.T, files map[string]string) {
	t.Helper()
	dir := checkout(t, files, nil)
	for _, cluster := range []string{"staging", "production"} {
		for _, name := range []string{"infrastructure", "apps"} {
			path := map[string]string{"infrastructure": "infrastructure", "apps": filepath.Join("apps", cluster)}[name]
			out := must(t, "build", "kustomization", name, "-n", install.Namespace, "--path", filepath.Join(dir, path),
				"--file", filepath.Join(dir, "clusters", cluster, name+".yaml"))
			if name == "apps" &&
				(!strings.Contains(out, "this is "+cluster) ||
					strings.Contains(out, "replicaCount: 3") != (cluster == "production")) {
				t.Errorf("%s of %s:\n%s", name, cluster, out)
			}
		}
	}
}

func awaitMessage(t *testing.T, text string) {
	t.Helper()
	env.Await(t, "the release says "+text, func() bool {
		configs := &corev1.ConfigMapList{}
		if err := world.cluster.Client.List(t.Context(), configs, client.InNamespace("apps")); err != nil {
			t.Fatal(err)
		}
		for _, config := range configs.Items {
			for _, value := range config.Data {
				if strings.Contains(value, text) {
					return true
				}
			}
		}
		return false
	})
}

// sample reads the sample repository.
func sample(t *testing.T, replace *strings.Replacer) map[string]string {
	t.Helper()
	files, err := servers.ReadDir(filepath.Join(projectRoot(t), "config", "samples", "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		files[name] = replace.Replace(content)
	}
	return files
}

// checkout writes files, with changes to them, as the work tree of a repository.
func checkout(t *testing.T, files, changes map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(".git/HEAD", "ref: refs/heads/main\n")
	for name, content := range files {
		write(name, content)
	}
	for name, content := range changes {
		write(name, content)
	}
	return dir
}

// publish pushes a version of the sample chart.
func publish(t *testing.T, version string) {
	t.Helper()
	files, err := servers.ReadChart(filepath.Join(projectRoot(t), "charts", "beacon"), version)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := servers.BuildChart(files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := world.registry.PushChart(t.Context(), "charts", archive); err != nil {
		t.Fatal(err)
	}
}

// ageKey is the private key for which the Secrets of the sample are encrypted.
func ageKey(t *testing.T) []byte {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(projectRoot(t), "helmops", "kustomize", "sops", "testdata", "key.agekey"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func projectRoot(t *testing.T) string {
	t.Helper()
	root, err := env.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}
