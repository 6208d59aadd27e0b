package view

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/values"
)

const (
	// maxSuspects bounds the objects that are named with what a failed revision changed of them, maxSuspectFields the
	// fields of each.
	maxSuspects      = 5
	maxSuspectFields = 5
	// MaxSince bounds the revisions that are read to find out since when a value is as it is.
	MaxSince = 10
)

// Declared is the Kustomization that declares a release.
type Declared struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Revision is what it applied last.
	Revision string `json:"revision,omitempty"`
}

// WithSuspects notes what the failed revision changed of the objects that failed, out of all that it changed. The
// fields that the failure names come first, and so do those whose new value it quotes. No value is kept. It returns the
// objects, for AddCauses.
func (e *Explanation) WithSuspects(changes []ObjectDifference, namespace string) []*ObjectDifference {
	if e.Introduced == nil || e.LastFailure == nil {
		return nil
	}

	for _, o := range changes {
		texts := e.failureTexts(o, namespace)
		if len(texts) == 0 || len(e.Introduced.Objects) == maxSuspects {
			continue
		}

		e.Introduced.Objects = append(e.Introduced.Objects, suspectOf(o, strings.Join(texts, "\n")))
	}

	out := make([]*ObjectDifference, 0, len(e.Introduced.Objects))
	for i := range e.Introduced.Objects {
		out = append(out, &e.Introduced.Objects[i])
	}

	return out
}

// failureTexts are what is said of the failure of an object; none where it has not failed.
func (e *Explanation) failureTexts(o ObjectDifference, namespace string) []string {
	var out []string
	for _, h := range slices.Concat(e.LastFailure.Objects, e.Unhealthy) {
		at := cmp.Or(o.Namespace, namespace)
		if h.Kind == o.Kind && h.Group == o.Group && h.Name == o.Name && (h.Namespace == at || h.Namespace == "") {
			out = append(out, h.Message)
		}
	}
	if names(e.LastFailure.Message, o.Kind, o.Name) {
		out = append(out, e.LastFailure.Message)
	}
	return out
}

// names reports whether a text names an object: Deployment shop, Deployment/shop or Deployment web/shop.
func names(text, kind, name string) bool {
	for rest := text; ; {
		_, after, found := strings.Cut(rest, kind)
		if !found {
			return false
		}

		rest = after
		words := strings.FieldsFunc(after, func(r rune) bool { return strings.ContainsRune(" /:,;()\"", r) })
		if slices.Contains(words[:min(len(words), 2)], name) {
			return true
		}
	}
}

var (
	steps = regexp.MustCompile(`\[[^\]]*\]`)
	word  = regexp.MustCompile(`[\w.-]+`)
)

// suspectOf is an object with the fields that the failure is most likely about first, and without any value.
func suspectOf(o ObjectDifference, failure string) ObjectDifference {
	plain := steps.ReplaceAllString(failure, "")
	named := word.FindAllString(plain, -1)
	isNamed := func(f FieldDifference) bool {
		path := strings.TrimPrefix(steps.ReplaceAllString(f.Path, ""), ".")
		return slices.Contains(named, path) || len(f.To) > 3 && f.To != Masked && strings.Contains(failure, f.To)
	}

	fields := slices.Clone(o.Fields)
	rank := map[bool]int{true: 0, false: 1}
	slices.SortStableFunc(fields, func(a, b FieldDifference) int { return rank[isNamed(a)] - rank[isNamed(b)] })
	kept := fields[:min(len(fields), maxSuspectFields)]
	for i := range kept {
		kept[i].From, kept[i].To = "", ""
	}

	o.More += len(fields) - len(kept)
	o.Fields = kept
	return o
}

// Since returns the oldest revision of an unbroken row up to the last one in which a chart was given the same at a
// path, or had the same version where the path is empty. The contents are in the order of their revisions.
func Since(path string, contents []*engine.Content) int {
	since := 0
	var newest string
	for i, content := range slices.Backward(contents) {
		has := content.ChartName + " " + content.ChartVersion
		if path != "" {
			has = givenAt(content, path)
		}
		if i == len(contents)-1 {
			newest = has
		}
		if has != newest {
			break
		}

		since = content.Revision
	}

	return since
}

// givenAt tells the values of a path apart.
func givenAt(content *engine.Content, path string) string {
	keys, err := values.ParsePath(path)
	if err != nil {
		return ""
	}
	value, found := values.At(content.Values, keys)
	return fmt.Sprint(found, values.Digest(map[string]any{"": value}))
}

// Dated notes since which revision the causes of the suspects are as they are.
func (i *Introduced) Dated(contents []*engine.Content) {
	for _, c := range i.causes() {
		for n := range c.Changes {
			if change := &c.Changes[n]; change.Kind != CausePostRendering {
				change.SinceRevision = Since(change.Path, contents)
			}
		}
	}
}

func (i *Introduced) causes() []*Cause {
	var out []*Cause
	for _, o := range i.Objects {
		if o.Cause != nil {
			out = append(out, o.Cause)
		}
		for _, f := range o.Fields {
			if f.Cause != nil {
				out = append(out, f.Cause)
			}
		}
	}
	return out
}

var commitOf = regexp.MustCompile(`@sha1:([0-9a-f]{40})$`)

// WithCommands notes the commands that help with the failure.
func (e *Explanation) WithCommands() {
	i := e.Introduced
	if i == nil {
		return
	}

	of := fmt.Sprintf("release %s -n %s", e.Name, e.Namespace)
	if i.Bad == 0 {
		e.Commands = append(e.Commands, "fairlead plan "+of+" --causes")
	} else {
		e.Commands = append(e.Commands, fmt.Sprintf("fairlead diff %s --revision %d..%d", of, i.Good, i.Bad))
		e.Commands = append(e.Commands, fmt.Sprintf("fairlead rollback release %s %d -n %s --reason REASON",
			e.Name, i.Good, e.Namespace))
	}

	for _, commit := range i.commits() {
		short := commit[:12]
		text := fmt.Sprintf("git show %s, and git revert %s when it made the change", short, short)
		e.Commands = append(e.Commands, text)
	}
}

// commits are those that the causes came with: that of a values file where it is known, else that of the declaration.
func (i *Introduced) commits() []string {
	var out []string
	add := func(text string) {
		if found := commitOf.FindStringSubmatch(text); found != nil && !slices.Contains(out, found[1]) {
			out = append(out, found[1])
		}
	}

	for _, c := range i.causes() {
		for _, change := range c.Changes {
			add(change.Origin)
		}
	}

	if len(out) == 0 && i.DeclaredBy != nil {
		add(i.DeclaredBy.Revision)
	}

	return out
}

// DeclaredBy finds the Kustomization that declares a release in its trace; nil when there is none.
func DeclaredBy(trace Trace) *Declared {
	at := slices.IndexFunc(trace.Steps, func(s Step) bool { return s.Role == RoleKustomization })
	if at < 0 {
		return nil
	}
	step := trace.Steps[at]
	return &Declared{Namespace: step.Namespace, Name: step.Name, Revision: step.Revision}
}

// IsFailedInput reports whether inputs with these digests are what failed.
func IsFailedInput(f *v1beta1.LastFailure, chartDigest, configDigest string) bool {
	return f.ChartDigest == chartDigest && (f.ConfigDigest == "" || f.ConfigDigest == configDigest)
}
