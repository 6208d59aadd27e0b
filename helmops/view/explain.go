package view

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/plan"
)

// maxExplained bounds the objects, and the keys of values, that an explanation names.
const maxExplained = 10

// Explanation says why a release is as it is.
type Explanation struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Phase     Phase  `json:"phase"`
	// Healthy is set when it is Ready, its objects are healthy, none has drifted, and it is verified, not asked to be, or
	// healthy so far in its bake time.
	Healthy bool `json:"healthy"`
	// Summary says it in a sentence.
	Summary string `json:"summary"`
	// Unhealthy are the objects that are not healthy: as they are now where they could be looked at, else as the
	// controller saw them last.
	Unhealthy []v1beta1.ObjectHealth `json:"unhealthy"`
	// More is how many further ones there are.
	More int `json:"more,omitempty"`
	// Live tells that Unhealthy is what was found now.
	Live bool `json:"live"`
	// Crashes are containers that have crashed, with the end of their output where it was asked for and may be read.
	Crashes []CrashReport `json:"crashes"`
	// LastFailure is what failed last, until a revision is verified.
	LastFailure *v1beta1.LastFailure `json:"lastFailure,omitempty"`
	// Introduced is how what fails differs from what was good last; absent when nothing failed or nothing was good before.
	Introduced *Introduced `json:"introduced,omitempty"`
	// Drift is how objects were changed by others.
	Drift []v1beta1.ObjectDrift `json:"drift"`
	// Conditions Ready, Reconciling, Stalled, Healthy, Verified and Drifted as far as the release has them.
	Conditions []Condition `json:"conditions"`
	// NotTaken are charts that the source has and that the release does not take, and why.
	NotTaken []string `json:"notTaken,omitempty"`
	Next     Next     `json:"next"`
	// Then are further things to know about what happens next.
	Then []string `json:"then"`
	// Commands help with the failure: they show the change, or undo it.
	Commands []string `json:"commands,omitempty"`
	// Uninstall says what data an uninstall of the whole release would delete; absent when there is none.
	Uninstall []string `json:"uninstall,omitempty"`
	// Kept are objects that the chart no longer has and that were not deleted.
	Kept []v1beta1.KeptObject `json:"kept,omitempty"`
	// Notes say what could not be looked at.
	Notes []string `json:"notes"`
}

// CrashReport is a crash with the last lines of output.
type CrashReport struct {
	Crash
	Lines []string `json:"lines,omitempty"`
	// LogsError says why there are none.
	LogsError string `json:"logsError,omitempty"`
}

// Introduced compares what fails with the revision that was verified last.
type Introduced struct {
	// Good is the revision that was verified last, Bad the one that fails, 0 when none was made.
	Good int `json:"good"`
	Bad  int `json:"bad,omitempty"`
	// GoodChart and BadChart name version and digest.
	GoodChart v1beta1.ChartRevision `json:"goodChart"`
	BadChart  v1beta1.ChartRevision `json:"badChart"`
	// ChartChanged, ValuesChanged and RenderingChanged tell what is different; the last is about post renderers and common
	// metadata.
	ChartChanged     bool `json:"chartChanged"`
	ValuesChanged    bool `json:"valuesChanged"`
	RenderingChanged bool `json:"renderingChanged"`
	// ValueKeys are the paths of values that differ, without their values, where the Helm records may be read.
	ValueKeys []string `json:"valueKeys,omitempty"`
	// Objects that failed and that are different, with their fields and what caused these, without any value; where the
	// Helm records may be read.
	Objects []ObjectDifference `json:"objects,omitempty"`
	// DeclaredBy is the Kustomization that declares the release.
	DeclaredBy *Declared `json:"declaredBy,omitempty"`
}

// Explain puts together what the object and, unless it is nil, the live objects tell. It reads nothing.
func Explain(hr *v1beta1.HelmRelease, tree *Tree) Explanation {
	s := hr.Status
	out := Explanation{
		Namespace: hr.Namespace, Name: hr.Name, Phase: PhaseOf(hr), Unhealthy: slices.Clone(s.Unhealthy),
		Crashes:     []CrashReport{},
		LastFailure: s.LastFailure.DeepCopy(), Introduced: introduced(hr), Drift: orEmpty(slices.Clone(s.Drift)),
		Conditions: ofRevision(hr, explaining(hr)), Next: nextOf(hr), Then: orEmpty(then(hr)), Notes: []string{},
		NotTaken: notTaken(s),
	}
	if tree != nil {
		out.Notes = append(out.Notes, tree.Notes...)
		out.live(tree)
	}

	out.Unhealthy = orEmpty(out.Unhealthy)
	if n := len(out.Unhealthy) - maxExplained; n > 0 {
		out.Unhealthy = out.Unhealthy[:maxExplained]
		out.More = n
	}

	out.Crashes = out.Crashes[:min(len(out.Crashes), maxExplained)]
	verified := condition(hr, v1beta1.VerifiedCondition)
	out.Healthy = out.Phase == Ready && len(out.Unhealthy) == 0 && !isTrue(condition(hr, v1beta1.DriftedCondition)) &&
		(verified == nil || isTrue(verified) || bakesWell(hr)) && !isFalse(condition(hr, v1beta1.HealthyCondition))
	out.Summary = summary(hr, out)
	return out
}

// live takes over what was found now. Where an object could not be read, what the controller saw of it stands.
func (e *Explanation) live(tree *Tree) {
	had := e.Unhealthy
	e.Unhealthy = nil
	e.Live = len(tree.Objects) > 0
	for _, n := range tree.Objects {
		if n.State == StateUnknown {
			for _, h := range had {
				if h.Kind == n.Kind && h.Group == n.Group && h.Namespace == n.Namespace && h.Name == n.Name {
					e.Unhealthy = append(e.Unhealthy, h)
				}
			}

			e.Notes = append(e.Notes, n.Kind+" "+n.Name+": "+n.Message)
			continue
		}

		e.Crashes = append(e.Crashes, crashesIn(n)...)
		if n.State == string(health.Current) {
			continue
		}

		message := n.Message
		if cause := causeIn(n); cause != "" {
			message += "; " + cause
		}

		e.Unhealthy = append(e.Unhealthy, v1beta1.ObjectHealth{
			Kind: n.Kind, Group: n.Group, Namespace: n.Namespace, Name: n.Name, State: n.State, Message: message,
		})
	}

	if !e.Live {
		e.Unhealthy = had
	}
}

func crashesIn(n Node) []CrashReport {
	out := make([]CrashReport, 0, len(n.crashes))
	for _, c := range n.crashes {
		out = append(out, CrashReport{Crash: c})
	}
	for _, c := range n.Children {
		out = append(out, crashesIn(c)...)
	}
	return out
}

// causeIn names the first pod that does not run below an object, and why.
func causeIn(n Node) string {
	for _, c := range n.Children {
		if c.Kind == "Pod" && c.Group == "" && c.Message != "" && c.State != string(health.Current) {
			return "pod " + c.Name + ": " + c.Message
		}
		if cause := causeIn(c); cause != "" {
			return cause
		}
	}
	return ""
}

// bakesWell reports whether the newest revision is watched and was healthy so far.
func bakesWell(hr *v1beta1.HelmRelease) bool {
	newest := hr.Status.Latest()
	bake := hr.Status.Bake
	return bake != nil && bake.BadSince == nil && newest != nil && newest.Version == bake.Revision &&
		!isFalse(condition(hr, v1beta1.VerifiedCondition))
}

func isFalse(c *metav1.Condition) bool { return c != nil && c.Status == metav1.ConditionFalse }

func explaining(hr *v1beta1.HelmRelease) []Condition {
	out := []Condition{}
	for _, kind := range []string{v1beta1.ReadyCondition, v1beta1.ReconcilingCondition, v1beta1.StalledCondition,
		v1beta1.HealthyCondition, v1beta1.VerifiedCondition, v1beta1.DriftedCondition} {
		if c := condition(hr, kind); c != nil {
			out = append(out,
				Condition{
					Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message, Since: c.LastTransitionTime,
				})
		}
	}
	return out
}

// introduced compares what failed with what was verified last.
func introduced(hr *v1beta1.HelmRelease) *Introduced {
	s := hr.Status
	failed := s.LastFailure
	if failed == nil || s.LastVerified == nil {
		return nil
	}

	good := revisionOf(s.History, s.LastVerified.Revision)
	if good == nil {
		return nil
	}

	out := &Introduced{Good: int(good.Version), Bad: int(failed.Revision), GoodChart: *chartOf(*good),
		BadChart: v1beta1.ChartRevision{Name: good.ChartName, Version: failed.ChartVersion, Digest: failed.ChartDigest}}
	config := failed.ConfigDigest
	rendering := good.RenderDigest
	if bad := revisionOf(s.History, failed.Revision); bad != nil {
		out.BadChart, config, rendering = *chartOf(*bad), bad.ConfigDigest, bad.RenderDigest
	} else if plan.InputOfFailure(failed) == plan.InputOfAttempt(&s).Unrendered() {
		rendering = s.LastAttemptedRenderDigest
	}

	out.ChartChanged = out.GoodChart != out.BadChart
	out.ValuesChanged = config != "" && config != good.ConfigDigest
	out.RenderingChanged = rendering != good.RenderDigest
	return out
}

func revisionOf(history []v1beta1.Snapshot, version int32) *v1beta1.Snapshot {
	i := slices.IndexFunc(history, func(s v1beta1.Snapshot) bool { return version > 0 && s.Version == version })
	if i < 0 {
		return nil
	}
	return &history[i]
}

// then says what else decides what happens next.
func then(hr *v1beta1.HelmRelease) []string {
	var out []string
	s := hr.Status
	if b := s.Bake; b != nil {
		text := fmt.Sprintf("revision %d is watched until %s", b.Revision, utc(b.Until))
		if bakesWell(hr) {
			text += "; if it stays healthy until then, it is verified"
		}

		if b.BadSince != nil {
			text = fmt.Sprintf("revision %d is watched and not healthy since %s; if that lasts, it is rolled back where that "+
				"is allowed",
				b.Revision, utc(*b.BadSince))
		}

		if b.SuspendedAt != nil {
			text += "; the time does not pass while it is suspended"
		}

		out = append(out, text)
	}

	if f := s.LastFailure; f != nil && f.Inconclusive != "" {
		out = append(out, "the failure is not held against the revision: "+f.Inconclusive)
	}

	if bad, is := badNow(s); is && PhaseOf(hr) != Ready {
		out = append(out,
			fmt.Sprintf("chart %s with these values failed on %s (%s); %s",
				strings.TrimSpace(bad.ChartVersion+" "+v1beta1.ShortDigest(bad.ChartDigest)),
				utc(bad.Since), bad.Reason, plan.RetriesAfter))
	}

	if len(s.Rollbacks) > 0 && PhaseOf(hr) != Ready {
		r := s.Rollbacks[0]
		count, per := hr.GetRollbackBudget()
		out = append(out, fmt.Sprintf("the controller rolled it back from revision %d to %d on %s; it does so at most %d times in %s",
			r.From, r.To, utc(r.At), count, shortDuration(per)))
	}

	return out
}

// badNow finds the input that was attempted last among those that failed permanently.
func badNow(s v1beta1.HelmReleaseStatus) (v1beta1.KnownBad, bool) {
	attempted := plan.InputOfAttempt(&s)
	i := slices.IndexFunc(s.KnownBad, func(bad v1beta1.KnownBad) bool { return plan.InputOfBad(bad) == attempted })
	if i < 0 {
		return v1beta1.KnownBad{}, false
	}
	return s.KnownBad[i], true
}

func utc(t metav1.Time) string { return t.UTC().Format(time.RFC3339) }

func summary(hr *v1beta1.HelmRelease, e Explanation) string {
	if e.Healthy {
		text := "healthy"
		if v := condition(hr, v1beta1.VerifiedCondition); v != nil && !isTrue(v) {
			return fmt.Sprintf("healthy, revision %d is watched until %s before it is verified", hr.Status.Bake.Revision,
				utc(hr.Status.Bake.Until))
		}
		if v := hr.Status.LastVerified; v != nil {
			text += fmt.Sprintf(", revision %d is verified since %s", v.Revision, utc(v.At))
		}

		if held := hr.Status.Held; held != nil && held.Reason == v1beta1.HeldByWindow {
			return text + "; " + held.Message
		}

		return text + ", nothing pending"
	}

	if e.Phase != Ready {
		return strings.TrimSuffix(fmt.Sprintf("%s: %s", e.Phase, messageOf(hr)), ": ")
	}

	var parts []string
	if n := len(e.Unhealthy) + e.More; n > 0 {
		parts = append(parts, fmt.Sprintf("%d of its objects not healthy", n))
	} else if c := condition(hr, v1beta1.HealthyCondition); isFalse(c) {
		parts = append(parts, "objects not healthy when the controller looked: "+c.Message)
	}

	if n := len(e.Drift); n > 0 && isTrue(condition(hr, v1beta1.DriftedCondition)) {
		parts = append(parts, fmt.Sprintf("%d of its objects changed by others", n))
	}
	if v := condition(hr, v1beta1.VerifiedCondition); v != nil && !isTrue(v) {
		parts = append(parts, "not verified: "+v.Message)
	}

	return "Ready, but " + strings.Join(parts, "; ")
}

// ChangedKeys returns the paths of values that differ between two sets, sorted, without any value: at most limit, and
// how many more there are.
func ChangedKeys(a, b map[string]any, limit int) (keys []string, more int) {
	walkValues("", a, b, &keys)
	slices.Sort(keys)
	if len(keys) > limit {
		keys, more = keys[:limit], len(keys)-limit
	}
	return keys, more
}

func walkValues(path string, a, b map[string]any, keys *[]string) {
	names := map[string]bool{}
	for _, m := range []map[string]any{a, b} {
		for name := range maps.Keys(m) {
			names[name] = true
		}
	}

	for name := range names {
		x, inA := a[name]
		y, inB := b[name]
		at := path + "." + name
		mx, okA := x.(map[string]any)
		my, okB := y.(map[string]any)
		switch {
		case okA && okB:
			walkValues(at, mx, my, keys)
		case inA != inB || !reflect.DeepEqual(x, y):
			*keys = append(*keys, at)
		}
	}
}

// WithValueKeys names the keys of values that differ between the revision that was good and the one that failed.
func (e *Explanation) WithValueKeys(good, bad map[string]any) {
	if e.Introduced == nil {
		return
	}
	keys, more := ChangedKeys(good, bad, maxExplained)
	if more > 0 {
		keys = append(keys, fmt.Sprintf("and %d more", more))
	}
	e.Introduced.ValueKeys = keys
}

// Target names the Helm release of the object.
func Target(hr *v1beta1.HelmRelease) plan.Target {
	return plan.Target{
		Name: hr.GetReleaseName(), Namespace: hr.GetReleaseNamespace(), StorageNamespace: hr.GetStorageNamespace(),
	}
}
