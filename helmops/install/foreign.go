package install

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
)

// maxForeign is how many objects of others are named.
const maxForeign = 3

// foreign names objects in the namespace of Fairlead that would go with it and are not its own, for example records of Helm releases.
func (s *Site) foreign(ctx context.Context) ([]string, error) {
	resources, err := s.cluster.NamespacedResources(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking which kinds the cluster knows: %w", err)
	}

	var out []string
	for _, resource := range resources {
		if ephemeral[resource.GroupResource()] {
			continue
		}

		list, err := s.as.Metadata().Resource(resource).Namespace(Namespace).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s in namespace %s, which is deleted only when others have nothing in it: %w", resource.Resource, Namespace, err)
		}

		for i := range list.Items {
			if object := &list.Items[i]; !isOwn(resource.GroupResource(), object) {
				out = append(out, resource.Resource+" "+object.Name)
			}
			if len(out) == maxForeign {
				return out, nil
			}
		}
	}

	return out, nil
}

// ephemeral resources are no loss.
var ephemeral = map[schema.GroupResource]bool{
	{Resource: "events"}: true, {Group: "events.k8s.io", Resource: "events"}: true,
	{Group: "coordination.k8s.io", Resource: "leases"}: true,
	{Resource: "endpoints"}:                            true, {Group: "discovery.k8s.io", Resource: "endpointslices"}: true,
}

// isOwn reports whether an object was made by us, by Kubernetes for every namespace, or for another object.
func isOwn(resource schema.GroupResource, o *metav1.PartialObjectMetadata) bool {
	switch {
	case resource == schema.GroupResource{Resource: "configmaps"} && o.Name == "kube-root-ca.crt",
		resource == schema.GroupResource{Resource: "serviceaccounts"} && o.Name == "default":
		return true
	case len(o.OwnerReferences) > 0, o.DeletionTimestamp != nil, o.Labels["app.kubernetes.io/name"] == "fairlead":
		return true
	default:
		return o.Labels[v1beta1.KustomizationNameLabel] == Root && o.Labels[v1beta1.KustomizationNamespaceLabel] == Namespace
	}
}
