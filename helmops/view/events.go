package view

import (
	"cmp"
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// EventsResource is the resource of events.
const EventsResource = "events"

// EventRow is one event about an object of this API.
type EventRow struct {
	// LastSeen is when it happened, or happened last.
	LastSeen metav1.Time `json:"lastSeen"`
	// Type is Normal or Warning.
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Object is what the event is about.
	Object Reference `json:"object"`
	// Count is how often it happened.
	Count int32 `json:"count"`

	id string
}

// EventFilter chooses events. Empty fields choose all.
type EventFilter struct {
	// Namespace of the events; empty for all.
	Namespace string
	// Kind of this API, and Name of the objects.
	Kind string
	Name string
}

// Options are the options of a list or a watch of the events.
func (f EventFilter) Options() []client.ListOption {
	selected := fields.Set{"involvedObject.apiVersion": v1beta1.GroupVersion.String()}
	if f.Kind != "" {
		selected["involvedObject.kind"] = f.Kind
	}
	if f.Name != "" {
		selected["involvedObject.name"] = f.Name
	}

	return []client.ListOption{
		client.InNamespace(f.Namespace), client.MatchingFieldsSelector{Selector: selected.AsSelector()},
	}
}

// Events lists events about objects of this API, the newest last.
func (r Reader) Events(ctx context.Context, filter EventFilter) (List[EventRow], error) {
	out := List[EventRow]{Items: []EventRow{}}
	var list corev1.EventList
	if err := r.client.List(ctx, &list, filter.Options()...); err != nil {
		return out, &RequestError{Verb: "list", Resource: EventsResource, Namespace: filter.Namespace, Err: err}
	}

	for i := range list.Items {
		out.Items = append(out.Items, NewEventRow(&list.Items[i]))
	}

	slices.SortStableFunc(out.Items, func(a, b EventRow) int {
		byObject := strings.Compare(a.Object.String(), b.Object.String())
		return cmp.Or(a.LastSeen.Compare(b.LastSeen.Time), byObject, strings.Compare(a.id, b.id))
	})
	return out, nil
}

// NewEventRow projects an event.
func NewEventRow(e *corev1.Event) EventRow {
	row := EventRow{
		Type: e.Type, Reason: e.Reason, Message: e.Message, Count: max(1, e.Count),
		Object: Reference{
			Kind: e.InvolvedObject.Kind, Namespace: e.InvolvedObject.Namespace, Name: e.InvolvedObject.Name,
		},
		id: string(e.UID) + " " + e.Namespace + "/" + e.Name,
	}
	switch {
	case e.Series != nil:
		row.LastSeen = metav1.NewTime(e.Series.LastObservedTime.Time)
		row.Count = e.Series.Count
	case !e.LastTimestamp.IsZero():
		row.LastSeen = e.LastTimestamp
	case !e.EventTime.IsZero():
		row.LastSeen = metav1.NewTime(e.EventTime.Time)
	default:
		row.LastSeen = e.CreationTimestamp
	}

	return row
}

// ID tells an event apart from others, however often it happens.
func (r EventRow) ID() string { return r.id }
