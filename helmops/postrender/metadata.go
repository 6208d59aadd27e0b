package postrender

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/hasher"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// hookPrefix starts the annotations that make an object a hook: helm.sh/hook, helm.sh/hook-weight and others.
const hookPrefix = "helm.sh/hook"

// identity of an object.
type identity struct{ resid.ResId }

func identityOf(o *resource.Resource) identity { return identity{o.CurId()} }

// String names the object for a message.
func (i identity) String() string {
	name := i.Name
	if i.Namespace != "" {
		name = i.Namespace + "/" + name
	}
	return i.Kind + " " + name
}

func newFactory() *resource.Factory {
	factory := resource.NewFactory(&hasher.Hasher{})
	factory.IncludeLocalConfigs = true
	return factory
}

// removed reports whether a patch removed the object, or it is none.
func removed(o *resource.Resource) bool {
	return o.IsNilOrEmpty() || o.YNode().Kind != yaml.MappingNode
}

func checkMetadata(m CommonMetadata) error {
	for key := range m.Annotations {
		if strings.HasPrefix(key, hookPrefix) {
			return fmt.Errorf("spec.commonMetadata.annotations must not have %s: only a chart makes hooks", key)
		}
	}
	return nil
}

// merge writes labels and annotations into the object; what has the value already stays as it is.
func merge(o *resource.Resource, m CommonMetadata) error {
	labels := o.GetLabels()
	annotations := o.GetAnnotations()
	for _, key := range slices.Sorted(maps.Keys(m.Labels)) {
		if old, has := labels[key]; has && old == m.Labels[key] {
			continue
		}
		if err := o.PipeE(yaml.SetLabel(key, m.Labels[key])); err != nil {
			return errors.New("metadata.labels is no map of texts")
		}
	}

	for _, key := range slices.Sorted(maps.Keys(m.Annotations)) {
		if old, has := annotations[key]; has && old == m.Annotations[key] {
			continue
		}
		if err := o.PipeE(yaml.SetAnnotation(key, m.Annotations[key])); err != nil {
			return errors.New("metadata.annotations is no map of texts")
		}
	}

	return nil
}

// hookAnnotations returns the annotations that make the object a hook.
func hookAnnotations(o *resource.Resource) map[string]string {
	own := map[string]string{}
	for key, value := range o.GetAnnotations() {
		if strings.HasPrefix(key, hookPrefix) {
			own[key] = value
		}
	}
	return own
}

// restore gives a hook the annotations that it had: Helm has read them before, so another value would be a lie.
func restore(o *resource.Resource, own map[string]string) error {
	now := hookAnnotations(o)
	for key := range now {
		if _, had := own[key]; !had {
			if err := o.PipeE(yaml.ClearAnnotation(key)); err != nil {
				return errors.New("metadata.annotations is no map of texts")
			}
		}
	}

	for _, key := range slices.Sorted(maps.Keys(own)) {
		if value, has := now[key]; has && value == own[key] {
			continue
		}
		if err := o.PipeE(yaml.SetAnnotation(key, own[key])); err != nil {
			return errors.New("metadata.annotations is no map of texts")
		}
	}

	return nil
}
