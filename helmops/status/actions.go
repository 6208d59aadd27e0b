package status

import (
	"strings"

	"fairlead.dev/fairlead/helmops/plan"
)

// Actions of events: what the controller did with the object, or was about to do, when it emitted the event. The
// steps of a release have actions of their own, see ActionOf.
const (
	// ActionReconcile is that of events about the object as a whole: what it waits for, what it names, its owner.
	ActionReconcile = "Reconcile"
	// ActionFetch is that of sources.
	ActionFetch = "Fetch"
	// ActionPromote is that of pipelines.
	ActionPromote = "Promote"
	// ActionApply is that of Kustomizations that apply objects.
	ActionApply = "Apply"
	// ActionPlan is that of Kustomizations whose plan waits for an approval.
	ActionPlan = "Plan"
	// ActionPrune is that of objects that are no longer wanted.
	ActionPrune = "Prune"
	// ActionOrphan leaves the Helm release, or the objects of a Kustomization, in the cluster when the object is
	// deleted.
	ActionOrphan = "Orphan"
	// ActionInspect looks at the live objects.
	ActionInspect = "Inspect"
)

// ActionOf is the action of events about a step: Install, Upgrade, Rollback, Uninstall and so on.
func ActionOf(step plan.Step) string {
	if step == "" {
		return ActionReconcile
	}
	name := string(step)
	return strings.ToUpper(name[:1]) + name[1:]
}

// As returns the event with an action, unless it has one.
func (e Event) As(action string) Event {
	if e.Action == "" {
		e.Action = action
	}
	return e
}
