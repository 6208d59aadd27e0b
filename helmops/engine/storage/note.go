package storage

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/values"
)

const (
	// Annotation holds, as JSON, what Fairlead knows of a record that it wrote last.
	Annotation = "fairlead.dev/record"
	// maxNote bounds the annotation; all annotations of an object together may have 256 KiB.
	maxNote = 16 << 10
	// maxDescription bounds the description of a revision outside of the record itself.
	maxDescription = 512
)

// Note is what is known of the revisions that an action creates, besides what Helm stores.
type Note struct {
	// ChartDigest is the exact chart, ConfigDigest the values the user gave (taken from the release when it is empty),
	// RenderDigest what was rendered of them.
	ChartDigest, ConfigDigest, RenderDigest string
	// ApplyMethod is how their objects are written. Helm 4 reads it in the record, and continues with it.
	ApplyMethod plan.ApplyMethod
	// Owner is the HelmRelease that the action is done for. It is written into every record that the action writes; zero
	// keeps the owner that a record has.
	Owner plan.Owner
}

// noted is the annotation of a record.
type noted struct {
	Namespace    string `json:"namespace"`
	Status       string `json:"status"`
	ChartName    string `json:"chart,omitempty"`
	ChartVersion string `json:"version,omitempty"`
	AppVersion   string `json:"appVersion,omitempty"`
	ChartDigest  string `json:"chartDigest,omitempty"`
	ConfigDigest string `json:"configDigest,omitempty"`
	RenderDigest string `json:"renderDigest,omitempty"`
	// Content is the digest of the record this was noted on; another one was written by another client.
	Content string `json:"content"`
	// Outcome is how the revision ended, Action what made it; each is empty in what versions before 0.1 wrote.
	Outcome       plan.RevisionOutcome `json:"outcome,omitempty"`
	Action        plan.Step            `json:"action,omitempty"`
	Description   string               `json:"description,omitempty"`
	FirstDeployed time.Time            `json:"firstDeployed,omitzero"`
	LastDeployed  time.Time            `json:"lastDeployed,omitzero"`
	Deleted       time.Time            `json:"deleted,omitzero"`
	Tests         []testNote           `json:"tests,omitempty"`
	ForwardOnly   string               `json:"forwardOnly,omitempty"`
	// ApplyMethod is as the record has it.
	ApplyMethod string `json:"applyMethod,omitempty"`
	// Degraded names the parts of the chart that the record leaves out.
	Degraded []string `json:"degraded,omitempty"`
	// Partial is set when not everything found room here, so that the record itself has to be read.
	Partial bool `json:"partial,omitempty"`
}

type testNote struct {
	Name      string    `json:"name"`
	Phase     string    `json:"phase,omitempty"`
	Started   time.Time `json:"started,omitzero"`
	Completed time.Time `json:"completed,omitzero"`
}

// parseNote returns nil for what is no annotation of ours.
func parseNote(text string) *noted {
	if text == "" || len(text) > 2*maxNote {
		return nil
	}
	n := &noted{}
	if err := json.Unmarshal([]byte(text), n); err != nil || n.Content == "" {
		return nil
	}
	n.Description, n.ForwardOnly = bound(n.Description), bound(n.ForwardOnly)
	return n
}

// text is what is written, less when it would be too long.
func (n noted) text() string {
	text, err := json.Marshal(n)
	if err == nil && len(text) <= maxNote {
		return string(text)
	}

	// Digests and names of objects are bounded; what comes from the chart is not.
	short := noted{
		Namespace: n.Namespace, Status: n.Status, ChartDigest: n.ChartDigest, ConfigDigest: n.ConfigDigest,
		RenderDigest: n.RenderDigest,
		Content:      n.Content, Degraded: n.Degraded, ForwardOnly: n.ForwardOnly, ApplyMethod: n.ApplyMethod, Partial: true,
		Outcome: n.Outcome, Action: n.Action,
	}
	text, _ = json.Marshal(short) // strings and a bool
	return string(text)
}

// note makes the annotation for a release that is about to be written over a record with the annotation before, which
// is nil when another Helm client wrote that one. failsAs is the outcome of a revision that fails by this write.
func note(rel *release.Release, data packed, given Note, before *noted, failsAs plan.RevisionOutcome) noted {
	record := recordOf(rel)
	n := noted{
		Namespace: record.Namespace, Status: record.Status, Description: record.Description, Content: digest(data.data),
		ChartName: record.Chart.Name, ChartVersion: record.Chart.Version, AppVersion: record.AppVersion,
		ChartDigest: given.ChartDigest, ConfigDigest: given.ConfigDigest, RenderDigest: given.RenderDigest,
		FirstDeployed: record.FirstDeployed, LastDeployed: record.LastDeployed, Deleted: record.Deleted,
		Degraded:    data.degraded,
		ForwardOnly: record.ForwardOnly, ApplyMethod: string(data.method),
		Outcome: outcomeOf(rel, before, failsAs), Action: record.Action,
	}
	for _, test := range record.Tests {
		n.Tests = append(n.Tests, testNote(test))
	}

	if before != nil {
		n.ChartDigest = before.ChartDigest
		n.ConfigDigest = before.ConfigDigest
		n.RenderDigest = before.RenderDigest
		n.Degraded = stillDegraded(rel, before.Degraded, data.degraded)
		n.Action = cmp.Or(before.Action, n.Action)
	}

	if n.ConfigDigest == "" {
		n.ConfigDigest = configDigest(rel)
	}

	return n
}

// stillDegraded adds to the parts that are left out now those that were left out before and did not come back.
func stillDegraded(rel *release.Release, before, now []string) []string {
	out := slices.Clone(now)
	for _, part := range before {
		back := rel.Chart != nil &&
			(part == degradedFiles && len(rel.Chart.Files) > 0 || part == degradedTemplates && len(rel.Chart.Templates) > 0)
		if !back && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	slices.Sort(out)
	return out
}

// record returns what the annotation says of a record of that version.
func (n *noted) record(version int, modified time.Time) plan.Record {
	record := plan.Record{
		Version: version, Status: n.Status, Description: n.Description, Namespace: n.Namespace,
		Chart: v1beta1.ChartRevision{Name: n.ChartName, Version: n.ChartVersion}, AppVersion: n.AppVersion, Ours: true,
		FirstDeployed: n.FirstDeployed, LastDeployed: n.LastDeployed, Deleted: n.Deleted, Modified: modified,
		ForwardOnly: n.ForwardOnly, ApplyMethod: plan.ApplyMethodOf(n.ApplyMethod),
		Outcome: outcomeOfText(n.Status, n.Description), Action: actionOfText(n.Status, n.Description),
	}
	for _, test := range n.Tests {
		record.Tests = append(record.Tests, plan.TestRun(test))
	}

	n.supplement(&record)
	return record
}

// supplement adds what Helm does not store.
func (n *noted) supplement(record *plan.Record) {
	record.Ours = true
	record.Digest = n.Content
	record.Chart.Digest = n.ChartDigest
	record.ConfigDigest = n.ConfigDigest
	record.RenderDigest = n.RenderDigest
	record.Outcome = cmp.Or(n.Outcome, record.Outcome)
	record.Action = cmp.Or(n.Action, record.Action)
	record.Degraded = strings.Join(n.Degraded, ",")
}

// recordOf returns what a release itself says.
func recordOf(rel *release.Release) plan.Record {
	record := plan.Record{
		Version: rel.Version, Status: rel.Info.Status.String(), Description: bound(rel.Info.Description),
		Namespace:     rel.Namespace,
		FirstDeployed: rel.Info.FirstDeployed.Time, LastDeployed: rel.Info.LastDeployed.Time, Deleted: rel.Info.Deleted.Time,
		ForwardOnly: forwardOnlyOf(rel),
	}
	record.Outcome = outcomeOfText(record.Status, record.Description)
	record.Action = actionOfText(record.Status, record.Description)
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		meta := rel.Chart.Metadata
		record.Chart.Name = meta.Name
		record.Chart.Version = meta.Version
		record.AppVersion = meta.AppVersion
	}

	for _, hook := range rel.Hooks {
		if slices.Contains(hook.Events, release.HookTest) {
			run := hook.LastRun
			record.Tests = append(record.Tests, plan.TestRun{
				Name: hook.Name, Phase: run.Phase.String(), Started: run.StartedAt.Time, Completed: run.CompletedAt.Time,
			})
		}
	}

	return record
}

// bound cuts a description between two characters.
func bound(text string) string {
	if len(text) <= maxDescription {
		return text
	}
	end := maxDescription
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func configDigest(rel *release.Release) string { return values.Digest(rel.Config) }
