package kubeclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fairlead.dev/fairlead/helmops/process/guard"
)

// CancelledError says that a user cancelled an action, and what it was waiting for.
type CancelledError struct {
	// During is what the action was waiting for; empty when it had not begun to write.
	During string
}

// Error implements error.
func (e *CancelledError) Error() string {
	if e.During == "" {
		return "a user cancelled it before anything was written"
	}
	return "a user cancelled it while " + e.During
}

// errCancelled is the cause of a context that ended because the action was cancelled.
var errCancelled = errors.New("a user cancelled the action")

// Cancelled returns why a wait of the action has ended with a CancelledError; nil when none has.
func (c *Client) Cancelled() *CancelledError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cancelled
}

// endCancelled notes that a user ended a wait, and returns the error for it. Helm hands some errors on as text only.
func (c *Client) endCancelled(during string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelled = &CancelledError{During: during}
	return c.cancelled
}

// uncancelled returns a context for a wait, which ends after the timeout or when the action is cancelled.
func (c *Client) uncancelled(timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	if c.options.Cancelled == nil {
		return ctx, cancel
	}

	ctx, end := context.WithCancelCause(ctx)
	guard.Go("waiting for a user to cancel", func() {
		select {
		case <-c.options.Cancelled:
			end(errCancelled)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		end(nil)
		cancel()
	}
}

// isCancelled reports whether a context of uncancelled has ended because the action was cancelled.
func isCancelled(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errCancelled) }

// unreadyText names objects that are not ready, of so many, with what they lack.
func unreadyText(lacking []unready, of int) string {
	named := make([]string, 0, maxNamed)
	for _, object := range lacking[:min(len(lacking), maxNamed)] {
		named = append(named, name(object.info)+": "+object.report.Message)
	}
	if len(lacking) > maxNamed {
		named = append(named, fmt.Sprintf("and %d more", len(lacking)-maxNamed))
	}
	return fmt.Sprintf("%d of %d objects were not ready: %s", len(lacking), of, strings.Join(named, "; "))
}
