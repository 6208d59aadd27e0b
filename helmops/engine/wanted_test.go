package engine

import (
	"context"
	"errors"
	"testing"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
)

// A rendering that takes long, or waits for its share of the processes, ends when a newer desired state supersedes it.
func TestWorkThatIsNotWantedAnyMoreEnds(t *testing.T) {
	superseded := make(chan struct{})
	err := whileWanted(t.Context(), superseded, func(ctx context.Context) error {
		close(superseded)
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, kubeclient.ErrSuperseded) || !IsSuperseded(err) {
		t.Errorf("error = %v, want %v", err, kubeclient.ErrSuperseded)
	}
}

func TestWorkThatIsWantedKeepsItsError(t *testing.T) {
	failed := errors.New("as arranged")
	for _, want := range []error{nil, failed} {
		got := whileWanted(t.Context(), make(chan struct{}), func(context.Context) error { return want })
		if !errors.Is(got, want) {
			t.Errorf("error = %v, want %v", got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := whileWanted(ctx, nil, func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || IsSuperseded(err) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
}
