// Package kubeclient is Helm's way to the objects of a release. It writes by server-side apply, asks the tracker
// instead of the API server what exists and what is ready, and gives its share of the processor back while it waits.
//
//	Helm action ─► Build ─► Create, Update ─► write ─┬─ nothing changed: no request
//	                                                 ├─ absent:          apply that only creates
//	                                                 ├─ there:           apply
//	                                                 ├─ refused as typed: Helm's own client-side way
//	                                                 └─ client-side:     create, or patch by a comparison of three
//	            ─► Wait, WatchUntilReady, WaitForDelete ─► tracker
package kubeclient

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/definition"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/process/guard"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// FieldManager is the name under which objects are written, the same as the helm command's, so that both work on the
// objects of one release.
const FieldManager = "helm"

// requestTimeout bounds one request. Admission webhooks have 30 s at most.
const requestTimeout = time.Minute

// CPUSemaphore is the caller's share of the processor, which it gives back while it waits.
type CPUSemaphore interface {
	Release()
	Acquire()
}

// Identity is a cluster as one user sees it.
type Identity interface {
	REST(version schema.GroupVersion) (rest.Interface, error)
	Dynamic() dynamic.Interface
	Metadata() metadata.Interface
	Kube() kubernetes.Interface
	Getter(namespace string) genericclioptions.RESTClientGetter
}

// Journal notes how far an action has come, so that another process can continue it.
type Journal interface {
	// HookDone notes that the Job or Pod of a hook has ended.
	HookDone(kind, namespace, name string, succeeded bool)
}

// Options of a client.
type Options struct {
	// Release and Namespace name the Helm release.
	Release, Namespace string
	// StorageNamespace is where the records of the release are.
	StorageNamespace string
	// Timeout of each wait.
	Timeout time.Duration
	// Owner is the HelmRelease among the tracker's users. Its objects are judged for it alone.
	Owner string
	// Superseded is closed when the release is not wanted any more as it is being made. Nil is never.
	Superseded <-chan struct{}
	// Cancelled is closed, before Superseded, when a user cancels the action. Nil is never.
	Cancelled <-chan struct{}
	// Leftovers are the manifests of failed revisions whose objects may be in the cluster, newest first.
	Leftovers []string
	// KeepForeign fails on objects that exist and belong to no release, instead of taking them over.
	KeepForeign bool
	// Health judges objects that are waited for; nil for the usual rules.
	Health *health.Rules
	// Rollback is set when the action goes back to an earlier revision.
	Rollback *Rollback
	// ClientSide has objects created and patched as Helm does without server-side apply.
	ClientSide bool
	// Keep says what is not deleted.
	Keep Keep
	// Uninstalls is set when the action uninstalls the release. Objects of a kind that the cluster no longer serves went
	// with their kind, and are left out of manifests. Hooks are not: what they are for would be skipped.
	Uninstalls bool
	// Begun is when another process began the revision that the client finishes; zero for a revision of its own. Pods
	// that were made since then belong to the revision.
	Begun time.Time
	// Now is the clock.
	Now func() time.Time
	// Journal of the action; nil for none.
	Journal Journal
	// Secret is called with every Secret that the client reads, in a manifest or in the cluster. It may be called by
	// several goroutines, and must not change the object. Nil for none.
	Secret func(object map[string]any)
}

// Client implements kube.Interface for one action.
type Client struct {
	// Client is Helm's own. It serves objects that cannot be applied, and the parts of the interface that no action uses.
	*kube.Client
	ctx      context.Context //nolint:containedctx // Helm's client interface takes none.
	identity Identity
	mapper   meta.RESTMapper
	tracker  *tracker.Tracker
	share    share
	options  Options
	parsed   map[string][]object
	// tracked is how many kinds were declared to the tracker.
	tracked int
	// failed is what went wrong in a call whose error Helm does not hand on.
	failed error

	mu         sync.Mutex
	departures map[tracker.Ref]departure
	kept       []v1beta1.KeptObject
	// dropped says, by the ID of an object, what the API server did not keep of it.
	dropped map[string]string
	// written are the objects of the action, by their IDs, with what the API server warned of.
	written map[string]*warning.Written
	// defined are the definitions that the action brings, in its manifest or before it.
	defined map[schema.GroupKind]*definition.Definition
	// unserved are the objects of a trial whose kinds the cluster does not serve; nil when there is no trial.
	unserved map[schema.GroupVersionKind][]*unstructured.Unstructured
	// begun is when the first object of the revision was written, or earlier.
	begun time.Time
	// superseded is set when a wait has ended with ErrSuperseded.
	superseded bool
	// cancelled is why a wait has ended with a CancelledError; nil while none has.
	cancelled *CancelledError
	outcome
}

// ErrSuperseded ends a wait for objects that are not wanted any more.
var ErrSuperseded = errors.New("a newer desired state ended the wait")

// Helm probes for these one by one and silently does less when one is missing.
var (
	_ kube.Interface                    = (*Client)(nil)
	_ kube.InterfaceExt                 = (*Client)(nil)
	_ kube.InterfaceThreeWayMerge       = (*Client)(nil)
	_ kube.InterfaceLogs                = (*Client)(nil)
	_ kube.InterfaceDeletionPropagation = (*Client)(nil)
	_ kube.InterfaceResources           = (*Client)(nil)
)

// NewClient returns a client for one action. When ctx ends, nothing returns any more: the process is about to stop, and
// Helm would take a returning call for a failed release. When it is superseded, a wait for readiness ends with
// ErrSuperseded; hooks are finished first. When it is cancelled, waits for readiness and for hooks end with a
// CancelledError.
func NewClient(
	ctx context.Context, as Identity, mapper meta.RESTMapper, seen *tracker.Tracker, processor CPUSemaphore, o Options,
) *Client {
	stock := kube.New(as.Getter(o.Namespace))
	stock.Namespace = o.Namespace
	return &Client{
		departures: map[tracker.Ref]departure{}, defined: map[schema.GroupKind]*definition.Definition{},
		Client: stock, ctx: ctx, identity: as, mapper: mapper, tracker: seen, share: share{of: processor}, options: o,
		parsed: map[string][]object{}, dropped: map[string]string{}, written: map[string]*warning.Written{},
		begun: o.Begun,
	}
}

func (c *Client) now() time.Time { return c.options.Now() }

// begin notes that objects are about to be written.
func (c *Client) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun.IsZero() {
		c.begun = c.now()
	}
}

// writesBegan is when the first object of the revision was written, or earlier; otherwise when none was.
func (c *Client) writesBegan(otherwise time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun.IsZero() {
		return otherwise
	}
	return c.begun
}

// Superseded reports whether a wait of the action has ended with ErrSuperseded.
func (c *Client) Superseded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.superseded
}

// endSuperseded notes that a wait ends because other inputs are wanted by now, and returns the error for it. A user who
// cancels the action has both ended: then it is cancelled.
func (c *Client) endSuperseded(lacking []unready, of int) error {
	select {
	case <-c.options.Cancelled:
		return c.endCancelled(unreadyText(lacking, of))
	default:
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.superseded = true
	return ErrSuperseded
}

// Failure is the error of a deletion, which Helm replaces by one that says nothing.
func (c *Client) Failure() error { return c.failed }

// IsReachable implements kube.Interface. The action's first request tells just as well.
func (c *Client) IsReachable() error { return nil }

// GetPodList implements kube.InterfaceLogs. Logs of hooks are not read: they can hold secrets.
func (c *Client) GetPodList(string, metav1.ListOptions) (*corev1.PodList, error) {
	return &corev1.PodList{}, nil
}

// OutputContainerLogsForPodList implements kube.InterfaceLogs.
func (c *Client) OutputContainerLogsForPodList(
	*corev1.PodList, string, func(namespace, pod, container string) io.Writer,
) error {
	return nil
}

// UpdateThreeWayMerge implements kube.InterfaceThreeWayMerge. Server-side apply merges every kind this way.
func (c *Client) UpdateThreeWayMerge(original, target kube.ResourceList, force bool) (*kube.Result, error) {
	return c.Update(original, target, force)
}

// waitReleased waits without holding the processor, and does not come back once the process is stopping.
func (c *Client) waitReleased(wait func() error) error {
	p := parking{client: c}
	p.leaveIf(true)
	defer p.end() // also when wait panics: the caller gives the share back
	return wait()
}

// parking is a wait that gives the share of the processor back at some time, and has it again after its end. The zero
// value of left is a wait that still holds the share.
type parking struct {
	client *Client
	left   bool
}

// leaveIf gives the share back under a condition, once.
func (p *parking) leaveIf(condition bool) {
	if condition && !p.left {
		p.left = true
		p.client.share.leave()
	}
}

// end does not return once the process is stopping.
func (p *parking) end() {
	p.client.stopWithProcess()
	if p.left {
		p.client.share.enter()
	}
}

// share counts who waits: an action holds one share, and several of its objects may have to be waited for at a time.
type share struct {
	of      CPUSemaphore
	mu      sync.Mutex
	waiting int
}

func (s *share) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == 0 {
		s.of.Release()
	}
	s.waiting++
}

func (s *share) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting--; s.waiting == 0 {
		s.of.Acquire()
	}
}

// stopWithProcess does not return once the process is stopping: Helm would record the error as a failed release.
func (c *Client) stopWithProcess() {
	if c.ctx.Err() != nil {
		guard.BlockUntilExit()
	}
}

// request bounds one request to the API server.
func (c *Client) request() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, requestTimeout)
}
