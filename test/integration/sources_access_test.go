package integration

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

func secretWith(ns, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Data: data}
}

func local(name string) *v1beta1.LocalObjectReference {
	return &v1beta1.LocalObjectReference{Name: name}
}

// change applies a change to an object that another client may be writing to.
func change[T client.Object](t *testing.T, object T, do func(T)) {
	t.Helper()
	patch := client.MergeFrom(object.DeepCopyObject().(T))
	do(object)
	if err := world.cluster.Client.Patch(t.Context(), object, patch); err != nil {
		t.Fatal(err)
	}
}

// A repository over SSH is followed; a host whose key changes is not trusted any more, and what is in the cache stays.
func TestGitOverSSH(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	if _, err := world.git.Create(ns); err != nil {
		t.Fatal(err)
	}
	sha := commit(t, ns, map[string]string{"a.yaml": settings("a", "one")})
	over, err := world.git.ServeSSH()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = over.Close() })
	key, err := over.NewKey("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	repository := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet"},
		Spec: v1beta1.GitRepositorySpec{
			URL: over.URL(ns), Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: often, SecretRef: local("key"),
		}}
	credentials := secretWith(ns, "key", map[string][]byte{"identity": key, "known_hosts": over.KnownHosts()})
	k := kustomization(ns, "apps", "")
	apply(t, credentials, repository, k)
	if ready := awaitNotReady(t, repository, v1beta1.AuthenticationFailedReason); !strings.Contains(ready.Message,
		"passphrase") {
		t.Errorf("the message does not say what is missing: %s", ready.Message)
	}
	credentials.Data["password"] = []byte("correct horse")
	apply(t, secretWith(ns, "key", credentials.Data))
	awaitApplied(t, k, sha)
	if !holds(t, ns, "a", "one") {
		t.Error("nothing was applied")
	}

	if err := over.ChangeHostKey(); err != nil {
		t.Fatal(err)
	}
	commit(t, ns, map[string]string{"a.yaml": settings("a", "two")})
	ready := awaitNotReady(t, repository, v1beta1.AuthenticationFailedReason)
	if !strings.Contains(ready.Message, "the host key has changed") ||
		!strings.Contains(ready.Message, sha+" stays in use") || strings.Contains(ready.Message, "correct horse") {
		t.Errorf("the message does not say what happened, and what stays: %s", ready.Message)
	}
	if !holds(t, ns, "a", "one") {
		t.Error("something of a host that is not trusted was applied")
	}
}

// An https repository with an authority of its own, that lets only some clients in.
func TestCertificatesOfAChartRepository(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	authority, err := servers.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	config, err := authority.Server(time.Now().Add(time.Hour), true)
	if err != nil {
		t.Fatal(err)
	}
	charts, err := servers.ChartRepository(servers.ChartOptions{Options: servers.Options{TLS: config}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = charts.Close() })
	if err := charts.Add(chartArchive(t, "sample", "1.0.0", nil)); err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	repository := helmRepository(ns, "charts", charts.URL())
	repository.Spec.CertSecretRef = local("tls")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, repository, hr)
	awaitNotReady(t, repository, v1beta1.AuthenticationFailedReason) // there is no Secret
	apply(t, secretWith(ns, "tls", map[string][]byte{"ca.crt": authority.PEM}))
	world.cluster.AwaitReadiness(t, repository, "the client certificate is missing", func(ready metav1.Condition) bool {
		return ready.Reason == v1beta1.FetchFailedReason && strings.Contains(ready.Message, "certificate required")
	})
	apply(t, secretWith(ns, "tls", map[string][]byte{"ca.crt": authority.PEM, "tls.crt": cert, "tls.key": key}))
	awaitVersion(t, hr, "1.0.0")

	// Certificates that do not fit together: what runs stays.
	apply(t, secretWith(ns, "tls",
		map[string][]byte{"ca.crt": authority.PEM, "tls.crt": cert, "tls.key": []byte("hunter2")}))
	ready := awaitNotReady(t, repository, v1beta1.AuthenticationFailedReason)
	if strings.Contains(ready.Message, "hunter2") || !strings.Contains(ready.Message, "not a PEM pair") {
		t.Errorf("message %s", ready.Message)
	}
	awaitReady(t, hr)
}

// What an artifact consists of: ignored files, directories, and what other repositories bring.
func TestContentOfAGitRepository(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	shared, err := world.git.Create(ns + "/shared")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, ns+"/shared", map[string]string{"base/b.yaml": settings("b", "one"), "other/c.yaml": settings("c", "one")})
	fleet(t, ns,
		map[string]string{
			"apps/a.yaml": settings("a", "one"), "apps/left.yaml": settings("left", "one"), "docs/d.yaml": "no: object\n",
			".sourceignore": "left.yaml\n",
		})
	library := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shared"},
		Spec: v1beta1.GitRepositorySpec{URL: shared, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: often}}
	repository := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet"}}
	k := kustomization(ns, "apps", "")
	apply(t, library)
	change(t, get(t, repository), func(r *v1beta1.GitRepository) {
		r.Spec.SparseCheckout = []string{"apps"}
		r.Spec.Include = []v1beta1.GitRepositoryInclude{
			{GitRepositoryRef: *local("shared"), FromPath: "base", ToPath: "apps/base"},
		}
	})
	apply(t, k)
	awaitReady(t, k)
	if !holds(t, ns, "a", "one") || !holds(t, ns, "b", "one") || !holds(t, ns, "left", "one") || !holds(t, ns, "c", "") {
		t.Error("the artifact does not consist of the directory and what is included")
	}
	commit(t, ns+"/shared", map[string]string{"base/b.yaml": settings("b", "two")})
	until(t, "what is included is followed", func() bool { return holds(t, ns, "b", "two") })
	if got := get(t, repository).Status.IncludedArtifacts; len(got) != 1 {
		t.Errorf("included are %v", got)
	}

	patterns := "/apps/left.yaml\n"
	change(t, get(t, repository), func(r *v1beta1.GitRepository) { r.Spec.Ignore = &patterns })
	until(t, "an ignored file is no longer applied", func() bool { return holds(t, ns, "left", "") })

	change(t, get(t, repository), func(r *v1beta1.GitRepository) { r.Spec.Include[0].GitRepositoryRef.Name = "gone" })
	if ready := awaitNotReady(t, get(t, repository), v1beta1.SourceNotFoundReason); !strings.Contains(ready.Message,
		"spec.include[0]") {
		t.Errorf("message %s", ready.Message)
	}
	if !holds(t, ns, "b", "two") {
		t.Error("what is applied does not stay")
	}
}

// Only signed commits are taken over.
func TestUnsignedCommitsAreNotTakenOver(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"a.yaml": settings("a", "one")})
	repository := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet"}}
	k := kustomization(ns, "apps", "")
	apply(t, k)
	awaitReady(t, k)
	apply(t, secretWith(ns, "authors",
		map[string][]byte{
			"team.sshpub": []byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2mehcPgfXK/XnP137+53iyKT3vj0y0uUdgNhfUvJ9d\n"),
		}))
	change(t, get(t, repository), func(r *v1beta1.GitRepository) {
		r.Spec.Verify = &v1beta1.GitRepositoryVerification{SecretRef: *local("authors")}
	})
	sha := commit(t, ns, map[string]string{"a.yaml": settings("a", "two")})
	world.cluster.AwaitReadiness(t, repository, "the commit is refused", func(ready metav1.Condition) bool {
		return ready.Reason == v1beta1.VerificationFailedReason &&
			strings.Contains(ready.Message, "commit "+sha+" is not signed")
	})
	if verified := condition(t, repository, v1beta1.SourceVerifiedCondition); verified.Status != metav1.ConditionFalse {
		t.Errorf("SourceVerified is %s", verified.Status)
	}
	if !holds(t, ns, "a", "one") {
		t.Error("an unsigned commit was applied")
	}
}

// A chart with the values of other files, from an index, a registry and Git.
func TestValuesFiles(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	files := map[string]string{"values-prod.yaml": "message: of production\n", "values-extra.yaml": "replicas: 2\n"}
	if _, err := world.registry.PushChart(t.Context(), ns, chartArchive(t, "sample", "1.0.0", files)); err != nil {
		t.Fatal(err)
	}
	charts, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = charts.Close() })
	if err := charts.Add(chartArchive(t, "sample", "1.0.0", files)); err != nil {
		t.Fatal(err)
	}
	gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	commit(t, ns, map[string]string{"environments/prod.yaml": "message: of production\nreplicas: 2\n"})
	apply(t, helmRepository(ns, "registry", "oci://"+world.registry.Host()+"/"+ns),
		helmRepository(ns, "index", charts.URL()))

	fromRegistry, fromIndex := release(ns, "registry", "sample", "*", "registry", ""), release(ns, "index", "sample", "*",
		"index", "")
	fromGit := gitRelease(ns, "git", "")
	fromGit.Spec.Chart.Spec.ValuesFiles = []string{"charts/sample/values.yaml", "environments/prod.yaml"}
	for _, hr := range []*v1beta1.HelmRelease{fromRegistry, fromIndex} {
		hr.Spec.Chart.Spec.ValuesFiles = []string{"values.yaml", "values-prod.yaml", "values-extra.yaml"}
	}
	plain := release(ns, "plain", "sample", "*", "registry", "")
	apply(t, fromRegistry, fromIndex, fromGit, plain)
	for _, hr := range []*v1beta1.HelmRelease{fromRegistry, fromIndex, fromGit, plain} {
		awaitVersion(t, hr, "1.0.0")
		message := get(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: hr.Name}}).Data["message"]
		if want := "of production"; (message == want) != (hr != plain) {
			t.Errorf("%s has the message %q", hr.Name, message)
		}
	}
	if a, b := env.Read(t, world.cluster, fromRegistry).Status.Latest().ChartDigest, env.Read(t, world.cluster,
		plain).Status.Latest().ChartDigest; a == b {
		t.Error("a chart with other values has the digest of the plain one")
	}

	change(t, get(t, fromIndex), func(hr *v1beta1.HelmRelease) {
		hr.Spec.Chart.Spec.ValuesFiles = []string{"values.yaml", "gone.yaml"}
	})
	ready := awaitNotReady(t, get(t, fromIndex), v1beta1.NotFoundReason)
	if !strings.Contains(ready.Message, `"gone.yaml" does not exist`) {
		t.Errorf("message %s", ready.Message)
	}
	change(t, get(t, fromIndex), func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.IgnoreMissingValuesFiles = true })
	until(t, "what is missing is left out", func() bool {
		return get(t,
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "index"}}).Data["message"] != "of production"
	})
}
