package loop

import "context"

// followUp is what a Reconcile has to do once its status is written.
type followUp struct{ act func(context.Context) }

type followUpKey struct{}

// Following returns a context for a Reconcile in which Then works, and a function that does what Then was given. That
// function is called once the status is written, and reports whether there was something to do.
func Following(ctx context.Context) (handling context.Context, follow func(context.Context) bool) {
	f := &followUp{}
	return context.WithValue(ctx, followUpKey{}, f), func(ctx context.Context) bool {
		if f.act == nil {
			return false
		}
		f.act(ctx)
		return true
	}
}

// Then makes the loop call act right after it has written the status that the Reconcile of ctx leaves, on the same
// worker. So an effect that has to follow its record does not wait for another turn of the object in the queue. act is
// not called when the status could not be written; what it does not get done has to be done by the next Reconcile. The
// next Reconcile that was asked for comes after those of objects that changed. A context of no Reconcile ignores it.
func Then(ctx context.Context, act func(context.Context)) {
	if f, ok := ctx.Value(followUpKey{}).(*followUp); ok {
		f.act = act
	}
}
