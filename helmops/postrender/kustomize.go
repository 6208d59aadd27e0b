package postrender

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/filters/imagetag"
	"sigs.k8s.io/kustomize/api/filters/patchjson6902"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/kustomize/kyaml/yaml"
	k8syaml "sigs.k8s.io/yaml"
)

// maxPatched bounds an object while operations are applied to it, in bytes. The API server takes no larger ones.
const maxPatched = 4 << 20

// imageFields are the fields that hold images, besides those of containers.
var imageFields = types.FsSlice{
	{Path: "spec/volumes[]/image/reference"},
	{Path: "spec/template/spec/volumes[]/image/reference"},
}

// Of the library only its transformers are used, never its loader or its plugins, so that no patch can make it read a
// file, fetch a base or start a program.

// patch is one patch, read.
type patch struct {
	// place says which patch it is, for messages: "spec.postRenderers[0], patch 1".
	place string
	// merges are the documents of a strategic merge patch, operations the parts of a JSON 6902 patch.
	merges     []*resource.Resource
	operations []string
	target     *types.SelectorRegex
	selector   types.Selector
}

// step is one post renderer, read.
type step struct {
	place   string
	patches []patch
	images  []types.Image
}

func newStep(place string, k *Kustomize) (step, error) {
	s := step{place: place}
	for i, p := range k.Patches {
		read, err := newPatch(fmt.Sprintf("%s, patch %d", place, i), p)
		if err != nil {
			return step{}, err
		}

		s.patches = append(s.patches, read)
	}

	for i, image := range k.Images {
		// kustomize uses the name as a part of a regular expression.
		if _, err := regexp.Compile("^" + image.Name); err != nil || image.Name == "" {
			return step{}, fmt.Errorf("%s, image %d: name %q is no name of an image", place, i, image.Name)
		}
		if image.Digest != "" {
			image.NewTag = ""
		}

		s.images = append(s.images,
			types.Image{Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest})
	}

	return s, nil
}

func newPatch(place string, p Patch) (patch, error) {
	read := patch{place: place}
	text := []byte(strings.TrimSpace(p.Patch))
	if len(text) == 0 {
		return patch{}, fmt.Errorf("%s is empty", place)
	}

	operations, isList := jsonOperations(text)
	merges, err := resmap.NewFactory(newFactory()).RF().SliceFromBytes(text)
	switch {
	case isList:
		read.operations = operations
	case err != nil || len(merges) == 0:
		return patch{}, fmt.Errorf("%s is neither a strategic merge patch with apiVersion, kind and metadata.name nor a "+
			"list of JSON 6902 operations", place)
	default:
		read.merges = merges
	}

	switch {
	case p.Target == nil && isList:
		return patch{}, fmt.Errorf("%s: a JSON 6902 patch needs a target", place)
	case p.Target != nil && len(merges) > 1 && !isList:
		return patch{}, fmt.Errorf("%s: a patch with a target can have one document only, this one has %d", place,
			len(merges))
	case p.Target == nil:
		return read, nil
	}

	t := *p.Target
	read.selector = types.Selector{
		ResId: resid.ResId{
			Gvk: resid.Gvk{Group: t.Group, Version: t.Version, Kind: t.Kind}, Name: t.Name, Namespace: t.Namespace,
		},
		LabelSelector: t.LabelSelector, AnnotationSelector: t.AnnotationSelector,
	}
	if read.target, err = types.NewSelectorRegex(&read.selector); err != nil {
		return patch{}, fmt.Errorf("%s: target: %w", place, err)
	}
	// The label selectors are read with the first object; this one finds errors early.
	if _, err := read.matches(&resource.Resource{RNode: *yaml.NewMapRNode(nil)}, identity{}); err != nil {
		return patch{}, fmt.Errorf("%s: target: labelSelector or annotationSelector is no label selector", place)
	}

	return read, nil
}

// jsonOperations returns the operations of a JSON 6902 patch, cut behind every copy, because copies can double an
// object each; false when the text is none.
func jsonOperations(text []byte) ([]string, bool) {
	encoded, err := k8syaml.YAMLToJSON(text)
	if err != nil {
		return nil, false
	}

	var all []map[string]any
	if json.Unmarshal(encoded, &all) != nil || len(all) == 0 {
		return nil, false
	}

	var parts []string
	var part []map[string]any
	for i, operation := range all {
		if part = append(part, operation); operation["op"] == "copy" || i == len(all)-1 {
			// It was JSON before.
			cut, _ := json.Marshal(part)
			parts, part = append(parts, string(cut)), nil
		}
	}

	return parts, true
}

// matches reports whether a patch with a target is for the object. It may be known by the identity it had before this
// step.
func (p *patch) matches(o *resource.Resource, before identity) (bool, error) {
	now := identityOf(o)
	if !p.target.MatchNamespace(before.EffectiveNamespace()) && !p.target.MatchNamespace(now.EffectiveNamespace()) ||
		!p.target.MatchName(before.Name) && !p.target.MatchName(now.Name) || !p.target.MatchGvk(now.Gvk) {
		// Both selectors are looked at all the same, for their errors.
		_, first := o.MatchesLabelSelector(p.selector.LabelSelector)
		_, second := o.MatchesAnnotationSelector(p.selector.AnnotationSelector)
		return false, errors.Join(first, second)
	}

	labels, err := o.MatchesLabelSelector(p.selector.LabelSelector)
	if err != nil {
		return false, err
	}

	annotations, err := o.MatchesAnnotationSelector(p.selector.AnnotationSelector)
	return labels && annotations, err
}

// apply changes the object, and marks the documents of the patch that name it.
func (p *patch) apply(o *resource.Resource, before identity, named map[*resource.Resource]bool) error {
	if p.target == nil {
		for _, merge := range p.merges {
			id := identityOf(merge)
			if removed(o) || !id.Equals(before.ResId) && !id.Equals(identityOf(o).ResId) {
				continue
			}

			named[merge] = true
			if err := o.ApplySmPatch(merge.DeepCopy()); err != nil {
				return errors.New("the strategic merge patch does not fit")
			}
		}
		return nil
	}

	matched, err := p.matches(o, before)
	if err != nil || !matched {
		return err
	}
	if p.operations != nil {
		return p.operate(o)
	}

	set := resmap.New()
	if err := set.Append(o); err != nil {
		return errors.New("the object cannot be patched")
	}
	if err := set.ApplySmPatch(resource.MakeIdSet([]*resource.Resource{o}), p.merges[0]); err != nil {
		return errors.New("the strategic merge patch does not fit")
	}

	return nil
}

// missing is what github.com/evanphx/json-patch, the one of kustomize v0.21, says of an operation without its place.
// TestRenderErrors provokes it.
var missing = regexp.MustCompile(`(add|remove|replace|move|copy) operation does not apply: doc is missing ` +
	`(?:path|key|from path): "?(/[^\s":]*)`)

// operate applies JSON 6902 operations.
func (p *patch) operate(o *resource.Resource) error {
	for _, part := range p.operations {
		if err := o.ApplyFilter(patchjson6902.Filter{Patch: part}); err != nil {
			if found := missing.FindStringSubmatch(err.Error()); found != nil {
				return fmt.Errorf("the object has no %s to %s", found[2], found[1])
			}
			return errors.New("a JSON 6902 operation does not apply")
		}
		if err := p.normalise(o); err != nil {
			return err
		}
	}
	return nil
}

// normalise reads the object once more: the filter leaves large whole numbers in a form that the API server refuses.
func (p *patch) normalise(o *resource.Resource) error {
	encoded, err := o.MarshalJSON()
	if err != nil {
		return errors.New("a JSON 6902 operation leaves no object")
	}
	if len(encoded) > maxPatched {
		return fmt.Errorf("the object becomes larger than %d bytes", maxPatched)
	}

	text, err := k8syaml.JSONToYAML(encoded)
	if err != nil {
		return errors.New("a JSON 6902 operation leaves no object")
	}

	node, err := yaml.Parse(string(text))
	if err != nil {
		return errors.New("a JSON 6902 operation leaves no object")
	}

	o.SetYNode(node.YNode())
	return nil
}

// apply runs one post renderer on an object.
func (s *step) apply(o *resource.Resource, named map[*resource.Resource]bool) error {
	before := identityOf(o)
	for i := range s.patches {
		p := &s.patches[i]
		if removed(o) {
			return nil
		}
		if err := p.apply(o, before, named); err != nil {
			return fmt.Errorf("%s: %w", p.place, err)
		}
	}

	if removed(o) {
		return nil
	}

	for i, image := range s.images {
		err := o.ApplyFilter(imagetag.LegacyFilter{ImageTag: image})
		if err == nil {
			err = o.ApplyFilter(imagetag.Filter{ImageTag: image, FsSlice: imageFields})
		}
		if err != nil || removed(o) {
			return fmt.Errorf("%s, image %d: the images of the object cannot be read", s.place, i)
		}
	}

	return nil
}
