package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/stage"
)

// often is the interval of sources whose news a test waits for.
var often = &metav1.Duration{Duration: time.Second}

// namespace makes a namespace for the test and removes the releases in it afterwards.
func namespace(t *testing.T) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(t.Name()))
	name = strings.TrimRight(name[:min(len(name), 40)], "-")
	apply(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	t.Cleanup(func() { dumpOnFailure(t, name) })
	return name
}

func dumpOnFailure(t *testing.T, namespace string) {
	if !t.Failed() {
		return
	}
	releases := &v1beta1.HelmReleaseList{}
	if err := world.cluster.Client.List(context.Background(), releases, client.InNamespace(namespace)); err != nil {
		t.Log(err)
	}
	for _, hr := range releases.Items {
		t.Logf("HelmRelease %s: generation %d, %+v", hr.Name, hr.Generation, hr.Status)
	}
}

func apply(t *testing.T, objects ...client.Object) {
	t.Helper()
	if err := world.cluster.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
}

func get[T client.Object](t *testing.T, object T) T {
	t.Helper()
	if err := world.cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatal(err)
	}
	return object
}

func exists(t *testing.T, object client.Object) bool {
	t.Helper()
	err := world.cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	err := stage.Until(t.Context(), patience, what, func() (bool, error) { return ask(), nil })
	if err != nil {
		t.Fatal(err)
	}
}

// condition reads an object and returns one of its conditions, the zero value when it has none.
func condition(t *testing.T, object interface {
	client.Object
	v1beta1.Conditioned
}, kind string) metav1.Condition {
	t.Helper()
	get(t, object)
	if found := meta.FindStatusCondition(object.GetConditions(), kind); found != nil {
		return *found
	}
	return metav1.Condition{}
}

// awaitReady waits until an object is Ready at its current generation.
func awaitReady(t *testing.T, object interface {
	client.Object
	v1beta1.Conditioned
}) {
	t.Helper()
	var last metav1.Condition
	err := stage.Until(t.Context(), patience, "it is Ready", func() (bool, error) {
		last = condition(t, object, v1beta1.ReadyCondition)
		return last.Status == metav1.ConditionTrue && last.ObservedGeneration == object.GetGeneration(), nil
	})
	if err != nil {
		t.Fatalf("%s: %v; Ready is %s, %s: %s", object.GetName(), err, last.Status, last.Reason, last.Message)
	}
}

// awaitNotReady waits until an object says that it is not ready, at its current generation, and returns the condition.
func awaitNotReady(t *testing.T, object interface {
	client.Object
	v1beta1.Conditioned
}, reason string) metav1.Condition {
	t.Helper()
	var last metav1.Condition
	err := stage.Until(t.Context(), patience, "it is not Ready with reason "+reason, func() (bool, error) {
		last = condition(t, object, v1beta1.ReadyCondition)
		return last.Status == metav1.ConditionFalse && last.Reason == reason && last.ObservedGeneration == object.GetGeneration(), nil
	})
	if err != nil {
		t.Fatalf("%s: %v; Ready is %s, %s: %s", object.GetName(), err, last.Status, last.Reason, last.Message)
	}
	return last
}

// awaitVersion waits until a release is Ready with a version of its chart.
func awaitVersion(t *testing.T, hr *v1beta1.HelmRelease, version string) {
	t.Helper()
	err := stage.Until(t.Context(), patience, "it runs version "+version, func() (bool, error) {
		ready := condition(t, hr, v1beta1.ReadyCondition)
		latest := hr.Status.Latest()
		return ready.Status == metav1.ConditionTrue && latest != nil && latest.ChartVersion == version && latest.Status == "deployed", nil
	})
	if err != nil {
		t.Fatalf("%s: %v; status is %+v", hr.Name, err, hr.Status)
	}
}

// release declares a release of a chart from a HelmRepository.
func release(namespace, name, chart, version, repository string, values string) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1beta1.HelmReleaseSpec{Chart: &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{
			Chart: chart, Version: version, SourceRef: v1beta1.SourceReference{Kind: v1beta1.HelmRepositoryKind, Name: repository},
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
	root, err := stage.Root()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	c := exec.CommandContext(t.Context(), filepath.Join(root, "bin", name), args...)
	c.Env = append(os.Environ(), "KUBECONFIG="+world.cluster.Kubeconfig, "HELM_CACHE_HOME="+world.dir, "HELM_CONFIG_HOME="+world.dir)
	c.Stdout, c.Stderr = &out, &errs
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !isExit(err, &exit) {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func isExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}

// mustRun runs a program of bin/ that has to succeed.
func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, errs, code := command(t, name, args...)
	if code != 0 {
		t.Fatalf("%s %v ended with %d:\n%s%s", name, args, code, out, errs)
	}
	return out
}

func key(namespace, name string) string { return fmt.Sprintf("%s/%s", namespace, name) }
