package release

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/window"
)

// denies has a window that denies an hour each day, from a moment after noon on, when the stories begin.
func (w *world) denies(change ...func(*window.Window)) {
	w.say("a window denies 12:00 to 13:00")
	denied := window.Window{Deny: true, Cron: "0 12 * * *", Duration: time.Hour, Overrun: true}
	for _, c := range change {
		c(&denied)
	}
	calendar, err := window.NewCalendar([]window.Window{denied})
	if err != nil {
		w.t.Fatal(err)
	}
	w.in.Windows = plan.Windows{Calendar: calendar}
}

// once decides and acts one time.
func (w *world) once() {
	decision, err := decide(w.t.Context(), w.runner, w.hr, w.in)
	if err != nil {
		w.t.Fatal(err)
	}
	w.act(decision.Plan)
}

func retriesOnFailure(hr *v1beta1.HelmRelease) {
	hr.Spec.Upgrade = &v1beta1.Upgrade{Strategy: &v1beta1.FailureStrategy{Name: v1beta1.RetryOnFailure}}
}

// windowScenarios are about windows that hold what is new.
var windowScenarios = []scenario{
	{name: "a window holds an upgrade", play: func(w *world) {
		w.settle(0)
		w.denies()
		w.say("1.1.0 is wanted")
		w.wants("1.1.0")
		w.settle(0)
		w.settle(2 * time.Hour)
	}},
	{name: "a window holds the first install", play: func(w *world) {
		w.denies()
		w.settle(0)
		w.settle(2 * time.Hour)
	}},
	{name: "an upgrade fails and its repetition is held", script: script{plan.Upgrade: {breaks}},
		spec: []func(*v1beta1.HelmRelease){retriesOnFailure}, play: func(w *world) {
			w.settle(0)
			w.wants("1.1.0")
			w.once()
			w.denies()
			w.settle(0)
			w.settle(2 * time.Hour)
		}},
	{name: "a window closes between the uninstall and the install of another chart", play: func(w *world) {
		w.settle(0)
		w.say("another chart is wanted")
		w.wants("2.0.0")
		w.in.Chart.Name = "shop"
		w.once()
		w.denies()
		w.settle(0)
	}},
	{name: "a window holds the rollback", script: script{plan.Upgrade: {breaks}}, play: func(w *world) {
		w.settle(0)
		w.wants("1.1.0")
		w.once()
		w.denies(func(held *window.Window) { held.HoldsRepairs = true })
		w.settle(0)
		w.settle(2 * time.Hour)
	}},
}
