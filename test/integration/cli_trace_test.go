package integration

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// TestTraceLeadsToTheCommit follows a Pod up to its release, and an object of a Kustomization to the commit.
func TestTraceLeadsToTheCommit(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	sha := commit(t, ns, map[string]string{"apps/settings.yaml": settings("settings", "one")})
	hr := gitRelease(ns, "web", "")
	ks := kustomization(ns, "apps", "./apps", func(s *v1beta1.KustomizationSpec) { s.TargetNamespace = ns })
	apply(t, hr, ks)
	awaitVersion(t, hr, "1.0.0")
	until(t, "the commit is applied", func() bool {
		return strings.HasSuffix(get(t, ks).Status.LastAppliedRevision, sha)
	})

	pod := strings.Fields(mustRun(t, "kubectl", "get", "pods", "-n", ns, "-o", "name"))
	if len(pod) == 0 {
		t.Fatal("the release has no pod")
	}
	tests := map[string][]string{
		pod[0]: {"ReplicaSet " + ns, "Deployment " + ns + "/web", "HelmRelease " + ns + "/web is Ready",
			"chart sample 1.0.0"},
		"deploy/web":      {"HelmRelease " + ns + "/web is Ready", "GitRepository " + ns + "/fleet is Ready"},
		"cm/settings":     {"Kustomization " + ns + "/apps", "main@sha1:" + sha, "GitRepository " + ns + "/fleet"},
		"helmrelease/web": {"GitRepository " + ns + "/fleet"},
	}
	for object, want := range tests {
		got, _, _ := command(t, "fairlead", "trace", object, "-n", ns)
		for _, text := range want {
			if !strings.Contains(got, text) {
				t.Errorf("the trace of %s has no %q:\n%s", object, text, got)
			}
		}
	}
	tree := mustRun(t, "fairlead", "tree", "kustomization", "apps", "-n", ns)
	if !strings.Contains(tree, "ConfigMap settings") || !strings.Contains(tree, "1 of 1 object healthy") {
		t.Errorf("the tree of the Kustomization is\n%s", tree)
	}
	if out, errs, code := command(t, "fairlead", "trace", "configmap", "kube-root-ca.crt", "-n", ns); code != 1 {
		t.Errorf("of an object of others: exit code %d\n%s%s", code, out, errs)
	}
	if out, errs, code := command(t, "fairlead", "trace", "nonsense", "web", "-n", ns); code != 2 {
		t.Errorf("of an unknown kind: exit code %d\n%s%s", code, out, errs)
	}
}
