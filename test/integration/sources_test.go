package integration

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// gitRepository makes a repository with the sample chart and declares it.
func gitRepository(t *testing.T, namespace, version string, ref *v1beta1.GitRepositoryRef) *v1beta1.GitRepository {
	t.Helper()
	url, err := world.git.Create(namespace)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, namespace, gitTree("sample", version, nil))
	repository := &v1beta1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "fleet"},
		Spec:       v1beta1.GitRepositorySpec{URL: url, Reference: ref, Interval: often},
	}
	apply(t, repository)
	return repository
}

func commit(t *testing.T, repository string, files map[string]string) string {
	t.Helper()
	sha, err := world.git.Commit(repository, "main", files, "change")
	if err != nil {
		t.Fatal(err)
	}
	return sha
}

// gitRelease declares a release of the chart in Git.
func gitRelease(namespace, name, strategy string) *v1beta1.HelmRelease {
	return &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1beta1.HelmReleaseSpec{Chart: &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{
			Chart: "./charts/sample", ReconcileStrategy: strategy,
			SourceRef: v1beta1.SourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet"},
		}}},
	}
}

func TestInstallFromGitAndFollowTheBranch(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	repository := gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	byVersion, byContent := gitRelease(ns, "by-version", ""), gitRelease(ns, "by-content",
		v1beta1.ReconcileStrategyRevision)
	apply(t, byVersion, byContent)
	awaitVersion(t, byVersion, "1.0.0")
	awaitVersion(t, byContent, "1.0.0")

	sha := commit(t, ns, map[string]string{"README.md": "nothing of the chart"})
	until(t, "the new commit is fetched", func() bool {
		return strings.HasSuffix(get(t, repository).Status.Artifact.Revision, sha)
	})
	commit(t, ns,
		map[string]string{"charts/sample/templates/extra.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n"})
	until(t, "the chart's content is followed", func() bool { return get(t, byContent).Status.Latest().Version == 2 })
	awaitReady(t, byContent)

	commit(t, ns, gitTree("sample", "1.1.0", map[string]string{"templates/extra.yaml": "# nothing\n"}))
	awaitVersion(t, byVersion, "1.1.0")
	awaitVersion(t, byContent, "1.1.0")
	if v := byVersion.Status.Latest().Version; v != 2 {
		t.Errorf("by version there are %d revisions, want 2: one for each version, none for other commits", v)
	}
	if v := byContent.Status.Latest().Version; v != 3 {
		t.Errorf("by content there are %d revisions, want 3: one for each content, none for the README", v)
	}
}

// A values file beside the chart is input: a release of the strategy ChartVersion follows it, while the chart stays at
// its version.
func TestValuesFilesOfGitAreFollowed(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	commit(t, ns, map[string]string{"env/values.yaml": "tier: first\n"})
	hr := gitRelease(ns, "by-version", "")
	hr.Spec.Chart.Spec.ValuesFiles = []string{"charts/sample/values.yaml", "env/values.yaml"}
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	revision := hr.Status.Latest().Version

	commit(t, ns, map[string]string{"env/values.yaml": "tier: second\n"})
	until(t, "the values file is followed", func() bool { return get(t, hr).Status.Latest().Version == revision+1 })
	awaitReady(t, hr)

	sha := commit(t, ns,
		map[string]string{"charts/sample/templates/extra.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n"})
	repository := &v1beta1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: hr.Spec.Chart.Spec.SourceRef.Name},
	}
	until(t, "the new commit is fetched", func() bool {
		return strings.HasSuffix(get(t, repository).Status.Artifact.Revision, sha)
	})
	awaitReady(t, hr)
	if v := get(t, hr).Status.Latest().Version; v != revision+1 {
		t.Errorf("revision %d followed a template of the same version", v)
	}

	origin := mustRun(t, "fairlead", "values", "release", hr.Name, "-n", ns, "--all", "--origin", "--key", "tier")
	says(t, origin, "charts/sample/values.yaml, env/values.yaml of chart sample 1.0.0 at main@sha1:"+sha)
}

func TestGitReferences(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	repository := gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	first := commit(t, ns, gitTree("sample", "1.0.1", nil))
	for _, tag := range []string{"v1.0.1", "v1.9.0-rc.1"} {
		if err := world.git.Tag(ns, tag, first, ""); err != nil {
			t.Fatal(err)
		}
	}
	second := commit(t, ns, gitTree("sample", "2.0.0", nil))
	if err := world.git.Tag(ns, "v2.0.0", second, ""); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		ref  v1beta1.GitRepositoryRef
		want string
	}{
		"a branch":    {v1beta1.GitRepositoryRef{Branch: "main"}, "main@sha1:" + second},
		"a tag":       {v1beta1.GitRepositoryRef{Tag: "v1.0.1"}, "v1.0.1@sha1:" + first},
		"a range":     {v1beta1.GitRepositoryRef{SemVer: "1.x"}, "v1.0.1@sha1:" + first},
		"a commit":    {v1beta1.GitRepositoryRef{Commit: first}, "sha1:" + first},
		"a reference": {v1beta1.GitRepositoryRef{Name: "refs/tags/v2.0.0"}, "refs/tags/v2.0.0@sha1:" + second},
	}
	for name, tt := range tests {
		ref := tt.ref
		repository.Spec.Reference = &ref
		apply(t, repository)
		until(t, name+" gives "+tt.want, func() bool {
			artifact := get(t, repository).Status.Artifact
			return artifact != nil && artifact.Revision == tt.want
		})
		awaitReady(t, repository)
	}
}

func ociRepository(namespace, url string, ref *v1beta1.OCIRepositoryRef) *v1beta1.OCIRepository {
	return &v1beta1.OCIRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "sample"},
		Spec:       v1beta1.OCIRepositorySpec{URL: url, Insecure: true, Reference: ref, Interval: often},
	}
}

func chartRef(namespace, name, kind, source string) *v1beta1.HelmRelease {
	return &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1beta1.HelmReleaseSpec{ChartRef: &v1beta1.ChartSourceReference{Kind: kind, Name: source}},
	}
}

func TestInstallFromAnOCIRepository(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	push(t, world.registry, ns, "sample", "1.0.0")
	pinned := push(t, world.registry, ns, "sample", "1.0.5")
	push(t, world.registry, ns, "sample", "2.0.0")
	repository := ociRepository(ns, "oci://"+world.registry.Host()+"/"+ns+"/sample",
		&v1beta1.OCIRepositoryRef{Tag: "1.0.0"})
	hr := chartRef(ns, "web", v1beta1.OCIRepositoryKind, "sample")
	apply(t, repository, hr)
	awaitVersion(t, hr, "1.0.0")

	repository.Spec.Reference = &v1beta1.OCIRepositoryRef{SemVer: ">=1.0.0", SemverFilter: `^1\.`}
	apply(t, repository)
	awaitVersion(t, hr, "1.0.5")
	if got, want := get(t, repository).Status.Artifact.Revision, "1.0.5@"+pinned; got != want {
		t.Errorf("revision %s, want %s", got, want)
	}

	repository.Spec.Reference = &v1beta1.OCIRepositoryRef{SemVer: "*"}
	apply(t, repository)
	awaitVersion(t, hr, "2.0.0")
	repository.Spec.Reference = &v1beta1.OCIRepositoryRef{Digest: pinned}
	apply(t, repository)
	awaitVersion(t, hr, "1.0.5")
	if got := hr.Status.Latest().ChartDigest; got != pinned {
		t.Errorf("chart digest %s, want %s", got, pinned)
	}
}

func TestInstallFromAHelmChart(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	chart := &v1beta1.HelmChart{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shared"},
		Spec: v1beta1.HelmChartSpec{Chart: "sample", Version: "1.x",
			SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"}},
	}
	one, two := chartRef(ns, "one", v1beta1.HelmChartKind, "shared"), chartRef(ns, "two", v1beta1.HelmChartKind, "shared")
	apply(t, one, two, chart)
	awaitVersion(t, one, "1.0.0")
	awaitVersion(t, two, "1.0.0")
	push(t, world.registry, ns, "sample", "1.1.0")
	awaitVersion(t, one, "1.1.0")
	awaitVersion(t, two, "1.1.0")
	if got := get(t, chart).Status.Artifact.Revision; got != "1.1.0" {
		t.Errorf("the HelmChart's revision is %s, want 1.1.0", got)
	}

	chart.Spec.Suspend = true
	apply(t, chart)
	push(t, world.registry, ns, "sample", "1.2.0")
	other := release(ns, "other", "sample", "1.x", "charts", "")
	apply(t, other)
	awaitVersion(t, other, "1.2.0")
	if got := get(t, chart).Status.Artifact.Revision; got != "1.1.0" {
		t.Errorf("a suspended HelmChart moved to %s", got)
	}
}

func basicSecret(namespace, user, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "login"},
		Data:       map[string][]byte{"username": []byte(user), "password": []byte(password)},
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	if _, err := world.private.PushChart(t.Context(), ns, chartArchive(t, "sample", "1.0.0", nil)); err != nil {
		t.Fatal(err)
	}
	charts := chartRepository(t, servers.ChartOptions{Options: servers.Options{Username: user, Password: password}},
		"sample", "1.0.0")
	git, err := servers.GitServer(t.TempDir(), servers.Options{Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = git.Close() })
	gitURL, err := git.Create("fleet")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := git.Commit("fleet", "main", gitTree("sample", "1.0.0", nil), "first"); err != nil {
		t.Fatal(err)
	}
	secretRef := &v1beta1.LocalObjectReference{Name: "login"}
	http := helmRepository(ns, "http", charts.URL())
	registry := helmRepository(ns, "registry", "oci://"+world.private.Host()+"/"+ns)
	oci := ociRepository(ns, "oci://"+world.private.Host()+"/"+ns+"/sample", &v1beta1.OCIRepositoryRef{Tag: "1.0.0"})
	repository := &v1beta1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet"},
		Spec: v1beta1.GitRepositorySpec{
			URL: gitURL, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: often,
		},
	}
	http.Spec.SecretRef, registry.Spec.SecretRef, oci.Spec.SecretRef, repository.Spec.SecretRef = secretRef, secretRef,
		secretRef, secretRef

	// The Secret is missing at first, then wrong, then right: each time the objects notice by themselves.
	apply(t, http, registry, oci, repository, release(ns, "web", "sample", "*", "registry", ""))
	for _, source := range []v1beta1.Source{http, oci, repository} {
		object := source.(conditioned)
		if got := awaitNotReady(t, object, v1beta1.AuthenticationFailedReason); !strings.Contains(got.Message,
			"Secret "+key(ns, "login")) {
			t.Errorf("%s does not name the missing Secret: %s", object.GetName(), got.Message)
		}
	}
	const wrong = "not-the-password"
	apply(t, basicSecret(ns, user, wrong))
	for _, source := range []v1beta1.Source{http, oci, repository, registry} {
		object := source.(conditioned)
		until(t, object.GetName()+" says that the credentials are refused", func() bool {
			ready := condition(t, object, v1beta1.ReadyCondition)
			if strings.Contains(ready.Message, wrong) {
				t.Fatalf("%s shows the password: %s", object.GetName(), ready.Message)
			}
			return ready.Reason == v1beta1.AuthenticationFailedReason && !strings.Contains(ready.Message, "does not exist")
		})
	}
	apply(t, basicSecret(ns, user, password))
	for _, source := range []v1beta1.Source{http, oci, repository, registry} {
		awaitReady(t, source.(conditioned))
	}
	awaitReady(t, release(ns, "web", "", "", "", ""))

	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, world.private.Host(),
		base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	apply(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "docker"},
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(config)}})
	oci.Spec.SecretRef = &v1beta1.LocalObjectReference{Name: "docker"}
	apply(t, oci)
	awaitReady(t, oci)
}

// A chart whose index gives no digest is fetched once to know it.
func TestAnIndexWithoutDigests(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{NoDigests: true}, "sample", "1.0.0")
	apply(t, helmRepository(ns, "charts", charts.URL()))
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	if hr.Status.Latest().ChartDigest == "" {
		t.Error("the chart has no digest")
	}
}

// A source that has not changed costs no write, and of an index only the news are asked for.
func TestAnUnchangedSourceIsLeftAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.0.0")
	repository := helmRepository(ns, "charts", charts.URL())
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, repository, hr)
	awaitReady(t, repository)
	awaitReady(t, hr)
	version, releaseVersion := get(t, repository).ResourceVersion, get(t, hr).ResourceVersion
	charts.Forget()
	until(t, "it is polled a few times more", func() bool { return len(charts.Seen()) >= 3 })
	for _, request := range charts.Seen() {
		if request != "GET /index.yaml" {
			t.Errorf("request %s", request)
		}
	}
	if got := get(t, repository).ResourceVersion; got != version {
		t.Error("the HelmRepository was written although nothing changed")
	}
	if got := get(t, hr).ResourceVersion; got != releaseVersion {
		t.Error("the HelmRelease was written although nothing changed")
	}
}
