package view

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// reasons returns the values of all constants of api/v1beta1/reasons.go by name.
func reasons(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "api", "v1beta1", "reasons.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is {
			return true
		}
		for i, name := range spec.Names {
			literal, is := spec.Values[i].(*ast.BasicLit)
			if !is || !strings.HasSuffix(name.Name, "Reason") {
				t.Errorf("%s is no reason", name.Name)
				continue
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[name.Name] = value
		}
		return true
	})
	if len(found) == 0 {
		t.Fatal("there are no reasons")
	}
	return found
}

// ofNoCondition are the reasons of events and plans, which test/layers keeps out of the code that writes conditions.
var ofNoCondition = []string{
	v1beta1.AdoptedReason, v1beta1.CandidatesDisplacedReason, v1beta1.FieldsDroppedReason, v1beta1.KeptReason,
	v1beta1.NotPrunedReason, v1beta1.ObjectsSyncedReason,
	v1beta1.OrphanedReason,
	v1beta1.RepublishedReason, v1beta1.SuspendedReason, v1beta1.SyncWindowOverriddenReason,
	v1beta1.TagMovedReason, v1beta1.WarningReceivedReason,
}

// A reason that is new has to say in which phase it puts an object.
func TestEveryReasonHasPhases(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for name, value := range reasons(t) {
		known[value] = true
		row, is := phasesOf[value]
		if slices.Contains(ofNoCondition, value) {
			if is {
				t.Errorf("phasesOf has a row for %s, which no condition has", name)
			}
			continue
		}
		if !is || row.upstream == "" || row.dependent == "" {
			t.Errorf("phasesOf has no row for %s", name)
		}
	}
	for value := range phasesOf {
		if !known[value] {
			t.Errorf("phasesOf has a row for %q, which is no reason", value)
		}
	}
}

// One mistake leads to one phase, whatever the kind of the object that waits.
func TestPhasesDoNotDependOnTheKind(t *testing.T) {
	t.Parallel()
	tests := map[string]Phase{
		v1beta1.FetchFailedReason:        Waiting, // an unreachable registry
		v1beta1.SourceNotReadyReason:     Waiting, // an unreachable HTTP repository
		v1beta1.SourceNotFoundReason:     Waiting,
		v1beta1.DependencyNotReadyReason: Waiting,
		v1beta1.AccessDeniedReason:       Failed,
		v1beta1.NoMatchReason:            Failed,
	}
	for reason, want := range tests {
		for _, kind := range []string{v1beta1.HelmReleaseKind, v1beta1.KustomizationKind, v1beta1.HelmChartKind} {
			object := NewObject(kind)
			object.SetGeneration(1)
			setObserved(object)
			status.Retrying(object, reason, "because", now)
			if got := PhaseOf(object); got != want {
				t.Errorf("%s that is not ready for %s: %s, want %s", kind, reason, got, want)
			}
		}
	}
}

// setObserved makes a status be about generation 1.
func setObserved(object Object) {
	switch o := object.(type) {
	case *v1beta1.HelmRelease:
		o.Status.ObservedGeneration = 1
	case *v1beta1.Kustomization:
		o.Status.ObservedGeneration = 1
	case v1beta1.Source:
		o.SetObservedGeneration(1)
	}
}
