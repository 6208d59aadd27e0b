package kubeclient

import (
	"context"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/definition"
	"fairlead.dev/fairlead/helmops/kube/ssa"
)

const (
	// establish is how long the API server may take to serve a definition that has changed, served the pause
	// between two attempts.
	establish = time.Minute
	served    = 250 * time.Millisecond
)

// Defines says that definitions were written a moment ago: the API server may not serve them yet.
func (c *Client) Defines(definitions ...*unstructured.Unstructured) {
	for _, o := range definitions {
		c.define(o)
	}
}

// definesOf notes the definitions among the objects that are to be written. Those of a revision before do not count.
func (c *Client) definesOf(target kube.ResourceList) {
	for _, info := range target {
		if content, ok := info.Object.(*unstructured.Unstructured); ok {
			c.define(content)
		}
	}
}

// define notes what a CustomResourceDefinition says of its kind.
func (c *Client) define(o *unstructured.Unstructured) {
	if o.GroupVersionKind().GroupKind() != customResourceDefinition {
		return
	}
	d := definition.Read(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.defined[d.Kind] = d
}

// shapeOf is the schema that an action brings for the kind of an object, nil when it brings none.
func (c *Client) shapeOf(info *resource.Info) *definition.Schema {
	kind := info.Mapping.GroupVersionKind
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.defined[kind.GroupKind()]; d != nil {
		return d.Versions[kind.Version]
	}
	return nil
}

// apply applies an object. One that the API server does not take by the schema it serves is tried again for a while
// when the action has brought one that does take it: the API server serves that some time after it has accepted the
// definition. Written in Helm's own way, the object would lose fields.
func (c *Client) apply(info *resource.Info, body []byte) (*unstructured.Unstructured, error) {
	answer, err := c.patch(info, body, false)
	if err == nil || !c.stale(info, err) {
		return answer, err
	}

	again := func(context.Context) (bool, error) {
		answer, err = c.patch(info, body, false)      //nolint:contextcheck // requests have that of the client
		return err == nil || !c.stale(info, err), nil //nolint:contextcheck // as above
	}
	_ = wait.PollUntilContextTimeout(c.ctx, served, establish, false, again)
	return answer, err
}

// stale reports whether the API server may have judged an object by a schema of before, because the action brings one
// that takes it.
func (c *Client) stale(info *resource.Info, err error) bool {
	content, ok := info.Object.(*unstructured.Unstructured)
	shape := c.shapeOf(info)
	switch {
	case !ok || shape == nil || len(shape.Unknown(content.Object)) > 0:
		return false
	case ssa.IsApplyOnly(err), isUnserved(err):
		return true
	default:
		return apierrors.IsInvalid(err) && len(invalidFields(err)) > 0 && c.fits(info) == nil
	}
}

// isUnserved reports whether the API server does not know a kind.
func isUnserved(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// judgeDefined adds what the definitions of the manifest have against its objects. It only looks at definitions
// that change and that the API server would take: the others it has judged by itself, or nothing of them counts.
func (p *preflight) judgeDefined(objects kube.ResourceList, asked []bool, failures []error) {
	changing := map[string]bool{}
	for i, info := range objects {
		if info.Mapping.GroupVersionKind.GroupKind() == customResourceDefinition && asked[i] && failures[i] == nil {
			changing[info.Name] = true
		}
	}

	if len(changing) == 0 {
		return
	}

	for i, info := range objects {
		p.mu.Lock()
		d := p.Client.defined[info.Mapping.GroupVersionKind.GroupKind()]
		p.mu.Unlock()
		if d != nil && changing[d.Name] && failures[i] == nil {
			failures[i] = p.fits(info)
		}
	}
}

// fits compares an object as it would be with the schema that the manifest brings.
func (c *Client) fits(info *resource.Info) error {
	content, ok := info.Object.(*unstructured.Unstructured)
	shape := c.shapeOf(info)
	if !ok || shape == nil {
		return nil
	}

	object := content.Object
	former := map[string]any(nil)
	live, err := c.live(info)
	switch {
	case err == nil:
		object, former = definition.Overlaid(live.Object, object), live.Object
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("reading %s: %w", name(info), err)
	}

	wrong := shape.Invalid(c.ctx, object, former)
	if len(wrong) == 0 {
		return nil
	}

	cause := apierrors.NewInvalid(info.Mapping.GroupVersionKind.GroupKind(), info.Name, wrong)
	return &ssa.ObjectError{Object: name(info), Cause: cause, Hint: "by the definition that comes with it"}
}
