package view

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/redact"
)

// Differences are how two states of a release differ.
type Differences struct {
	// From and To say what is compared, for example "the cluster" and "revision 42".
	From string `json:"from"`
	To   string `json:"to"`
	// Values given to the chart that differ; nil when the comparison is not about values.
	Values []ValueDifference `json:"values,omitzero"`
	// Objects that differ, without hooks.
	Objects []ObjectDifference `json:"objects"`
	// Hooks that differ, or that would run.
	Hooks []HookDifference `json:"hooks"`
	// Pending is set when what is deployed was compared with what is wanted.
	Pending *PendingChange `json:"pending,omitempty"`
}

// PendingChange is what an install or upgrade would be made of.
type PendingChange struct {
	// Change says why there would be one, empty when nothing is pending.
	Change string `json:"change,omitempty"`
	// From is the chart that is deployed, nil when there is none; its digest is empty when another Helm client deployed
	// it.
	From *v1beta1.ChartRevision `json:"from,omitempty"`
	// To is the chart that is wanted.
	To v1beta1.ChartRevision `json:"to"`
	// Note says what keeps the change from happening, for example a rollback that was asked for; empty when nothing does.
	Note string `json:"note,omitempty"`
}

// ObjectDifference is how one object differs.
type ObjectDifference struct {
	Kind      string `json:"kind"`
	Group     string `json:"group,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Change is what has to happen to get from one state to the other: created, deleted or changed. Of an object that
	// is gone from the cluster it is missing. Of a Kustomization it is also kept, handedOver or takenOver.
	Change string `json:"change"`
	// Kustomization, as NAMESPACE/NAME, that takes the object over or that it is taken over from.
	Kustomization string            `json:"kustomization,omitempty"`
	Fields        []FieldDifference `json:"fields,omitempty"`
	// More is how many further fields differ.
	More int `json:"more,omitempty"`
	// Note says why the difference is left as it is.
	Note string `json:"note,omitempty"`
	// Cause is why the object is created or deleted, where that was asked for.
	Cause *Cause `json:"cause,omitempty"`
}

// FieldDifference is one field that differs. Values in Secrets are masked.
type FieldDifference struct {
	Path string `json:"path"`
	// Change is changed, added or removed. Of drift it is what another client has done, else what happens on the way.
	Change string `json:"change"`
	// From and To are the values in either state, empty where there is none.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Manager and Since are who owns the field in the cluster, for drift.
	Manager string       `json:"manager,omitempty"`
	Since   *metav1.Time `json:"since,omitempty"`
	// Cause is why the field changes, where that was asked for.
	Cause *Cause `json:"cause,omitempty"`
}

// HookDifference is a hook.
type HookDifference struct {
	Kind   string   `json:"kind"`
	Name   string   `json:"name"`
	Events []string `json:"events"`
	// Change is created, deleted, changed or same.
	Change string `json:"change"`
	// Runs is set when a pending install or upgrade would run it.
	Runs bool `json:"runs,omitempty"`
}

// Differ reports whether there is any difference; a hook that is the same is none.
func (d Differences) Differ() bool {
	if d.Pending != nil && d.Pending.Change != "" {
		return true // of the same objects, too, a new revision is made
	}

	changed := func(h HookDifference) bool { return h.Change != SameHook }
	return len(d.Values)+len(d.Objects) > 0 || slices.ContainsFunc(d.Hooks, changed)
}

// SameHook is the Change of a hook that does not differ.
const SameHook = "same"

// DriftDifferences are the differences between the cluster and the manifest of the revision that is deployed.
func DriftDifferences(objects []drift.Object, namespace string) Differences {
	out := Differences{From: "the cluster", To: "the manifest", Objects: []ObjectDifference{}, Hooks: []HookDifference{}}
	for _, o := range objects {
		if !o.Drifted() {
			continue
		}

		d := driftedObject(o, diff.Changed, namespace)
		for _, f := range o.Fields {
			d.Fields = append(d.Fields, driftedField(f))
		}

		out.Objects = append(out.Objects, d)
	}

	return out
}

// driftedObject is an object of a release in the namespace, without its fields.
func driftedObject(o drift.Object, change, namespace string) ObjectDifference {
	d := ObjectDifference{
		Kind: o.Kind, Group: o.Group, Namespace: o.Namespace, Name: o.Name, Change: change, Note: o.Note,
	}
	if d.Namespace == namespace {
		d.Namespace = ""
	}
	if o.Missing {
		d.Change = v1beta1.DriftMissing
	}

	return d
}

// driftedField is a field on the way from the cluster to the manifest.
func driftedField(f drift.Field) FieldDifference {
	field := FieldDifference{Path: f.Path, Change: f.Change, From: f.Was, To: f.Wants, Manager: f.Manager}
	if !f.Since.IsZero() {
		since := metav1.NewTime(f.Since)
		field.Since = &since
	}
	return field
}

// LiveDifferences are the differences between a revision in storage and the cluster. Objects that the revision does
// not have are created, those that are gone from the cluster are missing.
func LiveDifferences(found *engine.RevisionDrift, namespace string) Differences {
	out := Differences{To: "the cluster", Objects: []ObjectDifference{}, Hooks: []HookDifference{}}
	for _, o := range found.Objects {
		if !o.Drifted() {
			continue
		}

		d := driftedObject(o, diff.Changed, namespace)
		for _, f := range o.Fields {
			field := driftedField(f)
			field.From, field.To = field.To, field.From
			d.Fields = append(d.Fields, field)
		}

		out.Objects = append(out.Objects, d)
	}

	for _, o := range found.Added {
		out.Objects = append(out.Objects, driftedObject(o, diff.Created, namespace))
	}

	return out
}

// ContentDifferences are the differences between two contents of a release in the namespace. mask hides secrets; nil
// hides none beside the content of Secrets. All hooks are named when those that are the same run, too.
func ContentDifferences(from, to *engine.Content, namespace string, mask func(string) string) (Differences, error) {
	out := Differences{Objects: []ObjectDifference{}, Hooks: []HookDifference{}}
	changes, err := diff.Compare(from.Manifest, to.Manifest, namespace, mask)
	if err != nil {
		return out, err
	}
	out.Objects = differencesOf(changes)
	out.Hooks = hookDifferences(from.Hooks, to.Hooks)
	return out, nil
}

// SecretsMask hides the content of the Secrets in contents wherever it occurs, besides what mask hides. What cannot be
// read hides nothing: ContentDifferences says what is wrong with it.
func SecretsMask(mask redact.Mask, contents ...*engine.Content) redact.Mask {
	for _, content := range contents {
		manifests := make([]string, 0, 1+len(content.Hooks))
		manifests = append(manifests, content.Manifest)
		for _, hook := range content.Hooks {
			manifests = append(manifests, hook.Manifest)
		}

		for _, manifest := range manifests {
			if secrets, err := diff.Secrets(manifest); err == nil {
				mask = mask.Join(redact.NewMask(secrets...))
			}
		}
	}
	return mask
}

func differencesOf(changes []diff.Change) []ObjectDifference {
	out := make([]ObjectDifference, 0, len(changes))
	for _, c := range changes {
		d := ObjectDifference{
			Kind: c.Kind, Group: c.Group, Namespace: c.Namespace, Name: c.Name, Change: c.Change, More: c.More,
		}
		for _, f := range c.Fields {
			d.Fields = append(d.Fields, FieldDifference{Path: f.Path, Change: f.Change, From: f.Was, To: f.Becomes})
		}
		out = append(out, d)
	}
	return out
}

func hookDifferences(from, to []engine.ContentHook) []HookDifference {
	out := []HookDifference{}
	find := func(hooks []engine.ContentHook, h engine.ContentHook) int {
		return slices.IndexFunc(hooks, func(o engine.ContentHook) bool {
			return o.Kind == h.Kind && o.Name == h.Name && slices.Equal(o.Events, h.Events)
		})
	}
	add := func(h engine.ContentHook, change string) {
		out = append(out, HookDifference{Kind: h.Kind, Name: h.Name, Events: orEmpty(h.Events), Change: change})
	}
	for _, h := range to {
		switch i := find(from, h); {
		case i < 0:
			add(h, diff.Created)
		case from[i].Manifest != h.Manifest:
			add(h, diff.Changed)
		default:
			add(h, SameHook)
		}
	}

	for _, h := range from {
		if find(to, h) < 0 {
			add(h, diff.Deleted)
		}
	}

	return out
}
