package source

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// kinds of sources.
var kinds = view.SourceKinds

// sourceObject is a source as the API machinery wants it.
type sourceObject interface {
	client.Object
	v1beta1.Source
}

// newSource returns an empty object of a kind, nil for a kind that is no source.
func newSource(kind string) sourceObject {
	object, ok := view.NewObject(kind).(sourceObject)
	if !ok {
		return nil
	}
	return object
}

// newList returns an empty list of a kind of source.
func newList(kind string) client.ObjectList { return view.NewList(kind) }
