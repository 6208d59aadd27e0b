package kubeclient

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// secretKind is that of objects of which no value may be quoted.
var secretKind = schema.GroupKind{Kind: "Secret"}

func isSecret(info *resource.Info) bool {
	return info.Mapping.GroupVersionKind.GroupKind() == secretKind
}

// reworded is what the API server says of an object, without the values of a Secret.
func reworded(info *resource.Info, err error) error {
	return ssa.RewordedIn(err, isSecret(info), contentOf(info))
}

// contentOf is an object as a tree, nil when that is not known.
func contentOf(info *resource.Info) map[string]any {
	content, ok := info.Object.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	return content.Object
}

// noteSecret passes on a Secret, whose content no text may quote.
func (c *Client) noteSecret(content *unstructured.Unstructured) {
	if c.options.Secret != nil && content.GetKind() == secretKind.Kind && content.GetAPIVersion() == "v1" {
		c.options.Secret(content.Object)
	}
}
