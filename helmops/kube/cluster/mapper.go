package cluster

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// mapper answers from the shared reading, and from a new one before it says that there is no such kind.
type mapper struct{ discovery *discoverer }

var _ meta.ResettableRESTMapper = mapper{}

// lookUp asks for one thing, a second time of a new reading when the first does not know it.
func lookUp[T any](m mapper, group string, versions []string, ask func(meta.RESTMapper) (T, error)) (T, error) {
	var none T
	ctx := context.Background() // The interface takes none; readings are bounded by themselves.
	minimum := m.discovery.next()
	known, err := m.discovery.get(ctx, 0)
	if err != nil {
		return none, err
	}

	found, err := ask(known.mapper)
	if !meta.IsNoMatchError(err) {
		return found, err
	}

	if known.number < minimum {
		if known, err = m.discovery.get(ctx, minimum); err != nil {
			return none, err
		}
		found, err = ask(known.mapper)
	}

	if meta.IsNoMatchError(err) {
		if unanswered := known.unanswered(group, versions...); unanswered != nil {
			return none, unanswered
		}
	}

	return found, err
}

// KindFor implements meta.RESTMapper.
func (m mapper) KindFor(r schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	return lookUp(m, r.Group, []string{r.Version}, func(to meta.RESTMapper) (schema.GroupVersionKind, error) {
		return to.KindFor(r)
	})
}

// KindsFor implements meta.RESTMapper.
func (m mapper) KindsFor(r schema.GroupVersionResource) ([]schema.GroupVersionKind, error) {
	return lookUp(m, r.Group, []string{r.Version}, func(to meta.RESTMapper) ([]schema.GroupVersionKind, error) {
		return to.KindsFor(r)
	})
}

// ResourceFor implements meta.RESTMapper.
func (m mapper) ResourceFor(r schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	return lookUp(m, r.Group, []string{r.Version}, func(to meta.RESTMapper) (schema.GroupVersionResource, error) {
		return to.ResourceFor(r)
	})
}

// ResourcesFor implements meta.RESTMapper.
func (m mapper) ResourcesFor(r schema.GroupVersionResource) ([]schema.GroupVersionResource, error) {
	return lookUp(m, r.Group, []string{r.Version}, func(to meta.RESTMapper) ([]schema.GroupVersionResource, error) {
		return to.ResourcesFor(r)
	})
}

// RESTMapping implements meta.RESTMapper.
func (m mapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	return lookUp(m, gk.Group, versions, func(to meta.RESTMapper) (*meta.RESTMapping, error) {
		return to.RESTMapping(gk, versions...)
	})
}

// RESTMappings implements meta.RESTMapper.
func (m mapper) RESTMappings(gk schema.GroupKind, versions ...string) ([]*meta.RESTMapping, error) {
	return lookUp(m, gk.Group, versions, func(to meta.RESTMapper) ([]*meta.RESTMapping, error) {
		return to.RESTMappings(gk, versions...)
	})
}

// ResourceSingularizer implements meta.RESTMapper.
func (m mapper) ResourceSingularizer(resource string) (string, error) {
	known, err := m.discovery.get(context.Background(), 0)
	if err != nil {
		return "", err
	}
	return known.mapper.ResourceSingularizer(resource)
}

// Reset implements meta.ResettableRESTMapper.
func (m mapper) Reset() { m.discovery.changed() }
