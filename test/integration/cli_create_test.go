package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// TestCreatedManifestsApply applies what create --export prints with strict validation.
func TestCreatedManifestsApply(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := world.registry.Host()
	var manifests strings.Builder
	for _, line := range []string{
		"source git fleet --url https://git.example.com/org/fleet --branch main --interval 5m",
		"source helm charts --url oci://" + host + "/" + ns,
		"source oci sample --url oci://" + host + "/" + ns + "/sample --semver 1.x",
		"source bucket files --bucket-name files --endpoint s3.example.com --region eu --prefix a/",
		"release web --source helmrepository/charts --chart sample --version 1.x --depends-on db",
		"release ref --source ocirepository/sample --target-namespace " + ns + " --create-target-namespace",
		"kustomization apps --source gitrepository/fleet --path ./apps --wait --depends-on infra",
		"secret git token --username me --password-file " + password,
		"secret registry pull --server " + host + " --username me --password-file " + password,
	} {
		args := append([]string{"create"}, strings.Fields(line)...)
		manifests.WriteString(mustRun(t, "fairlead", append(args, "-n", ns, "--export")...))
	}
	file := filepath.Join(dir, "all.yaml")
	if err := os.WriteFile(file, []byte(manifests.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "kubectl", "apply", "--validate=strict", "--dry-run=server", "-f", file)
}

// TestCreatedObjectsRun creates a source and a release with the commands alone.
func TestCreatedObjectsRun(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	push(t, world.registry, ns, "sample", "1.0.0")
	repository := "oci://" + world.registry.Host() + "/" + ns
	create := func(args ...string) string {
		return mustRun(t, "fairlead", append([]string{"create"}, append(args, "-n", ns)...)...)
	}
	create("source", "helm", "charts", "--url", repository, "--insecure")
	create("release", "web", "--source", "helmrepository/charts", "--chart", "sample")
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	awaitVersion(t, hr, "1.0.0")
	_, errs, code := command(t, "fairlead", "create", "source", "helm", "charts", "--url", repository, "-n", ns)
	if code != 2 || !strings.Contains(errs, "exists already") {
		t.Errorf("a second time: exit code %d, %s", code, errs)
	}
}
