package view

import (
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
)

// KeptChange is the Change of an object that is no longer wanted and would not be deleted.
const KeptChange = "kept"

// Keeps notes in the differences of a release which objects an upgrade would not delete, with the reason. namespace
// is that of the release.
func (d *Differences) Keeps(objects []v1beta1.KeptObject, namespace string) {
	for _, kept := range objects {
		for i := range d.Objects {
			o := &d.Objects[i]
			home := o.Namespace
			if home == "" && kept.Namespace != "" {
				home = namespace
			}

			same := v1beta1.KeptObject{Group: o.Group, Kind: o.Kind, Namespace: home, Name: o.Name}
			if o.Change == diff.Deleted && kept.SameObject(same) {
				o.Change = KeptChange
				o.Note = kept.Reason
			}
		}
	}
}

// UninstallLines say what data an uninstall of the release would delete.
func UninstallLines(objects []v1beta1.KeptObject) []string {
	lines := make([]string, 0, len(objects))
	for _, o := range objects {
		lines = append(lines, fmt.Sprintf("deletes %s, which %s", o, o.Reason))
	}
	return lines
}
