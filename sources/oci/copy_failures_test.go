package oci

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/check"
	"fairlead.dev/fairlead/test/servers"
)

// Every failure says what another attempt would change.
func TestCopyFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		from   func(http.ResponseWriter, *http.Request) bool
		to     func(http.ResponseWriter, *http.Request) bool
		change func(*CopyOptions)
		reason string
		cause  error
		after  time.Duration
		says   string
	}{
		{name: "the destination is busy", to: answer(http.MethodPost, http.StatusTooManyRequests),
			reason: v1beta1.FetchFailedReason, after: 7 * time.Second},
		{name: "the destination is broken", to: answer(http.MethodPut, http.StatusInternalServerError),
			reason: v1beta1.FetchFailedReason, says: "500"},
		{name: "the destination wants credentials", to: answer(http.MethodPost, http.StatusUnauthorized),
			reason: v1beta1.AuthenticationFailedReason, says: "prod/app"},
		{name: "the source wants credentials", from: answer(http.MethodGet, http.StatusForbidden),
			reason: v1beta1.AuthenticationFailedReason, says: "403"},
		{name: "the source has lost it", change: func(o *CopyOptions) {
			o.Digest = "sha256:" + strings.Repeat("0", 64)
		}, reason: v1beta1.NotFoundReason, cause: ErrGone},
		{name: "too large", change: func(o *CopyOptions) { o.Bytes = 600 }, reason: v1beta1.InvalidContentReason,
			cause: ErrCopyTooLarge, says: "600 bytes"},
		{name: "no digest", change: func(o *CopyOptions) { o.Digest = "1.0.0" },
			reason: v1beta1.InvalidReferenceReason},
		{name: "no tag", change: func(o *CopyOptions) { o.Tag = "" }, reason: v1beta1.InvalidReferenceReason},
		{name: "a tag that is none", change: func(o *CopyOptions) { o.Channel = "a/b" },
			reason: v1beta1.InvalidReferenceReason},
		{name: "what comes before the tags fails", change: func(o *CopyOptions) {
			o.BeforeTags = func(context.Context) error { return sources.Fail("Mine", nil, "no") }
		}, reason: "Mine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var begun atomic.Bool
			guarded := func(f func(http.ResponseWriter, *http.Request) bool) servers.Options {
				return servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
					return begun.Load() && f != nil && f(w, r)
				}}
			}
			r := newRoute(t, serve(t, guarded(tt.from)), serve(t, guarded(tt.to)))
			begun.Store(true)
			change := tt.change
			if change == nil {
				change = func(*CopyOptions) {}
			}
			_, err := r.copy(change)
			begun.Store(false)
			failure := check.Failure(t, err, tt.reason, tt.says)
			if tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("got %v, want %v", err, tt.cause)
			}
			if at := tt.from != nil || errors.Is(err, ErrGone) || errors.Is(err, ErrCopyTooLarge); AtSource(err) != at {
				t.Errorf("it failed at the source: %t, want %t", AtSource(err), at)
			}
			if tt.after > 0 && failure.RetryAfter() != tt.after {
				t.Errorf("it may be tried again after %s, want %s", failure.RetryAfter(), tt.after)
			}
			if _, err := r.target.Resolve(t.Context(), "1.0.0"); err == nil && tt.name != "a tag that is none" {
				t.Error("the tag is there")
			}
		})
	}
}

// answer answers requests of a method with a status.
func answer(method string, status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method {
			return false
		}
		w.Header().Set("Retry-After", "7")
		if status != http.StatusTooManyRequests {
			w.Header().Del("Retry-After")
		}
		w.WriteHeader(status)
		return true
	}
}

// A copy that ends at any request is completed by the next.
func TestCopyIsCompletedLater(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var left atomic.Int64
			left.Store(1 << 30)
			to := kind(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
				if left.Add(-1) >= 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
					return false
				}
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}})
			r := newRoute(t, serve(t, servers.Options{}), to)
			for requests := range int64(60) {
				left.Store(requests)
				if _, err := r.copy(); err == nil {
					break
				}
			}
			left.Store(1 << 30)
			if _, err := r.copy(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r.referrers(r.source), r.referrers(r.target)); diff != "" {
				t.Errorf("referrers (-source +destination):\n%s", diff)
			}
			tags, err := r.target.Tags(t.Context())
			if err != nil || !slices.Contains(tags, "1.0.0") {
				t.Errorf("the tags are %v, %v", tags, err)
			}
		})
	}
}

// More referrers than are allowed are refused before anything is written.
func TestTooManyReferrers(t *testing.T) {
	t.Parallel()
	from := kinds["api"](t, servers.Options{})
	r := newRoute(t, from, serve(t, servers.Options{}))
	subject, err := r.source.remote.Resolve(t.Context(), r.digest)
	if err != nil {
		t.Fatal(err)
	}
	unlimited, err := from.Repository("charts/app")
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxReferrers {
		refer(t, unlimited, subject, "application/vnd.example.note"+strings.Repeat("x", i))
	}
	if _, err := r.copy(); !errors.Is(err, ErrCopyTooLarge) || len(puts(r.to)) > 0 {
		t.Errorf("got %v, and it wrote %v", err, puts(r.to))
	}
}
