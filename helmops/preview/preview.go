package preview

import (
	"cmp"
	"fmt"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/kube/redact"
)

// Rendering is a set of manifests, as Helm stores them. All may hold secrets.
type Rendering struct {
	// Manifest is all objects but the hooks, as YAML documents.
	Manifest string
	// Hooks are the manifests of the hooks, each one document.
	Hooks []string
}

// Input is what is compared.
type Input struct {
	// From is what runs, empty for nothing.
	From Rendering
	// To is what would run, and Again the same, rendered a second time: fields in which they differ change by
	// themselves with each rendering.
	To, Again Rendering
	// Namespace of the release, in which objects without one are.
	Namespace string
	// Kept are objects that are no longer wanted and that the action would not delete.
	Kept []v1beta1.KeptObject
	// Untried are the objects of To that were not tried on the API server, or that it refuses: nothing but their manifests
	// tells what becomes of them.
	Untried []Untried
	// Mask hides secrets in values; nil hides none beside the content of Secrets in the manifests.
	Mask func(string) string
}

// Untried is an object that is judged by its manifest alone.
type Untried struct {
	// Namespace may be left out in that of the release.
	Group, Kind, Namespace, Name string
	// Refused is set when the API server has looked at the object in a dry run and does not take it.
	Refused bool
	// Why it is not known what the API server makes of the object. It may quote values.
	Why string
}

// Preview is what a change would do. It is safe to show.
type Preview struct {
	// Objects that are created, changed or deleted, the riskiest first. Those of which nothing but what changes by
	// itself differs are left out.
	Objects []Object
	// Same is how many objects stay as they are.
	Same int
	// Images are the images that change, sorted by object and container.
	Images []Image
	// Requests are the resource requests of all workloads before and after, times their replicas.
	Requests Requests
	// Risk is the highest class of all objects.
	Risk Class
	// Unstable are the fields that change by themselves, by object: they are neither compared nor in the digest.
	Unstable []UnstableField

	// rendered is the digest of what would run, without what is unstable.
	rendered string
}

// Object is one object that changes.
type Object struct {
	Kind, Group string
	// Namespace is empty in the namespace of the release, and for objects that have none.
	Namespace, Name string
	// Change is Created, Changed or Deleted of package diff.
	Change string
	// Fields that differ, sorted by path, masked and bounded as in package diff, and how many More there are; only of
	// what is changed. There is none where only fields differ that change by themselves.
	Fields []diff.Field
	More   int
	// Kept is why an object that is no longer wanted stays; empty when it is deleted.
	Kept string
	// Untried is why the object is compared by its manifest alone, empty when the API server takes it in a dry run or was
	// not asked; Refused is set when it does not take it.
	Untried string
	Refused bool
	// Risks of the change, the highest class first.
	Risks []Risk
}

// Ref names an object for people: its kind, and its namespace unless that is the namespace of the release.
func (o Object) Ref() string { return nameOf(o.Kind, o.Namespace, o.Name) }

// Class is the highest class among the risks.
func (o Object) Class() Class {
	highest := None
	for _, r := range o.Risks {
		highest = max(highest, r.Class)
	}
	return highest
}

// UnstableField is a field that differs between two renderings of the same chart with the same values. Path is empty
// for an object that has another name each time.
type UnstableField struct {
	Object, Path string
}

// Of compares what runs with what would run. An error says which manifest cannot be read, and shows nothing of it.
func Of(in Input) (Preview, error) {
	var err error
	if in.Mask, err = hiding(in); err != nil {
		return Preview{}, err
	}

	c, err := newComparison(in)
	if err != nil {
		return Preview{}, err
	}

	changes, err := diff.Compare(in.From.Manifest, in.To.Manifest, in.Namespace, in.Mask)
	if err != nil {
		return Preview{}, fmt.Errorf("comparing what runs with what would run: %w", err)
	}

	var out Preview
	for _, change := range changes {
		if o, differs := c.object(change); differs {
			out.Objects = append(out.Objects, o)
			out.Risk = max(out.Risk, o.Class())
		}
	}

	slices.SortStableFunc(out.Objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(b.Class(), a.Class()), trueFirst(a.Refused, b.Refused))
	})
	out.Same = c.same(out.Objects)
	out.Images = c.images()
	out.Requests = c.requests()
	out.Unstable = c.unstable.fields
	out.rendered = c.unstable.digest
	return out, nil
}

// comparison is what Of has read.
type comparison struct {
	from, to set
	unstable unstable
	kept     map[ref]string
	untried  map[ref]Untried
	mask     func(string) string
}

// hiding is a mask that hides the content of the Secrets in all manifests, besides what the mask of the input hides.
func hiding(in Input) (func(string) string, error) {
	var content []any
	for _, manifest := range []string{in.From.Manifest, in.To.Manifest, in.Again.Manifest} {
		secrets, err := diff.Secrets(manifest)
		if err != nil {
			return nil, fmt.Errorf("looking for Secrets in what is compared: %w", err)
		}

		content = append(content, secrets...)
	}

	secrets := redact.NewMask(content...)
	return func(text string) string {
		if in.Mask != nil {
			text = in.Mask(text)
		}
		return secrets.Apply(text)
	}, nil
}

func newComparison(in Input) (*comparison, error) {
	from, err := readSet(in.From.Manifest, in.Namespace)
	if err != nil {
		return nil, fmt.Errorf("what runs: %w", err)
	}

	to, err := readSet(in.To.Manifest, in.Namespace)
	if err != nil {
		return nil, fmt.Errorf("what would run: %w", err)
	}

	c := &comparison{from: from, to: to, kept: map[ref]string{}, untried: map[ref]Untried{}, mask: in.Mask}
	if c.unstable, err = findUnstable(in); err != nil {
		return nil, err
	}

	for _, k := range in.Kept {
		id := ref{group: k.Group, kind: k.Kind, namespace: k.Namespace, name: k.Name}
		c.kept[id.within(in.Namespace)] = k.Reason
	}

	for _, u := range in.Untried {
		id := ref{group: u.Group, kind: u.Kind, namespace: u.Namespace, name: u.Name}
		c.untried[id.within(in.Namespace)] = u
	}

	return c, nil
}

// object is what happens to one object. It is false for one of which only unstable fields differ.
func (c *comparison) object(change diff.Change) (Object, bool) {
	id := ref{group: change.Group, kind: change.Kind, namespace: change.Namespace, name: change.Name}
	if c.unstable.wholly(id) {
		return Object{}, false
	}

	out := Object{
		Kind: change.Kind, Group: change.Group, Namespace: change.Namespace, Name: change.Name,
		Change: change.Change, More: change.More, Kept: c.kept[id],
		Untried: c.mask(c.untried[id].Why), Refused: c.untried[id].Refused,
	}
	for _, f := range change.Fields {
		if !c.unstable.has(id, f.Path) {
			out.Fields = append(out.Fields, f)
		}
	}

	if out.Kept == "" {
		out.Risks = risksOf(facts{
			id: id, change: change.Change, paths: change.Fields, fields: out.Fields, was: c.from[id], is: c.to[id],
		})
		for i := range out.Risks {
			out.Risks[i].Why = c.mask(out.Risks[i].Why)
		}
	}

	differs := change.Change != diff.Changed || len(out.Fields) > 0 || out.More > 0 || len(out.Risks) > 0
	return out, differs
}

// same counts the objects that stay as they are.
func (c *comparison) same(changed []Object) int {
	n := len(c.to)
	for _, o := range changed {
		if o.Change != diff.Deleted {
			n--
		}
	}
	return n
}

// trueFirst orders what holds before what does not.
func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}
