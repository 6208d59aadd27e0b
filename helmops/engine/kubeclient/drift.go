package kubeclient

import (
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// Inspection is what Drift looks at, and how.
type Inspection struct {
	// Objects to look at; empty is all of the manifest. Those that are not in it are left out. One whose ownership is
	// given, and still is as it was, is not compared: no client has changed what the release says of it.
	Objects []v1beta1.ResourceRef
	// Rules say what may differ.
	Rules *drift.Rules
	// Audit reports fields that others added, too.
	Audit bool
	// Correct brings the objects back; without it nothing is written.
	Correct bool
	// Mask hides secrets in values, paths and notes. Nil hides none.
	Mask func(string) string
}

// ObjectError is why an object could not be looked at, or not be brought back.
type ObjectError struct {
	Kind, Group, Namespace, Name string
	// Cause is what the message describes, which names the object. It may hold secrets, the message does not.
	Cause   error
	message string
}

// Error implements error.
func (e *ObjectError) Error() string { return e.message }

// Unwrap returns the cause.
func (e *ObjectError) Unwrap() error { return e.Cause }

// Drift returns how objects differ from a manifest of the release, in the order of the manifest, and corrects them if
// that is asked for. What fails with one object keeps no other from being looked at. The error is that of the only
// object that failed, or names the first few; each is an *ObjectError.
func (c *Client) Drift(manifest string, o Inspection) ([]drift.Object, error) {
	objects, err := c.Build(strings.NewReader(manifest), false)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest of the release: %w", err)
	}

	c.trackParsed()
	c.scaled = scaledBy(objects)
	chosen := o.choose(objects)
	found := make([]drift.Object, len(chosen))
	failures := make([]error, len(chosen))
	for begin := 0; begin < len(chosen); {
		// A namespace, or a kind, has to be back before what is in it or of it.
		end := begin + 1
		for end < len(chosen) && chosen[end].Mapping.GroupVersionKind == chosen[begin].Mapping.GroupVersionKind {
			end++
		}

		var group errgroup.Group
		group.SetLimit(writesAtOnce)
		for i := begin; i < end; i++ {
			group.Go(func() error {
				failures[i] = guard.Do("comparing an object", func() (err error) {
					found[i], err = c.inspect(chosen[i], o)
					return err
				})
				return nil
			})
		}

		_ = group.Wait() // the failures are all wanted, not the first
		begin = end
	}

	told := found[:0]
	for _, object := range found {
		if object.Missing || object.Note != "" || len(object.Fields) > 0 {
			told = append(told, object)
		}
	}

	return told, ssa.Join(failures)
}

// choose returns the objects to look at, each once, marked as the release's.
func (o Inspection) choose(objects kube.ResourceList) kube.ResourceList {
	wanted := make(map[string]bool, len(o.Objects))
	for _, one := range o.Objects {
		wanted[one.ID] = true
	}

	seen := make(map[string]bool, len(objects))
	var chosen kube.ResourceList
	for _, info := range objects {
		if at := id(info); !seen[at] && (len(wanted) == 0 || wanted[at]) {
			seen[at] = true
			chosen = append(chosen, info)
		}
	}

	return chosen
}

// inspect looks at one object.
func (c *Client) inspect(info *resource.Info, o Inspection) (drift.Object, error) {
	kind := info.Mapping.GroupVersionKind
	i := &inspection{Client: c, Inspection: o, info: info}
	i.found = drift.Object{Kind: kind.Kind, Group: kind.Group, Namespace: info.Namespace, Name: info.Name}
	i.claim()
	if o.Mask == nil {
		i.Mask = func(text string) string { return text }
	}

	err := i.look()
	i.found.Note = i.Mask(i.found.Note)
	if err == nil {
		return i.found, nil
	}

	c.markAs(info, "") // what it was is not what it should be, or is not known
	return i.found, &ObjectError{
		Kind: kind.Kind, Group: kind.Group, Namespace: info.Namespace, Name: info.Name, Cause: err,
		message: i.Mask(err.Error()),
	}
}

// claim marks the object as the release's, as Helm does before it writes it.
func (i *inspection) claim() {
	content := i.info.Object.(*unstructured.Unstructured) // Build made it
	labels := content.GetLabels()
	annotations := content.GetAnnotations() // copies
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}

	labels[managedByLabel] = managedByHelm
	annotations[releaseNameAnnotation] = i.options.Release
	annotations[releaseNamespaceAnnotation] = i.options.Namespace
	content.SetLabels(labels)
	content.SetAnnotations(annotations)
}
