package plan

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// running is what is observed while an action runs.
func running(action Step, elapsed time.Duration, generation int64, outdated *bool) Observed {
	return Observed{Running: &Running{Action: action, Elapsed: elapsed, Generation: generation, Outdated: outdated}}
}

func TestDecideWhileAnActionRuns(t *testing.T) {
	t.Parallel()
	isNo := false
	isYes := true
	for _, tt := range []struct {
		name     string
		observed Observed
		want     Plan
	}{
		{
			name: "whether its inputs are still wanted is looked up", observed: running(Upgrade, 0, 1, nil),
			want: Plan{Step: Need, Fact: FactOutdated},
		},
		{
			name: "they are", observed: running(Upgrade, Slow/4, 1, &isNo),
			want: Plan{Step: Wait, After: Slow * 3 / 4},
		},
		{
			name: "they are not", observed: running(Upgrade, Slow/4, 1, &isYes),
			want: Plan{Step: Wait, After: Slow * 3 / 4, Outdated: true},
		},
		{
			name: "the spec is another one by now", observed: running(Install, 0, 0, nil),
			want: Plan{Step: Wait, After: Slow, Outdated: true},
		},
		{
			name: "a rollback is never outdated", observed: running(Rollback, 0, 0, &isYes),
			want: Plan{Step: Wait, After: Slow},
		},
		{
			name: "a correction has no inputs", observed: running(Correct, 0, 1, nil),
			want: Plan{Step: Wait, After: Slow},
		},
		{
			name: "a correction for another spec", observed: running(Correct, 0, 0, nil),
			want: Plan{Step: Wait, After: Slow, Outdated: true},
		},
		{
			name: "it takes long", observed: running(Upgrade, time.Minute, 1, &isNo),
			want: Plan{Step: Wait, Progress: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Decide(desired(), tt.observed, now)
			same := got.Step == tt.want.Step && got.Fact == tt.want.Fact && got.After == tt.want.After
			if !same || got.Outdated != tt.want.Outdated || got.Progress != tt.want.Progress {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Facts are looked up one after the other, and each only when it is needed.
func TestTheOrderOfFacts(t *testing.T) {
	t.Parallel()
	o := Observed{}
	for _, want := range []Fact{FactInputs, FactHistory, FactObjects, FactDependencies} {
		p := Decide(desired(), o, now)
		if p.Step != Need || p.Fact != want {
			t.Fatalf("%s %s, want the fact %s", p.Step, p.Fact, want)
		}
		switch want {
		case FactInputs:
			o.Inputs = &Inputs{}
		case FactHistory:
			o.History = &History{}
		case FactObjects:
			o.Looked = true
		default:
			o.Dependencies = &Dependencies{}
		}
	}
	if p := Decide(desired(), o, now); p.Step != Install {
		t.Errorf("%s (%s), want an install", p.Step, p.Reason)
	}
}

func TestWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	const noSource = "GitRepository fleet is not ready"
	sourceless := func(o Observed) Observed {
		o.Inputs = &Inputs{Unsourced: noSource}
		return o
	}
	waiting := observed()
	waiting.Dependencies = &Dependencies{Blocked: true}
	missing := observed()
	missing.Inputs = &Inputs{Blocked: true}
	asleep := observed(record(1, StatusDeployed, chart1))
	asleep.Looked = false
	suspends := func(d *Desired) { d.Suspended = true }
	newer := func(d *Desired) { d.Chart = chart2 }
	for _, tt := range []decision{
		{name: "inputs are missing", desired: desired(), observed: missing, step: Wait, reason: ReasonBlocked},
		{name: "a dependency", desired: desired(), observed: waiting, step: Wait, reason: ReasonBlocked},
		{
			name: "a source without an answer, and an upgrade", desired: desired(newer),
			observed: sourceless(observed(record(1, StatusDeployed, chart1))), step: Wait, reason: ReasonUnsourced,
			message: noSource,
		},
		{
			name: "a source without an answer, and nothing to do", desired: desired(),
			observed: sourceless(observed(record(1, StatusDeployed, chart1))), step: None, reason: ReasonInSync,
		},
		{
			name: "the objects of a suspended release are looked at", desired: desired(suspends), observed: asleep,
			step: Need, reason: string(FactObjects),
		},
		{
			name: "nothing else is done with it", desired: desired(suspends),
			observed: observed(record(1, StatusFailed, chart1)), step: None, reason: v1beta1.SuspendedReason,
		},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestANoteGoesWithThePlan(t *testing.T) {
	t.Parallel()
	o := observed(record(1, StatusDeployed, chart1))
	for note, in := range map[string]Inputs{
		"": {}, "version 2.0.0 is held": {Note: "version 2.0.0 is held"},
		"it stays at this chart, because there is no source": {Unsourced: "there is no source", Note: "not this one"},
	} {
		o.Inputs = &in
		if p := Decide(desired(), o, now); p.Step != None || p.Note != note {
			t.Errorf("%s with the note %q, want %q", p.Step, p.Note, note)
		}
	}
}

func TestWhatNeedsAChart(t *testing.T) {
	t.Parallel()
	for want, plans := range map[bool][]Plan{
		true: {{Step: Install}, {Step: Upgrade}, {Step: Compare},
			{Step: Inspect, Reason: ReasonAdopting}, {Step: Uninstall, Reason: ReasonRenamed}},
		false: {{Step: None}, {Step: Wait}, {Step: Correct}, {Step: Inspect,
			Reason: ReasonDrifted},
			{Step: Test}, {Step: Rollback}, {Step: Resume}, {Step: Claim}, {Step: Unlock}},
	} {
		for _, p := range plans {
			if p.NeedsChart() != want {
				t.Errorf("%s (%s): %t", p.Step, p.Reason, !want)
			}
		}
	}
}
