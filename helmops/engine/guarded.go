package engine

import (
	"io"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// Helm installs and upgrades in goroutines of its own, which nothing outside of them can guard: a panic in what Helm
// calls there would end the process. So each call from Helm is guarded, and its panic becomes the error of the call.

// guardedClient is the client of an action as Helm gets it.
type guardedClient struct{ *kubeclient.Client }

var (
	_ kube.Interface                    = guardedClient{}
	_ kube.InterfaceExt                 = guardedClient{}
	_ kube.InterfaceThreeWayMerge       = guardedClient{}
	_ kube.InterfaceLogs                = guardedClient{}
	_ kube.InterfaceDeletionPropagation = guardedClient{}
	_ kube.InterfaceResources           = guardedClient{}
)

// guarded runs one call from Helm.
func guarded[T any](call func() (T, error)) (result T, err error) {
	err = guard.Do("running a Helm action", func() error {
		result, err = call()
		return err
	})
	return result, err
}

// guardedAll runs one call from Helm that can have several errors.
func guardedAll[T any](call func() (T, []error)) (result T, failed []error) {
	err := guard.Do("running a Helm action", func() error {
		result, failed = call()
		return nil
	})
	if err != nil {
		failed = append(failed, err)
	}
	return result, failed
}

func guardedErr(call func() error) error { return guard.Do("running a Helm action", call) }

// Create implements kube.Interface.
func (c guardedClient) Create(resources kube.ResourceList) (*kube.Result, error) {
	return guarded(func() (*kube.Result, error) { return c.Client.Create(resources) })
}

// Wait implements kube.Interface.
func (c guardedClient) Wait(resources kube.ResourceList, timeout time.Duration) error {
	return guardedErr(func() error { return c.Client.Wait(resources, timeout) })
}

// WaitWithJobs implements kube.Interface.
func (c guardedClient) WaitWithJobs(resources kube.ResourceList, timeout time.Duration) error {
	return guardedErr(func() error { return c.Client.WaitWithJobs(resources, timeout) })
}

// Delete implements kube.Interface.
func (c guardedClient) Delete(resources kube.ResourceList) (*kube.Result, []error) {
	return guardedAll(func() (*kube.Result, []error) { return c.Client.Delete(resources) })
}

// DeleteWithPropagationPolicy implements kube.InterfaceDeletionPropagation.
func (c guardedClient) DeleteWithPropagationPolicy(
	resources kube.ResourceList, policy metav1.DeletionPropagation,
) (*kube.Result, []error) {
	return guardedAll(func() (*kube.Result, []error) { return c.Client.DeleteWithPropagationPolicy(resources, policy) })
}

// WatchUntilReady implements kube.Interface.
func (c guardedClient) WatchUntilReady(resources kube.ResourceList, timeout time.Duration) error {
	return guardedErr(func() error { return c.Client.WatchUntilReady(resources, timeout) })
}

// Update implements kube.Interface.
func (c guardedClient) Update(original, target kube.ResourceList, force bool) (*kube.Result, error) {
	return guarded(func() (*kube.Result, error) { return c.Client.Update(original, target, force) })
}

// UpdateThreeWayMerge implements kube.InterfaceThreeWayMerge.
func (c guardedClient) UpdateThreeWayMerge(original, target kube.ResourceList, force bool) (*kube.Result, error) {
	return guarded(func() (*kube.Result, error) { return c.Client.UpdateThreeWayMerge(original, target, force) })
}

// Build implements kube.Interface.
func (c guardedClient) Build(manifest io.Reader, validate bool) (kube.ResourceList, error) {
	return guarded(func() (kube.ResourceList, error) { return c.Client.Build(manifest, validate) })
}

// BuildTable implements kube.InterfaceResources.
func (c guardedClient) BuildTable(manifest io.Reader, validate bool) (kube.ResourceList, error) {
	return guarded(func() (kube.ResourceList, error) { return c.Client.BuildTable(manifest, validate) })
}

// Get implements kube.InterfaceResources.
func (c guardedClient) Get(resources kube.ResourceList, related bool) (map[string][]runtime.Object, error) {
	return guarded(func() (map[string][]runtime.Object, error) { return c.Client.Get(resources, related) })
}

// WaitAndGetCompletedPodPhase implements kube.Interface.
func (c guardedClient) WaitAndGetCompletedPodPhase(name string, timeout time.Duration) (corev1.PodPhase, error) {
	return guarded(func() (corev1.PodPhase, error) { return c.Client.WaitAndGetCompletedPodPhase(name, timeout) })
}

// IsReachable implements kube.Interface.
func (c guardedClient) IsReachable() error { return guardedErr(c.Client.IsReachable) }

// WaitForDelete implements kube.InterfaceExt.
func (c guardedClient) WaitForDelete(resources kube.ResourceList, timeout time.Duration) error {
	return guardedErr(func() error { return c.Client.WaitForDelete(resources, timeout) })
}

// GetPodList implements kube.InterfaceLogs.
func (c guardedClient) GetPodList(namespace string, options metav1.ListOptions) (*corev1.PodList, error) {
	return guarded(func() (*corev1.PodList, error) { return c.Client.GetPodList(namespace, options) })
}

// OutputContainerLogsForPodList implements kube.InterfaceLogs.
func (c guardedClient) OutputContainerLogsForPodList(
	pods *corev1.PodList, namespace string, writer func(namespace, pod, container string) io.Writer,
) error {
	return guardedErr(func() error { return c.Client.OutputContainerLogsForPodList(pods, namespace, writer) })
}

// guardedDriver is the storage of an action as Helm gets it.
type guardedDriver struct{ driver.Driver }

// Create implements driver.Driver.
func (d guardedDriver) Create(key string, rel *release.Release) error {
	return guardedErr(func() error { return d.Driver.Create(key, rel) })
}

// Update implements driver.Driver.
func (d guardedDriver) Update(key string, rel *release.Release) error {
	return guardedErr(func() error { return d.Driver.Update(key, rel) })
}

// Delete implements driver.Driver.
func (d guardedDriver) Delete(key string) (*release.Release, error) {
	return guarded(func() (*release.Release, error) { return d.Driver.Delete(key) })
}

// Get implements driver.Driver.
func (d guardedDriver) Get(key string) (*release.Release, error) {
	return guarded(func() (*release.Release, error) { return d.Driver.Get(key) })
}

// List implements driver.Driver.
func (d guardedDriver) List(filter func(*release.Release) bool) ([]*release.Release, error) {
	return guarded(func() ([]*release.Release, error) { return d.Driver.List(filter) })
}

// Query implements driver.Driver.
func (d guardedDriver) Query(labels map[string]string) ([]*release.Release, error) {
	return guarded(func() ([]*release.Release, error) { return d.Driver.Query(labels) })
}
