package kubeclient

import (
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/keep"
)

// PreviewKept returns which objects of the former manifest an update to the latter would keep. It changes nothing.
func (c *Client) PreviewKept(former, latter string) ([]v1beta1.KeptObject, error) {
	original, err := c.Build(strings.NewReader(former), false)
	if err != nil {
		return nil, fmt.Errorf("building the objects of the deployed revision: %w", err)
	}

	var out []v1beta1.KeptObject
	target, err := c.Build(strings.NewReader(latter), false)
	if err != nil {
		target = nil // it brings kinds that the cluster does not know yet
	}

	unwanted := original.Difference(target)
	for _, info := range unwanted {
		if !keep.Holds(kindAlone(info)) {
			continue
		}

		live, err := c.live(info)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s, which is no longer in the chart: %w", name(info), err)
		}

		if verdict := c.verdict(info, live, target, among(unwanted)); verdict.Keep {
			kind := kindAlone(info)
			out = append(out, v1beta1.KeptObject{
				Group: kind.Group, Kind: kind.Kind, Namespace: info.Namespace, Name: info.Name, Reason: verdict.Reason,
			})
		}
	}

	return out, nil
}

// among reports whether an object is one of a list that is deleted and does not stay by itself.
func among(list kube.ResourceList) goes {
	return func(of schema.GroupResource, namespace, name string) bool {
		return slices.ContainsFunc(list, func(info *resource.Info) bool {
			return info.Mapping.Resource.GroupResource() == of && info.Namespace == namespace && info.Name == name &&
				kindAlone(info) != keep.Claim && !staysByPolicy(info)
		})
	}
}

func staysByPolicy(info *resource.Info) bool {
	content, ok := info.Object.(*unstructured.Unstructured)
	return ok && content.GetAnnotations()[resourcePolicyAnnotation] == keepPolicy
}

// Data returns which of the objects of the release hold data of users, with what they hold.
func (c *Client) Data(refs []v1beta1.ResourceRef) ([]v1beta1.KeptObject, error) {
	own := func(of schema.GroupResource, namespace, name string) bool {
		return slices.ContainsFunc(refs, func(ref v1beta1.ResourceRef) bool {
			in, named, group, kind, _ := ref.Split()
			mapping, err := c.mapper.RESTMapping(schema.GroupKind{Group: group, Kind: kind})
			return err == nil && mapping.Resource.GroupResource() == of && in == namespace && named == name
		})
	}
	var out []v1beta1.KeptObject
	for _, ref := range refs {
		namespace, named, group, kind, ok := ref.Split()
		of := schema.GroupKind{Group: group, Kind: kind}
		if !ok || !keep.Holds(of) {
			continue
		}

		object := v1beta1.KeptObject{Group: group, Kind: kind, Namespace: namespace, Name: named}
		found, there, err := c.holds(object, own)
		if err != nil {
			return out, err
		}

		if verdict := keep.Decide(of, nil, found); there && verdict.Keep {
			object.Reason = verdict.Reason
			out = append(out, object)
		}
	}

	return out, nil
}

// holds looks into a live object. One that is gone, or that Helm keeps, is not there for an uninstall.
func (c *Client) holds(object v1beta1.KeptObject, own goes) (found keep.Found, there bool, err error) {
	kind := schema.GroupKind{Group: object.Group, Kind: object.Kind}
	mapping, err := c.mapper.RESTMapping(kind)
	if meta.IsNoMatchError(err) {
		return keep.Found{}, false, nil
	}
	if err != nil {
		return keep.Found{}, false, err
	}

	ctx, cancel := c.request()
	defer cancel()
	client := c.identity.Dynamic().Resource(mapping.Resource).Namespace(object.Namespace)
	live, err := client.Get(ctx, object.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && live.GetAnnotations()[resourcePolicyAnnotation] == keepPolicy {
		return keep.Found{}, false, nil
	}
	if err != nil {
		return keep.Found{}, false, fmt.Errorf("reading %s: %w", object, err)
	}

	return c.look(own).At(ctx, live), true, nil
}
