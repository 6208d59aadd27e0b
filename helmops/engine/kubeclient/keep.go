package kubeclient

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/keep"
)

// Keep says what an action does not delete.
type Keep struct {
	// Whole is set when the user deletes the whole release: then everything goes, as with Helm.
	Whole bool
	// Prune are the kinds that the user wants to be deleted in any case.
	Prune []string
	// Brought are the names of the definitions in the crds directory of the chart.
	Brought []string
	// Before are objects that earlier actions kept. They may become part of the release again.
	Before []v1beta1.KeptObject
	// Resources are those that a namespace can hold.
	Resources func(ctx context.Context) ([]schema.GroupVersionResource, error)
}

// dataLast returns the objects in their order, those that data of users may be in last.
func dataLast(objects kube.ResourceList) kube.ResourceList {
	out := slices.Clone(objects)
	slices.SortStableFunc(out, func(a, b *resource.Info) int { return rank(a) - rank(b) })
	return out
}

func rank(info *resource.Info) int {
	if keep.Holds(kindAlone(info)) {
		return 1
	}
	return 0
}

// dataLast is the order in which the objects of a release are deleted. A whole release goes in Helm's order.
func (c *Client) dataLast(objects kube.ResourceList) kube.ResourceList {
	if c.options.Keep.Whole {
		return objects
	}
	return dataLast(objects)
}

func kindAlone(info *resource.Info) schema.GroupKind {
	return info.Mapping.GroupVersionKind.GroupKind()
}

// goes reports whether an object is deleted with the one that is looked at; nil is never.
type goes func(resource schema.GroupResource, namespace, name string) bool

// verdict decides whether an object of the release, which it no longer wants, is kept. wanted are the objects that
// stay.
func (c *Client) verdict(
	info *resource.Info, live *unstructured.Unstructured, wanted kube.ResourceList, goes goes,
) keep.Verdict {
	kind := kindAlone(info)
	if c.options.Rollback.protects(kind) {
		return keep.Verdict{Keep: true, Reason: "a rollback does not delete it"}
	}
	if !keep.Holds(kind) {
		return keep.Verdict{}
	}

	found := keep.Found{Wanted: c.stillWanted(info, live, wanted)}
	asked := c.options.Keep.Prune
	if found.Wanted == "" && kind != keep.Claim && !everything(asked, kind) {
		found = c.look(goes).At(c.ctx, live)
	}

	return keep.Decide(kind, asked, found)
}

func (c *Client) look(goes goes) keep.Look {
	return keep.Look{Metadata: c.identity.Metadata(), Resources: c.options.Keep.Resources, Goes: goes}
}

// everything reports whether nothing that is in an object can keep it.
func everything(asked []string, kind schema.GroupKind) bool {
	return keep.Asks(asked, kind) && (kind != keep.Namespace || keep.Asks(asked, keep.Claim))
}

// stillWanted says what of the release needs the object, empty when nothing does.
func (c *Client) stillWanted(info *resource.Info, live *unstructured.Unstructured, wanted kube.ResourceList) string {
	switch kindAlone(info) {
	case keep.Definition:
		if slices.Contains(c.options.Keep.Brought, info.Name) {
			return "the chart has it in its crds directory now"
		}

		group, _, _ := unstructured.NestedString(live.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(live.Object, "spec", "names", "kind")
		for _, other := range wanted {
			if kindAlone(other) == (schema.GroupKind{Group: group, Kind: kind}) {
				return "the chart still has " + name(other)
			}
		}
	case keep.Namespace:
		for _, other := range wanted {
			if other.Namespace == info.Name {
				return "the chart still has " + name(other)
			}
		}
	}
	return ""
}

// removeUnlessKept deletes an object of a release that is removed, of an upgrade that failed, or of a hook. Hooks are
// deleted as their policy says.
func (c *Client) removeUnlessKept(info *resource.Info, policy metav1.DeletionPropagation) error {
	if c.options.Keep.Whole || !keep.Holds(kindAlone(info)) || isHook(info) {
		return c.remove(info, policy)
	}

	live, err := c.live(info)
	if apierrors.IsNotFound(err) {
		c.leave(info, left)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s before it is deleted: %w", name(info), err)
	}

	if verdict := c.verdict(info, live, nil, nil); verdict.Keep {
		if ownerOf(live) == c.self() {
			c.keep(info, live, verdict.Reason)
		}

		c.leave(info, left)
		return nil
	}

	return c.remove(info, policy)
}

// keep leaves an object that is no longer wanted, without the marks of the release, and notes it.
func (c *Client) keep(info *resource.Info, live *unstructured.Unstructured, reason string) {
	ctx, cancel := c.request()
	defer cancel()
	err := keep.ReleaseFromHelm(ctx, c.dynamic(info), live)
	if err != nil && !apierrors.IsNotFound(err) {
		reason += "; the marks of the release could not be removed from it"
	}

	kind := kindAlone(info)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, v1beta1.KeptObject{
		Group: kind.Group, Kind: kind.Kind, Namespace: info.Namespace, Name: info.Name, Reason: reason,
	})
}

// Kept returns the objects that the action left although they are no longer wanted, sorted.
func (c *Client) Kept() []v1beta1.KeptObject {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := slices.Clone(c.kept)
	slices.SortFunc(out, func(a, b v1beta1.KeptObject) int { return strings.Compare(a.String(), b.String()) })
	return slices.CompactFunc(out, v1beta1.KeptObject.SameObject)
}

// StillKept returns those of the objects that earlier actions kept that are there and have no owner yet. One that
// cannot be read counts as there. A definition that the chart brings is that of the release again.
func (c *Client) StillKept() []v1beta1.KeptObject {
	before := slices.DeleteFunc(slices.Clone(c.options.Keep.Before), func(o v1beta1.KeptObject) bool {
		kind := schema.GroupKind{Group: o.Group, Kind: o.Kind}
		return kind == keep.Definition && slices.Contains(c.options.Keep.Brought, o.Name)
	})
	return keep.Objects{Mapper: c.mapper, Dynamic: c.identity.Dynamic()}.Still(c.ctx, before)
}

// wasKept reports whether an object is one that the release had before, so that it may have it again.
func (c *Client) wasKept(info *resource.Info) bool {
	kind := kindAlone(info)
	wanted := v1beta1.KeptObject{Group: kind.Group, Kind: kind.Kind, Namespace: info.Namespace, Name: info.Name}
	return slices.ContainsFunc(c.options.Keep.Before, wanted.SameObject)
}
