package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes/scheme"
)

// ErrFenced says that a write was not sent because this process may no longer be the leader. Another process continues
// with the work; trying again in this one helps only if it renews the lease after all.
var ErrFenced = errors.New("not sent: this process may no longer be the leader")

// maxLease bounds what is read of a lease, in bytes.
const maxLease = 64 << 10

// Fence keeps a process that was paused, or cut off from the API server, from writing after its deadline, even before
// it notices that it lost the lease. It watches the lease being renewed and refuses every other write once the last
// renewal, counted from when its request was started, is older than the deadline. So nothing is written before the
// first renewal, nor after the lease is given up. Reviews, which change nothing, pass. It is safe for concurrent use.
type Fence struct {
	namespace, name string
	deadline        time.Duration
	now             func() time.Time

	mu      sync.Mutex
	renewed time.Time

	refused atomic.Int64
}

// Refused is how many writes were not sent because the lease was not held, or not renewed in time.
func (f *Fence) Refused() int64 { return f.refused.Load() }

// NewFence returns the fence of a lease. The deadline is the renew deadline of the leader election, and less than the
// duration of the lease by as long as a request may be on its way.
func NewFence(namespace, name string, deadline time.Duration, now func() time.Time) *Fence {
	return &Fence{namespace: namespace, name: name, deadline: deadline, now: now}
}

// Elector wraps the transport of the cluster that holds the lease; it is for rest.Config.Wrap.
func (f *Fence) Elector(next http.RoundTripper) http.RoundTripper {
	return fenced{fence: f, next: next, elects: true}
}

// Guard wraps the transport of any other cluster, where a lease of the same name means nothing.
func (f *Fence) Guard(next http.RoundTripper) http.RoundTripper { return fenced{fence: f, next: next} }

// check returns an error once the deadline has passed, by the clock of the machine or by the calendar: one of them
// advances while the machine is suspended.
func (f *Fence) check() error {
	f.mu.Lock()
	renewed := f.renewed
	f.mu.Unlock()
	if renewed.IsZero() {
		return fmt.Errorf("the lease %s/%s is not held; %w", f.namespace, f.name, ErrFenced)
	}

	now := f.now()
	age := max(now.Sub(renewed), now.Round(0).Sub(renewed.Round(0)))
	if age >= f.deadline {
		return fmt.Errorf("the lease %s/%s was renewed %s ago, the deadline is %s; %w",
			f.namespace, f.name, age.Round(time.Millisecond), f.deadline, ErrFenced)
	}

	return nil
}

// renew takes the later of two renewals, which may be answered out of order.
func (f *Fence) renew(started time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if started.After(f.renewed) {
		f.renewed = started
	}
}

// release is final until the lease is acquired again.
func (f *Fence) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed = time.Time{}
}

// unfenced is the key of a context whose writes pass.
type unfenced struct{}

// Unfenced returns a context whose writes pass the fence in any replica. It is for writes that any process may make at
// any time, as often as it likes: a reconcile request, which only has the leader look at an object.
func Unfenced(ctx context.Context) context.Context { return context.WithValue(ctx, unfenced{}, true) }

type fenced struct {
	fence  *Fence
	next   http.RoundTripper
	elects bool
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (t fenced) WrappedRoundTripper() http.RoundTripper { return t.next }

var _ utilnet.RoundTripperWrapper = fenced{}

// RoundTrip implements http.RoundTripper.
func (t fenced) RoundTrip(request *http.Request) (*http.Response, error) {
	switch {
	case !mutates(request), request.Context().Value(unfenced{}) != nil:
		return t.next.RoundTrip(request)
	case t.elects && t.isLease(request):
		return t.elect(request)
	}

	if err := t.fence.check(); err != nil {
		t.fence.refused.Add(1)
		if request.Body != nil {
			_ = request.Body.Close()
		}

		return nil, err
	}

	return t.next.RoundTrip(request)
}

// elect lets a write of the lease pass and draws the conclusion. Giving the lease up counts from when it is started:
// from then on another process may hold it.
func (t fenced) elect(request *http.Request) (*http.Response, error) {
	started := t.fence.now()
	holder := leaseIn(request).Spec.HolderIdentity
	holds := request.Method != http.MethodDelete && holder != nil && *holder != ""
	if !holds {
		t.fence.release()
	}

	response, err := t.next.RoundTrip(request)
	if err == nil && holds && response.StatusCode >= 200 && response.StatusCode < 300 {
		t.fence.renew(started)
	}

	return response, err
}

// isLease reports whether a request writes the lease; the name of one that is created is in the body.
func (t fenced) isLease(request *http.Request) bool {
	collection := "/apis/coordination.k8s.io/v1/namespaces/" + t.fence.namespace + "/leases"
	if request.Method == http.MethodPost {
		return strings.HasSuffix(request.URL.Path, collection) && leaseIn(request).Name == t.fence.name
	}
	return strings.HasSuffix(request.URL.Path, collection+"/"+t.fence.name)
}

// leaseIn returns the lease in the body of a request, an empty one when it cannot be read: what is not known to be a
// renewal is none.
func leaseIn(request *http.Request) *coordinationv1.Lease {
	none := &coordinationv1.Lease{}
	if request.GetBody == nil {
		return none
	}

	body, err := request.GetBody()
	if err != nil {
		return none
	}

	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxLease))
	if err != nil {
		return none
	}

	kind := coordinationv1.SchemeGroupVersion.WithKind("Lease")
	lease := &coordinationv1.Lease{}
	if _, _, err := scheme.Codecs.UniversalDeserializer().Decode(content, &kind, lease); err != nil {
		return none
	}

	return lease
}

func mutates(request *http.Request) bool {
	switch request.Method {
	case http.MethodPost:
		return !isReview(request.URL.Path)
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// isReview knows the resources that are posted only to ask something.
func isReview(path string) bool {
	if !strings.Contains(path, "/apis/authorization.k8s.io/") && !strings.Contains(path, "/apis/authentication.k8s.io/") {
		return false
	}
	return strings.HasSuffix(path, "reviews")
}
