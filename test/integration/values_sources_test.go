package integration

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// declaredConfig declares the repository of the test as the GitRepository config.
func declaredConfig(t *testing.T, ns string, files map[string]string) *v1beta1.GitRepository {
	t.Helper()
	url, err := world.git.Create(ns)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, ns, files)
	repository := &v1beta1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "config"},
		Spec: v1beta1.GitRepositorySpec{
			URL: url, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: often,
		},
	}
	apply(t, repository)
	return repository
}

// Values in files of Git and of a registry are followed: a change of one file is one upgrade, and a change of others is
// none, and writes nothing into the release.
func TestValuesOfSourcesAreFollowed(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	repository := declaredConfig(t, ns, map[string]string{
		"env/prod/10-base.yaml": "message: base\nextra: git\n", "env/prod/20-prod.yaml": "message: prod\n",
		"env/dev/10-base.yaml": "message: dev\n",
	})
	layer := func(content string) []byte {
		return chartArchive(t, "set", "1.0.0", map[string]string{"common.yaml": content})
	}
	pushLayer(t, world.registry, ns+"/config", archiveType, layer("message: common\nextra: oci\nshared: one\n"))
	shared := ociRepository(ns, "oci://"+world.registry.Host()+"/"+ns+"/config", nil)
	shared.Name = "shared"
	apply(t, shared)

	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{
		{Kind: v1beta1.OCIRepositoryKind, Name: "shared", Path: "set/common.yaml"},
		{Kind: v1beta1.GitRepositoryKind, Name: "config", Path: "env/prod/*.yaml"},
		{Kind: v1beta1.GitRepositoryKind, Name: "absent", Path: "values.yaml", Optional: true},
		{Kind: v1beta1.GitRepositoryKind, Name: "config", Path: "env/prod/secret/*.yaml", Optional: true},
	}
	apply(t, hr)
	awaitReady(t, hr)
	message := func(want string) func() bool {
		return func() bool { return configMap(t, ns, "web")["message"] == want }
	}
	if !message("prod")() {
		t.Errorf("the chart got the message %s", configMap(t, ns, "web")["message"])
	}
	until(t, "the release is verified", func() bool { return get(t, hr).Status.LastVerified != nil })

	settled := get(t, hr).ResourceVersion
	sha := commit(t, ns, map[string]string{"env/dev/10-base.yaml": "message: other\n", "README.md": "nothing"})
	until(t, "the commit of other files is fetched", func() bool {
		return strings.HasSuffix(get(t, repository).Status.Artifact.Revision, sha)
	})
	items, _ := originsOf(t, ns)
	expectItems(t, map[string]string{"message": items["message"]}, map[string]string{
		"message": "prod, GitRepository " + ns + "/config env/prod/20-prod.yaml at main@sha1:" + sha +
			" > GitRepository " + ns + "/config env/prod/10-base.yaml at main@sha1:" + sha +
			" > OCIRepository " + ns + "/shared set/common.yaml at " + get(t, shared).Status.Artifact.Revision +
			" > chart sample 1.0.0, since 1, unknown false",
	})
	if got := get(t, hr); got.ResourceVersion != settled || got.Status.Latest().Version != 1 {
		t.Errorf("a commit of other files changed the release: revision %d, %s", got.Status.Latest().Version,
			condition(t, hr, v1beta1.ReadyCondition).Message)
	}

	commit(t, ns, map[string]string{"env/prod/20-prod.yaml": "message: changed\n"})
	until(t, "the change in Git is rolled out", message("changed"))
	awaitReady(t, hr)
	pushLayer(t, world.registry, ns+"/config", archiveType, layer("message: common\nextra: oci\nshared: two\n"))
	until(t, "the change in the registry is rolled out", func() bool { return get(t, hr).Status.Latest().Version == 3 })
	awaitReady(t, hr)
	if got := get(t, hr).Status.Latest().Version; got != 3 {
		t.Errorf("there are %d revisions, want 3: one for each change", got)
	}

	commit(t, ns, map[string]string{"env/prod/20-prod.yaml": "message: [\n"})
	ready := awaitNotReady(t, hr, v1beta1.ValuesErrorReason)
	if !strings.Contains(ready.Message, "/config env/prod/20-prod.yaml at main@sha1:") ||
		!strings.Contains(ready.Message, "is not a YAML map (line") || !message("changed")() {
		t.Errorf("of a broken file it says %s", ready.Message)
	}
	commit(t, ns, map[string]string{"env/prod/20-prod.yaml": "", "env/prod/10-base.yaml": ""})
	until(t, "the files that are gone are reported", func() bool {
		return strings.Contains(condition(t, hr, v1beta1.ReadyCondition).Message, `no file matches "env/prod/*.yaml"`)
	})
	commit(t, ns, map[string]string{"env/prod/secret/x.yaml": "extra: optional\n", "env/prod/10-base.yaml": "message: back\n"})
	until(t, "the files that are there again are rolled out", message("back"))
	awaitReady(t, hr)
}

// render, diff and plan read values files from upstream, at the branch that is asked for.
func TestCommandsReadValuesOfSources(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	bucket(t, ns, map[string]string{"values/a.yaml": "message: bucket\n"})
	declaredConfig(t, ns, map[string]string{"values.yaml": "message: one\n"})
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{
		{Kind: v1beta1.BucketKind, Name: "fleet", Path: "values/*.yaml"},
		{Kind: v1beta1.GitRepositoryKind, Name: "config", Path: "values.yaml"},
	}
	apply(t, hr)
	awaitReady(t, hr)
	mustRun(t, "fairlead", "suspend", "release", "web", "-n", ns)
	sha, err := world.git.Commit(ns, "feature", map[string]string{"values.yaml": "message: feature\n"}, "change")
	if err != nil {
		t.Fatal(err)
	}
	says(t, compare(t, ns, 1, "--to-git", "feature"),
		"values are taken from GitRepository "+ns+"/config at feature@sha1:"+sha, "value message: one → feature")
	commit(t, ns, map[string]string{"values.yaml": "message: two\n"})
	says(t, compare(t, ns, 1, "--revision", "1..pending"), "value message: one → two")
	says(t, mustRun(t, "fairlead", "render", "release", "web", "-n", ns), "message: two")
	plan, _, code := command(t, "fairlead", "plan", "release", "web", "-n", ns)
	if code != 1 || !strings.Contains(plan, "two") {
		t.Errorf("plan exits with %d:\n%s", code, plan)
	}
	mustRun(t, "fairlead", "resume", "release", "web", "-n", ns)
	until(t, "the change is rolled out", func() bool { return configMap(t, ns, "web")["message"] == "two" })
}

// The API server refuses entries of valuesFrom whose fields do not go together.
func TestValuesReferencesAreChecked(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	for name, tt := range map[string]struct {
		reference v1beta1.ValuesReference
		says      string
	}{
		"a path":                  {v1beta1.ValuesReference{Kind: "GitRepository", Name: "a", Namespace: "b", Path: "a.yaml", Optional: true}, ""},
		"a key":                   {v1beta1.ValuesReference{Kind: "Secret", Name: "a", ValuesKey: "a", TargetPath: "a", Literal: true}, ""},
		"a source without a path": {v1beta1.ValuesReference{Kind: "Bucket", Name: "a"}, "path goes with the kinds GitRepository"},
		"a ConfigMap with a path": {v1beta1.ValuesReference{Kind: "ConfigMap", Name: "a", Path: "a"}, "path goes with the kinds"},
		"a Secret elsewhere":      {v1beta1.ValuesReference{Kind: "Secret", Name: "a", Namespace: "b"}, "namespace goes with the kinds"},
		"a file with a key": {v1beta1.ValuesReference{Kind: "OCIRepository", Name: "a", Path: "a", ValuesKey: "b"},
			"valuesKey, targetPath and literal go with"},
		"a file at a path": {v1beta1.ValuesReference{Kind: "OCIRepository", Name: "a", Path: "a", TargetPath: "b"},
			"valuesKey, targetPath and literal go with"},
		"a file taken literally": {v1beta1.ValuesReference{Kind: "OCIRepository", Name: "a", Path: "a", Literal: true},
			"valuesKey, targetPath and literal go with"},
		"a HelmRepository": {v1beta1.ValuesReference{Kind: "HelmRepository", Name: "a", Path: "a"}, "Unsupported value"},
	} {
		hr := release(ns, "checked", "sample", "*", "charts", "")
		hr.Spec.ValuesFrom = []v1beta1.ValuesReference{tt.reference}
		err := world.cluster.Client.Create(t.Context(), hr, client.DryRunAll)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v; want %q", name, err, tt.says)
		}
	}
}
