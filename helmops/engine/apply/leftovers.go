package apply

import (
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/resource"
)

// Update implements kube.Interface. Helm compares what is wanted with the last revision that was deployed. What a failed
// revision after that one has left behind, fields as well as objects, would stay for ever: a wrong argument of a container,
// for example, would survive the release that takes it out. So the failed revisions are taken as what was there, too, one
// after the other, before Helm's own comparison.
func (c *Client) Update(original, target kube.ResourceList, force bool) (*kube.Result, error) {
	var created kube.ResourceList
	for _, manifest := range c.leftovers {
		former, err := c.Build(strings.NewReader(manifest), false)
		if err != nil {
			continue // it has kinds that the cluster does not know; nothing of it was applied
		}
		if former, err = c.ours(former, target); err != nil {
			return &kube.Result{Created: created}, err
		}
		// Helm puts what the API server answers into the target, which must stay what is wanted.
		result, err := c.Client.Update(former, copyOf(target), force)
		if result != nil {
			created = append(created, result.Created...)
		}
		if err != nil {
			return &kube.Result{Created: created}, err
		}
	}
	result, err := c.Client.Update(original, target, force)
	if result == nil {
		result = &kube.Result{} // Helm reads it also after an error
	}
	result.Created = append(created, result.Created...)
	return result, err
}

// Annotations by which Helm marks the objects of a release.
const (
	releaseNameAnnotation      = "meta.helm.sh/release-name"
	releaseNamespaceAnnotation = "meta.helm.sh/release-namespace"
)

// ours drops the objects that would be deleted although they are not the release's: a failed revision may never have come
// to making them, and somebody else may have since.
func (c *Client) ours(former, target kube.ResourceList) (kube.ResourceList, error) {
	var failed error
	kept := former.Filter(func(info *resource.Info) bool {
		if target.Contains(info) {
			return true
		}
		live, err := resource.NewHelper(info.Client, info.Mapping).Get(info.Namespace, info.Name)
		if apierrors.IsNotFound(err) {
			return false
		}
		if err != nil {
			failed = fmt.Errorf("reading %s, which a failed revision may have left: %w", name(info), err)
			return false
		}
		annotations, err := meta.NewAccessor().Annotations(live)
		return err == nil && annotations[releaseNameAnnotation] == c.release && annotations[releaseNamespaceAnnotation] == c.Namespace
	})
	return kept, failed
}

func copyOf(resources kube.ResourceList) kube.ResourceList {
	out := make(kube.ResourceList, len(resources))
	for i, info := range resources {
		own := &resource.Info{
			Client: info.Client, Mapping: info.Mapping, Namespace: info.Namespace, Name: info.Name, Source: info.Source,
			ResourceVersion: info.ResourceVersion,
		}
		if info.Object != nil {
			own.Object = info.Object.DeepCopyObject()
		}
		out[i] = own
	}
	return out
}
