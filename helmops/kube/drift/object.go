// Package drift finds out how an object in the cluster differs from what its release says, who made it differ, and
// which differences are to be ignored. It is pure: objects come in, differences go out.
//
//	manifest ─► Ignored.Trim ─► payload ─► server-side apply (dry run) ─► would ─┐
//	live ────────────────────────────────────────────────────────────────────────┴─► Compare ─► Object
package drift

import (
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

const (
	// maxFields is how many fields of an object a status names.
	maxFields = 10
	// maxPath and maxNote bound what others chose the length of, in bytes.
	maxPath = 512
	maxNote = 1024
)

// Absent is the ownership digest of an object that does not exist.
const Absent = "-"

// Object is how one object differs from the manifest of its release.
type Object struct {
	Kind, Group, Namespace, Name string
	// Missing is set when the object is gone.
	Missing bool
	// Fields that differ, sorted by path. Values of Secrets are masked.
	Fields []Field
	// Note says why the difference is left as it is; empty when it is corrected, or only reported.
	Note string
}

// Field is one field that differs.
type Field struct {
	// Path as kubectl prints it: .spec.template.spec.containers[name="web"].image.
	Path string
	// Change is v1beta1.DriftChanged, DriftRemoved or DriftAdded.
	Change string
	// Manager that owns the field in the cluster, and when it last wrote the object; both are zero when no manager owns
	// it.
	Manager string
	Since   time.Time
	// Was is the value in the cluster, Wants that of the release; each is empty when there is none. Texts are as they are,
	// other values JSON. They are cut, and "***" in Secrets.
	Was, Wants string
}

// Drifted reports whether there is anything that the release says otherwise. What was only added is none.
func (o Object) Drifted() bool {
	if o.Missing || o.Note != "" {
		return true
	}
	for _, field := range o.Fields {
		if field.Change != v1beta1.DriftAdded {
			return true
		}
	}
	return false
}

// String names the object for messages: Deployment apps/web.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// Status is the difference as it is kept in the status of a release: bounded, and without any value.
func (o Object) Status() v1beta1.ObjectDrift {
	out := v1beta1.ObjectDrift{
		Kind: o.Kind, Group: o.Group, Namespace: o.Namespace, Name: o.Name, Missing: o.Missing, Note: cut(o.Note, maxNote),
	}
	for _, field := range o.Fields[:min(len(o.Fields), maxFields)] {
		told := v1beta1.FieldDrift{Path: field.Path, Change: field.Change, Manager: cut(field.Manager, maxPath)}
		if !field.Since.IsZero() {
			told.Since = &metav1.Time{Time: field.Since}
		}

		out.Fields = append(out.Fields, told)
	}

	out.More = v1beta1.Number(len(o.Fields) - len(out.Fields))
	return out
}

// cut bounds a text without cutting a character in two.
func cut(text string, length int) string {
	if len(text) <= length {
		return text
	}
	const mark = "..."
	end := length - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
