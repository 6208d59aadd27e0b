package engine

import (
	"errors"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
)

// orCancelled is the error of an action that ended with err: that a user cancelled it, when it ended before it wrote
// anything because of that.
func (a Action) orCancelled(err error) error {
	if !errors.Is(err, kubeclient.ErrSuperseded) {
		return err
	}

	select {
	case <-a.Cancelled:
		return &kubeclient.CancelledError{}
	default:
		return err
	}
}

// orCancelled is the error of a run that ended with err: that a user cancelled it, when a wait ended because of that.
// Helm hands the errors of hooks on as text only.
func (r *run) orCancelled(err error) error {
	if err == nil || r.client == nil || r.client.Cancelled() == nil {
		return r.Action.orCancelled(err)
	}
	return r.client.Cancelled()
}
