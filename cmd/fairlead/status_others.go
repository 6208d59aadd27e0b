package main

import (
	"fmt"

	"fairlead.dev/fairlead/helmops/view"
)

func (a *app) kustomizationScreen(r view.KustomizationStatus) *screen {
	s := &screen{}
	s.add("Kustomization", r.Namespace+"/"+r.Name)
	addPhase(s, r.Phase, r.SuspendReason)
	a.addConditions(s, r.Conditions)
	s.add("Message", orNone(r.Message))
	s.add("Applied", orNone(r.Revision))
	if r.LastAttempted != "" && r.LastAttempted != r.Revision {
		s.add("Last attempt", attemptedText(r))
	}

	s.add("Source", sourceLines(r.SourceStatus)...)
	s.add("Path", orNone(r.Path))
	s.add("Depends on", dependencyLines(r.Dependencies)...)
	s.add("Inventory", inventoryLine(r.Inventory))
	lines := make([]string, 0, len(r.Unhealthy))
	for _, o := range r.Unhealthy {
		lines = append(lines, fmt.Sprintf("%s %s: %s", objectText(o.Kind, o.Namespace, o.Name, r.Namespace), o.State, orNone(o.Message)))
	}

	s.add("Not healthy", lines...)
	s.add("Kept", keptLines(r.Kept)...)
	s.add("Next", a.nextLine(r.Next))
	return s
}

// attemptedText says which revision failed, and how often.
func attemptedText(r view.KustomizationStatus) string {
	if r.Failures == 0 {
		return r.LastAttempted
	}
	return r.LastAttempted + ", " + plural(int(r.Failures), "failure") + " in a row"
}

func (a *app) sourceScreen(r view.SourceStatus) *screen {
	s := &screen{}
	s.add("Source", r.Kind+" "+r.Namespace+"/"+r.Name)
	addPhase(s, r.Phase, r.SuspendReason)
	a.addConditions(s, r.Conditions)
	s.add("Message", orNone(r.Message))
	if r.URL != "" {
		s.add("URL", r.URL)
	}
	if r.Chart != nil {
		s.add("Chart", chartAndDigest(*r.Chart))
	}

	s.add("Artifact", a.artifactLine(r))
	if r.SourceStatus != nil {
		s.add("From", sourceLines(r.SourceStatus)...)
	}

	s.add("Used by", sourceUserLines(r.UsedBy)...)
	s.add("Not seen", r.Notes...)
	s.add("Next", a.nextLine(r.Next))
	return s
}

// sourceUserLines say how many objects use a source, and name those that are not ready.
func sourceUserLines(users []view.User) []string {
	if len(users) == 0 {
		return []string{"nothing"}
	}

	var lines []string
	ready := 0
	for _, u := range users {
		if u.Phase == view.Ready {
			ready++
			continue
		}

		line := u.String() + " is " + string(u.Phase)
		if u.Message != "" {
			line += ": " + u.Message
		}

		lines = append(lines, line)
	}

	if len(lines) > maxHeldUp {
		lines = append(lines[:maxHeldUp], fmt.Sprintf("and %d more", len(lines)-maxHeldUp))
	}

	return append([]string{fmt.Sprintf("%d of %s ready", ready, plural(len(users), "object"))}, lines...)
}

// artifactLine says what is in the cache.
func (a *app) artifactLine(r view.SourceStatus) string {
	if r.Revision == "" {
		return "none yet"
	}
	line := r.Revision
	if r.Size > 0 {
		line += ", " + plural(int(r.Size), "byte")
	}
	return line + ", fetched " + orNone(a.age(r.UpdatedAt)) + " ago"
}
