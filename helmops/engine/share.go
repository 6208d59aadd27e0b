package engine

import (
	"context"
	"errors"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// loadError says that the chart of an action could not be loaded.
type loadError struct{ cause error }

func (e *loadError) Error() string { return e.cause.Error() }
func (e *loadError) Unwrap() error { return e.cause }

// hold does work with a share of the processor. A panic of the work is its error: what is in storage by then is read
// back all the same.
func (r *run) hold(work func() error) error {
	end, err := r.begin()
	defer end()
	if err != nil {
		return err
	}
	return guard.Do("running a Helm action", work)
}

// begin waits for a share of the processor, and loads the chart. The function that it returns gives everything back;
// it is never nil. An action with a chart to load waits in two queues, for to render takes a process and to write
// takes a share:
//
//	place among the charts ─► load ─► share ─► definitions ─► no share: render ─► share, no place: write
//
// So however many actions wait, few have a chart and manifests in memory; and charts that take long to render keep no
// share from others.
func (r *run) begin() (end func(), err error) {
	end = func() {
		r.share.Close()
		r.place.Close()
	}
	shares := r.engine.local
	charts := r.engine.localCharts
	if r.Access.Kubeconfig != nil {
		shares = r.engine.remote
		charts = r.engine.remoteCharts
	}

	work := fair.Work{Kind: kindOf(r.Action)}
	if r.Load != nil {
		work.Unwanted = r.Superseded
		if r.place, err = charts.TakeFor(r.ctx, r.Access.Namespace, work); err != nil {
			return end, unwanted(err)
		}
		if err = r.load(); err != nil {
			return end, err
		}
	}

	r.share, err = shares.TakeFor(r.ctx, r.Access.Namespace, work)
	return end, unwanted(err)
}

// Waiting is how many actions wait for their turn, but for those that wait for a share of the local cluster.
func (e *Engine) Waiting() int {
	sum := 0
	for _, shares := range []*fair.Shares{e.localCharts, e.remoteCharts, e.remote} {
		_, waiting, _ := shares.Count()
		sum += waiting
	}
	return sum
}

// load has the chart in memory.
func (r *run) load() error {
	err := guard.Do("loading a chart", func() (err error) {
		r.Chart, err = r.Load(r.ctx)
		return err
	})
	if err != nil {
		return &loadError{err}
	}
	return nil
}

// waitFor waits, without a share, for something that another process does. The action that comes back goes before
// those that have not begun.
func (r *run) waitFor(something func(context.Context) error) error {
	r.share.Release()
	defer func() { // also when it panics
		r.share.Acquire()
		r.place.Close()
	}()
	return whileWanted(r.ctx, r.Superseded, something)
}

// unwanted is the error of an action whose result is not wanted any more.
func unwanted(err error) error {
	if errors.Is(err, fair.ErrUnwanted) {
		return kubeclient.ErrSuperseded
	}
	return err
}

// kindOf returns which actions go first: what repairs the cluster, then what a release was begun with.
func kindOf(a Action) fair.Kind {
	switch a.Step {
	case plan.Correct, plan.Rollback:
		return fair.Urgent
	case plan.Test, plan.Resume, plan.Unlock, plan.Claim:
		return fair.Continuing
	default:
		return fair.Ordinary
	}
}
