package main

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// rowOf is the row of an object.
func rowOf(o view.Object) row {
	switch v := o.(type) {
	case *v1beta1.HelmRelease:
		return view.NewReleaseRow(v)
	case *v1beta1.Kustomization:
		return view.NewKustomizationRow(v)
	case v1beta1.Source:
		return view.NewSourceRow(v)
	}
	return nil
}

// missingObject is the answer that an API server gives about an object that does not exist.
func missingObject(k kind, name string) error {
	return apierrors.NewNotFound(v1beta1.GroupVersion.WithResource(k.resource()).GroupResource(), name)
}

// columnsOf are the columns of the table of a query.
func columnsOf(q query, out *output) []column {
	narrow := !out.wide()
	switch q.kinds[0] {
	case v1beta1.HelmReleaseKind:
		return []column{
			{"NAMESPACE", !q.all}, {"NAME", false}, {"PHASE", false}, {"HEALTH", false}, {"CHART", false}, {"REVISION", false},
			{"AGE", false}, {"APP", narrow}, {"DIGEST", narrow}, {"DEPLOYED", narrow}, {"SOURCE", narrow}, {"MESSAGE", false},
		}
	case v1beta1.KustomizationKind:
		return []column{
			{"NAMESPACE", !q.all}, {"NAME", false}, {"PHASE", false}, {"HEALTH", false}, {"REVISION", false}, {"OBJECTS", false},
			{"AGE", false}, {"PATH", narrow}, {"SOURCE", narrow}, {"MESSAGE", false},
		}
	default:
		return []column{
			{"NAMESPACE", !q.all}, {"KIND", false}, {"NAME", false}, {"PHASE", false}, {"REVISION", false}, {"AGE", false},
			{"UPDATED", narrow}, {"FROM", narrow}, {"MESSAGE", false},
		}
	}
}

// cellsOf are the cells of a row, one for each column of columnsOf.
func (a *app) cellsOf(r row, out *output) []string {
	switch v := r.(type) {
	case view.ReleaseRow:
		return a.releaseCells(v, out)
	case view.KustomizationRow:
		return a.kustomizationCells(v, out)
	case view.SourceRow:
		return a.sourceCells(v, out)
	}
	return nil
}

func (a *app) releaseCells(r view.ReleaseRow, out *output) []string {
	revision := ""
	if r.Revision > 0 {
		revision = fmt.Sprint(r.Revision)
	}
	return []string{
		r.Namespace, r.Name, string(r.Phase), healthText(r), chartText(r.Chart), revision, a.age(&r.CreatedAt),
		r.AppVersion, digestText(r.Chart), a.age(r.DeployedAt), sourceText(r.Source),
		rowMessage(r.SuspendReason, a.brief(r.Message, r.Namespace, r.Name, out)),
	}
}

func (a *app) kustomizationCells(r view.KustomizationRow, out *output) []string {
	revision := revisionText(r.Revision)
	if out.wide() {
		revision = r.Revision
	}
	health := healthText(view.ReleaseRow{Healthy: r.Healthy, Drifted: r.Drifted})
	return []string{
		r.Namespace, r.Name, string(r.Phase), health, revision, fmt.Sprint(r.Objects), a.age(&r.CreatedAt),
		r.Path, sourceText(r.Source), rowMessage(r.SuspendReason, a.brief(r.Message, r.Namespace, r.Name, out)),
	}
}

func (a *app) sourceCells(r view.SourceRow, out *output) []string {
	revision := revisionText(r.Revision)
	if out.wide() {
		revision = r.Revision
	}

	from := r.URL
	if r.Source != nil {
		from = sourceText(r.Source)
	}

	return []string{
		r.Namespace, r.Kind, r.Name, string(r.Phase), revision, a.age(&r.CreatedAt),
		a.age(r.UpdatedAt), from, rowMessage(r.SuspendReason, a.brief(r.Message, r.Namespace, r.Name, out)),
	}
}

// rowMessage is the message of a row. What an object said before it was suspended counts less than why it is
// suspended.
func rowMessage(suspendReason, message string) string {
	if suspendReason == "" {
		return message
	}
	return "suspended: " + suspendReason
}

// sourceText names a source in a cell, empty without one.
func sourceText(source *view.Reference) string {
	if source == nil {
		return ""
	}
	return source.Kind + "/" + source.Namespace + "/" + source.Name
}

// healthText sums up in a few words what the conditions Healthy, Verified and Drifted say: the worst first.
func healthText(r view.ReleaseRow) string {
	var words []string
	if r.Healthy == "False" {
		words = append(words, "Unhealthy")
	}
	if r.Drifted == "True" {
		words = append(words, "Drifted")
	}

	switch {
	case len(words) > 0:
		return strings.Join(words, ",")
	case r.Verified == "True":
		return "Verified"
	case r.Verified == "Unknown":
		return "Unverified"
	case r.Healthy == "True":
		return "Healthy"
	}

	return ""
}
