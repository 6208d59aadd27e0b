package kubeclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/preview"
)

// tryFor bounds all dry runs of one plan: a webhook may let the API server wait for half a minute, object by object.
const tryFor = time.Minute

// Try asks the API server as Preflight does, for the objects that are wanted only, and returns which of them it does not
// take, or cannot be asked about, and why. The client is of no further use: its requests end with the trial. The error
// says why there could be no trial at all.
func (c *Client) Try(update Proposal, wanted func(preview.Untried) bool) ([]preview.Untried, error) {
	whole := c.ctx
	ctx, cancel := context.WithTimeout(whole, tryFor)
	defer cancel()

	c.ctx = ctx
	c.unserved = map[schema.GroupVersionKind][]*unstructured.Unstructured{}
	objects, err := c.Build(strings.NewReader(update.Manifest), false)
	if err != nil {
		return nil, fmt.Errorf("building what would run: %w", err)
	}

	var out []preview.Untried
	note := func(u preview.Untried, refused bool, why string) {
		if wanted(u) {
			u.Refused, u.Why = refused, why
			out = append(out, u)
		}
	}
	for kind, unknown := range c.unserved {
		for _, content := range unknown {
			note(untriedOf(kind, content.GetNamespace(), content.GetName()), false, "its kind is not served yet")
		}
	}

	p := c.newPreflight(update, objects)
	isWanted := func(info *resource.Info) bool { return wanted(untried(info)) }
	_, failures := p.askAll(objects, isWanted)
	if whole.Err() != nil {
		return nil, whole.Err()
	}

	for i, info := range objects {
		switch err := failures[i]; {
		case p.defined.Has(info.Mapping.GroupVersionKind.GroupKind()):
			note(untried(info), false, "the same change defines its kind")
		case err == nil:
		case ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded):
			note(untried(info), false, fmt.Sprintf("the dry runs took longer than %s", tryFor))
		default:
			note(untried(info), isDecided(err), "the API server refuses the dry run: "+ssa.Scrub(err.Error()))
		}
	}

	return out, nil
}

// isDecided reports whether the API server has looked at an object and does not take it.
func isDecided(err error) bool {
	var refused *ssa.ObjectError
	return errors.As(err, &refused) && refused.Decided()
}

func untried(info *resource.Info) preview.Untried {
	return untriedOf(info.Mapping.GroupVersionKind, info.Namespace, info.Name)
}

func untriedOf(kind schema.GroupVersionKind, namespace, name string) preview.Untried {
	return preview.Untried{Group: kind.Group, Kind: kind.Kind, Namespace: namespace, Name: name}
}

// setAside notes an object of a kind that the cluster does not serve, in a trial. Elsewhere the error counts.
func (c *Client) setAside(content *unstructured.Unstructured, err error) bool {
	var unknown *UnknownKindError
	if c.unserved == nil || !errors.As(err, &unknown) {
		return false
	}

	c.unserved[unknown.Kind] = append(c.unserved[unknown.Kind], content)
	return true
}
