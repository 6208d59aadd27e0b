package review

import (
	"slices"
	"strings"
	"testing"
)

// A Kustomization whose files are elsewhere is not passed over in silence.
func TestKustomizationsOfOtherSources(t *testing.T) {
	t.Parallel()
	const other = `apiVersion: fairlead.dev/v1beta1
kind: Kustomization
metadata: {name: parts, namespace: web}
spec: {path: ./, prune: true, sourceRef: {kind: ExternalArtifact, name: parts}}
`
	w := newWorld(t, map[string]string{"clusters/prod/fleet.yaml": fleet, "apps/all.yaml": "---\n"})
	found := w.change(map[string]string{"clusters/prod/parts.yaml": other})
	const want = "Kustomization web/parts is not built: the files of ExternalArtifact web/parts are not in the tree"
	if !slices.ContainsFunc(found.Notes, func(note string) bool { return strings.Contains(note, want) }) {
		t.Errorf("the notes are %q", found.Notes)
	}
}
