package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

func keys(namespace, secretKey string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "keys"},
		Data:       map[string][]byte{"accesskey": []byte(servers.AccessKey), "secretkey": []byte(secretKey)},
	}
}

// bucket makes a bucket of the test's own with objects, and declares it.
func bucket(t *testing.T, ns string, objects map[string]string) *v1beta1.Bucket {
	t.Helper()
	if err := world.buckets.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	put(t, ns, objects)
	b := &v1beta1.Bucket{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet"},
		Spec: v1beta1.BucketSpec{
			Endpoint: world.buckets.Host(), BucketName: ns, Insecure: true, Interval: often,
			SecretRef: &v1beta1.LocalObjectReference{Name: "keys"},
		},
	}
	apply(t, keys(ns, servers.SecretKey), b)
	return b
}

func put(t *testing.T, bucket string, objects map[string]string) {
	t.Helper()
	if err := world.buckets.Put(t.Context(), bucket, objects); err != nil {
		t.Fatal(err)
	}
}

// What is put into the bucket is applied, what is ignored is not, and what is removed is deleted.
func TestTheClusterFollowsABucket(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	b := bucket(t, ns, map[string]string{
		"apps/a.yaml": settings("a", "one"), "apps/b.yaml": settings("b", "one"), "apps/draft.yaml": settings("draft", "one"),
		".sourceignore": "draft.yaml\n",
	})
	k := kustomization(ns, "apps", "./apps", func(s *v1beta1.KustomizationSpec) { s.SourceRef.Kind = v1beta1.BucketKind })
	apply(t, k)
	awaitReady(t, k)
	if !holds(t, ns, "a", "one") || !holds(t, ns, "b", "one") || !holds(t, ns, "draft", "") {
		t.Error("it is Ready, but what is there is not what is not ignored")
	}
	if got, want := k.Status.LastAppliedRevision, get(t, b).Status.Artifact.Revision; got != want {
		t.Errorf("applied revision %s, the bucket has %s", got, want)
	}
	put(t, ns, map[string]string{"apps/a.yaml": settings("a", "two")})
	until(t, "the change is applied", func() bool { return holds(t, ns, "a", "two") })
	if err := world.buckets.Delete(t.Context(), ns, "apps/b.yaml"); err != nil {
		t.Fatal(err)
	}
	until(t, "what was removed is deleted", func() bool { return holds(t, ns, "b", "") })
	nothing := "/apps/a.yaml"
	b.Spec.Ignore = &nothing
	apply(t, b)
	until(t, "the patterns of the spec count instead", func() bool {
		return holds(t, ns, "draft", "one") && holds(t, ns, "a", "")
	})
}

func TestInstallChartsFromABucket(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	b := bucket(t, ns, gitTree("sample", "1.0.0", nil))
	byVersion, byContent := gitRelease(ns, "by-version", ""), gitRelease(ns, "by-content",
		v1beta1.ReconcileStrategyRevision)
	byVersion.Spec.Chart.Spec.SourceRef.Kind, byContent.Spec.Chart.Spec.SourceRef.Kind = v1beta1.BucketKind,
		v1beta1.BucketKind
	chart := &v1beta1.HelmChart{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shared"},
		Spec: v1beta1.HelmChartSpec{
			Chart: "charts/sample", SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.BucketKind, Name: "fleet"},
		},
	}
	shared := chartRef(ns, "shared", v1beta1.HelmChartKind, "shared")
	apply(t, byVersion, byContent, chart, shared)
	awaitVersion(t, byVersion, "1.0.0")
	awaitVersion(t, byContent, "1.0.0")
	awaitVersion(t, shared, "1.0.0")

	put(t, ns,
		map[string]string{
			"charts/sample/templates/extra.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}-extra\"}\n",
		})
	until(t, "the chart's content is followed", func() bool { return get(t, byContent).Status.Latest().Version == 2 })
	put(t, ns, map[string]string{"README.md": "nothing of the chart"})
	before := get(t, b).Status.Artifact.Revision
	put(t, ns, gitTree("sample", "1.1.0", nil))
	awaitVersion(t, byVersion, "1.1.0")
	awaitVersion(t, byContent, "1.1.0")
	awaitVersion(t, shared, "1.1.0")
	if get(t, b).Status.Artifact.Revision == before {
		t.Error("the revision is the same with other content")
	}
	if v := byVersion.Status.Latest().Version; v != 2 {
		t.Errorf("by version there are %d revisions, want 2", v)
	}
	if got := get(t, chart).Status.Artifact.Revision; got != "1.1.0" {
		t.Errorf("the HelmChart's revision is %s, want 1.1.0", got)
	}
}

// With wrong keys, and without the bucket, the source says so and keeps serving what it has.
func TestABucketThatFailsKeepsItsArtifact(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	b := bucket(t, ns, map[string]string{"apps/a.yaml": settings("a", "one")})
	k := kustomization(ns, "apps", "./apps", func(s *v1beta1.KustomizationSpec) { s.SourceRef.Kind = v1beta1.BucketKind })
	apply(t, k)
	awaitReady(t, k)
	had := *get(t, b).Status.Artifact

	const wrong = "not-the-secret-key"
	apply(t, keys(ns, wrong))
	ready := awaitNotReady(t, b, v1beta1.AuthenticationFailedReason)
	if !strings.Contains(ready.Message, "access refused: 403 forbidden") {
		t.Errorf("the message is %s", ready.Message)
	}
	for _, secret := range []string{wrong, servers.AccessKey, "Signature="} {
		if strings.Contains(ready.Message, secret) {
			t.Errorf("the message shows %q: %s", secret, ready.Message)
		}
	}
	if got := get(t, b).Status.Artifact; got == nil || !got.HasRevision(had.Revision, had.Digest) {
		t.Errorf("the artifact is %v, it was %v", got, had)
	}
	other := kustomization(ns, "other", "./apps", func(s *v1beta1.KustomizationSpec) {
		s.SourceRef.Kind, s.NamePrefix = v1beta1.BucketKind, "other-"
	})
	apply(t, other)
	awaitReady(t, other)
	apply(t, keys(ns, servers.SecretKey))
	awaitReady(t, b)

	b.Spec.BucketName = "no-such-" + ns
	apply(t, b)
	awaitNotReady(t, b, v1beta1.NotFoundReason)
	b.Spec.BucketName, b.Spec.SecretRef = ns, &v1beta1.LocalObjectReference{Name: "nobody"}
	apply(t, b)
	if got := awaitNotReady(t, b, v1beta1.AuthenticationFailedReason); !strings.Contains(got.Message,
		"Secret "+key(ns, "nobody")) {
		t.Errorf("the message does not name the missing Secret: %s", got.Message)
	}
}

// A bucket that has not changed costs one list for each poll, and no write.
func TestAnUnchangedBucketIsLeftAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	b := bucket(t, ns, map[string]string{"apps/a.yaml": settings("a", "one")})
	k := kustomization(ns, "apps", "./apps", func(s *v1beta1.KustomizationSpec) { s.SourceRef.Kind = v1beta1.BucketKind })
	apply(t, k)
	awaitReady(t, b)
	awaitReady(t, k)
	until(t, "health is reported", func() bool {
		return condition(t, k, v1beta1.HealthyCondition).Status == metav1.ConditionTrue
	})
	before, applied := get(t, b).ResourceVersion, get(t, k).ResourceVersion
	asked := func() (all []string) {
		for _, request := range world.buckets.Seen() {
			if strings.Contains(request, " /"+ns+"/") {
				all = append(all, request)
			}
		}
		return all
	}
	start := len(asked())
	until(t, "it is polled a few times more", func() bool { return len(asked()) >= start+3 })
	for _, request := range asked()[start:] {
		if request != "GET /"+ns+"/" {
			t.Errorf("request %s", request)
		}
	}
	if get(t, b).ResourceVersion != before || get(t, k).ResourceVersion != applied {
		t.Error("something was written although nothing changed")
	}
}
