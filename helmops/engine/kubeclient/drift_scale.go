package kubeclient

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// Kinds of autoscalers.
var (
	horizontalPodAutoscaler = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}
	scaledObject            = schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}
)

// scaled names an object whose replicas an autoscaler sets.
type scaled struct {
	kind            schema.GroupKind
	namespace, name string
}

func scaledOf(info *resource.Info) scaled {
	return scaled{info.Mapping.GroupVersionKind.GroupKind(), info.Namespace, info.Name}
}

// scaledBy returns what the autoscalers among the objects scale.
func scaledBy(objects kube.ResourceList) map[scaled]bool {
	out := map[scaled]bool{}
	for _, info := range objects {
		content, ok := info.Object.(*unstructured.Unstructured)
		if !ok {
			continue
		}

		switch info.Mapping.GroupVersionKind.GroupKind() {
		case horizontalPodAutoscaler, scaledObject:
		default:
			continue
		}

		// A ScaledObject may leave out the kind; a HorizontalPodAutoscaler without one is refused by the API server.
		read := func(field, otherwise string) string {
			text, _, _ := unstructured.NestedString(content.Object, "spec", "scaleTargetRef", field)
			return cmp.Or(text, otherwise)
		}
		version, err := schema.ParseGroupVersion(read("apiVersion", "apps/v1"))
		if err == nil {
			out[scaled{version.WithKind(read("kind", "Deployment")).GroupKind(), info.Namespace, read("name", "")}] = true
		}
	}

	return out
}

// desired is what is to be applied to an object that exists.
type desired struct {
	body []byte
	// sum is of all that is wanted, whatever is left out of the body.
	sum uint64
	// autoscaled tells that the replicas are left out of the body, or are in it as they are.
	autoscaled bool
}

// autoscaled reports whether an autoscaler may set the replicas of an object: one of this manifest, or one that has set
// them already. One that leaves the release with this revision does no longer.
func (c *Client) autoscaled(info *resource.Info, already bool) bool {
	target := scaledOf(info)
	return c.scaled[target] || already && !c.unscaled[target]
}

// leaveReplicas leaves the replicas of an object that exists to its autoscaler. Where the release alone owns them,
// because the autoscaler has not moved them yet, leaving them out would set them to one; they are sent as they are.
// live may be nil.
func (c *Client) leaveReplicas(info *resource.Info, w desired, live *unstructured.Unstructured) (desired, error) {
	content := &unstructured.Unstructured{}
	if err := content.UnmarshalJSON(w.body); err != nil {
		return w, nil //nolint:nilerr // the API server says what is wrong with it
	}
	if _, has, _ := unstructured.NestedFieldNoCopy(content.Object, "spec", "replicas"); !has {
		return w, nil
	}

	if live == nil {
		var err error
		if live, err = c.live(info); apierrors.IsNotFound(err) {
			return w, nil
		} else if err != nil {
			return w, fmt.Errorf("reading the replicas of %s, which an autoscaler sets: %w", name(info), err)
		}
	}

	if !c.autoscaled(info, drift.Autoscaled(live)) {
		return w, nil
	}

	body, err := json.Marshal(drift.Ignored{}.WithReplicas().Trim(content.Object, live))
	return desired{body: body, sum: w.sum, autoscaled: true}, err
}

// withoutReplicas copies an object without them, for Helm's own way of writing: what neither revision has is left as it
// is.
func withoutReplicas(info *resource.Info) *resource.Info {
	if info == nil {
		return nil
	}

	content, ok := info.Object.(*unstructured.Unstructured)
	if !ok {
		return info
	}

	spec, ok := content.Object["spec"].(map[string]any)
	if !ok {
		return info
	}

	bare := &unstructured.Unstructured{Object: maps.Clone(content.Object)}
	spec = maps.Clone(spec)
	delete(spec, "replicas")
	bare.Object["spec"] = spec
	out := *info
	out.Object = bare
	return &out
}

// mayBeAutoscaled reports whether an autoscaler may have set the replicas of an object; the object itself tells for
// sure.
func mayBeAutoscaled(entry tracker.Entry) bool { return entry.Autoscaled }
