package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// often is the interval of sources whose news a test waits for.
var often = &metav1.Duration{Duration: time.Second}

// namespace makes a namespace for the test.
func namespace(t *testing.T) string {
	t.Helper()
	return world.cluster.Namespace(t)
}

func apply(t *testing.T, objects ...client.Object) {
	t.Helper()
	world.cluster.MustApply(t, objects...)
}

func get[T client.Object](t *testing.T, object T) T {
	t.Helper()
	return env.Read(t, world.cluster, object)
}

func exists(t *testing.T, object client.Object) bool {
	t.Helper()
	return world.cluster.Exists(t, object)
}

// remove deletes an object and does not wait for it to go.
func remove(t *testing.T, object client.Object) {
	t.Helper()
	if err := world.cluster.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	env.Await(t, what, ask)
}

// condition reads an object and returns one of its conditions, the zero value when it has none.
func condition(t *testing.T, object env.Conditioned, kind string) metav1.Condition {
	t.Helper()
	return env.Condition(get(t, object), kind)
}

// awaitReady waits until an object is Ready at its current generation.
func awaitReady(t *testing.T, object env.Conditioned) {
	t.Helper()
	world.cluster.AwaitReady(t, object)
}

// awaitNotReady waits until an object says that it is not ready, at its current generation, and returns the condition.
func awaitNotReady(t *testing.T, object env.Conditioned, reason string) metav1.Condition {
	t.Helper()
	return world.cluster.AwaitReadiness(t, object, "it is not Ready with reason "+reason,
		func(ready metav1.Condition) bool {
			return ready.Status == metav1.ConditionFalse && ready.Reason == reason &&
				ready.ObservedGeneration == object.GetGeneration()
		})
}

// awaitVersion waits until a release is Ready with a version of its chart.
func awaitVersion(t *testing.T, hr *v1beta1.HelmRelease, version string) {
	t.Helper()
	world.cluster.AwaitReadiness(t, hr, "it runs version "+version, func(ready metav1.Condition) bool {
		latest := hr.Status.Latest()
		return ready.Status == metav1.ConditionTrue && latest != nil && latest.ChartVersion == version &&
			latest.Status == "deployed"
	})
}

// release declares a release of a chart from a HelmRepository.
func release(namespace, name, chart, version, repository string, values string) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1beta1.HelmReleaseSpec{Chart: &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{
			Chart: chart, Version: version,
			SourceRef: v1beta1.SourceReference{Kind: v1beta1.HelmRepositoryKind, Name: repository},
		}}},
	}
	return withValues(hr, values)
}

func withValues(hr *v1beta1.HelmRelease, values string) *v1beta1.HelmRelease {
	hr.Spec.Values = nil
	if values != "" {
		hr.Spec.Values = &runtime.RawExtension{Raw: []byte(values)}
	}
	return hr
}

// helmRepository declares a repository with an index, or a registry when the URL says so.
func helmRepository(namespace, name, url string) *v1beta1.HelmRepository {
	repository := &v1beta1.HelmRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1beta1.HelmRepositorySpec{URL: url, Interval: often},
	}
	if strings.HasPrefix(url, "oci://") {
		repository.Spec.Type, repository.Spec.Insecure = v1beta1.HelmRepositoryTypeOCI, true
	}
	return repository
}

// registrySample pushes the sample chart to a repository of the test's own and declares it.
func registrySample(t *testing.T, namespace string, versions ...string) *v1beta1.HelmRepository {
	t.Helper()
	for _, version := range versions {
		push(t, world.registry, namespace, "sample", version)
	}
	repository := helmRepository(namespace, "charts", "oci://"+world.registry.Host()+"/"+namespace)
	apply(t, repository)
	return repository
}

func configMap(t *testing.T, namespace, name string) map[string]string {
	t.Helper()
	return get(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}).Data
}

// command runs a program of bin/ against the cluster and returns what it prints and its exit code.
func command(t *testing.T, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return world.cluster.Run(t, name, args...)
}

// mustRun runs a program of bin/ that has to succeed.
func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	return world.cluster.MustRun(t, name, args...)
}

func key(namespace, name string) string { return fmt.Sprintf("%s/%s", namespace, name) }
