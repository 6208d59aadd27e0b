// Package engine carries out the steps of a plan with the actions of Helm 3. It is the only package, with those below
// it, that knows Helm's actions, clients and storage; what it takes and gives is in the words of this project.
//
//	Action ─► Execute ─► Helm action ─┬─ kubeclient.Client ──► objects, tracker
//	                  └► resume.Work ─┴─ records.Driver ─► Secrets
//	Result ◄─ read back from storage, never taken from what the action returned
package engine

import (
	"context"
	"errors"
	"runtime"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/guard"
)

func init() { //nolint:gochecknoinits // The only way Helm offers to name the field manager.
	kube.ManagedFieldsManager = kubeclient.FieldManager
}

// Engine executes actions on any number of clusters.
type Engine struct {
	sites *cluster.Registry[*clusterState]
	turns turns
	pool  Pool
	// local and remote are the shares of the processor, for actions on the controller's own cluster and on others.
	local  *fair.Shares
	remote *fair.Shares
	// localCharts and remoteCharts bound the actions that have loaded a chart and do not write yet.
	localCharts, remoteCharts *fair.Shares
	now                       func() time.Time
}

// How many actions work at the same time for each processor: nine tenths of an action are spent on answers of the API
// server.
const (
	// remotePerProcessor is how many can work on other clusters, whose API servers may answer slowly or not at all. They
	// have shares of their own, of which a namespace gets half.
	remotePerProcessor = 6
	// chartsPerProcessor is how many can have a chart in memory before they write, and of those one namespace a
	// quarter: as many as keep the processes busy that render.
	chartsPerProcessor = 16
)

// Config of an engine.
type Config struct {
	// Local is the cluster of releases that name no other.
	Local *cluster.Cluster
	// Remote are the others.
	Remote *cluster.Pool
	// Pool renders charts.
	Pool Pool
	// Shares are those of everything that works on the local cluster; nil for shares of the engine alone.
	Shares *fair.Shares
	// Now is the clock.
	Now func() time.Time
	// OnRecordChanged is called when another client changed the records of a release. of is the namespace of the objects
	// whose kubeConfig leads to the cluster of the records; it is empty for the own cluster. It must not block.
	OnRecordChanged func(of, storageNamespace, release string)
	// OnObjectChanged is called with the HelmRelease whose objects changed in a way that matters to it. It must not block
	// for long.
	OnObjectChanged func(owner types.NamespacedName)
}

// New returns an engine; ctx is its life. The number of actions that work at the same time is bound to the number of
// processors, for each namespace and for all; those that wait for objects do not count. Which namespace an action
// counts for is in its cluster.Access.
func New(ctx context.Context, c Config) *Engine {
	processors := runtime.GOMAXPROCS(0)
	local := c.Shares
	if local == nil {
		local = fair.NewPaced(processors).Shares
	}

	return &Engine{
		sites: newSites(ctx, c),
		pool:  c.Pool, now: c.Now,
		local: local, localCharts: fair.New(chartsPerProcessor*processors, chartsPerProcessor*processors/4),
		remote: newRemoteShares(processors), remoteCharts: newRemoteShares(processors),
	}
}

// newRemoteShares leaves half of the shares to other namespaces, however long the clusters of one take to answer.
func newRemoteShares(processors int) *fair.Shares {
	return fair.New(remotePerProcessor*processors, remotePerProcessor*processors/2)
}

// Options of an action; those that an action does not know are ignored by it.
type Options struct {
	// Timeout of each wait.
	Timeout time.Duration
	// MaxHistory is how many revisions are kept, 0 for all. The newest, the deployed one and Protect are always kept.
	MaxHistory int
	// Protect is the revision that was verified last, 0 when there is none.
	Protect int
	// CRDs tells what happens to the crds directory of the chart; empty is Create.
	CRDs                    v1beta1.CRDsPolicy
	CreateNamespace         bool
	DisableHooks            bool
	DisableWait             bool
	DisableWaitForJobs      bool
	DisableSchemaValidation bool
	DisableTakeOwnership    bool
	Force                   bool
	CleanupOnFail           bool
	PreserveValues          bool
	KeepHistory             bool
	// Propagation of deletions by an uninstall: background when empty, foreground or orphan.
	Propagation string
	// TestFilters choose among the tests.
	TestFilters []v1beta1.TestFilter
	// Preflight has the API server check what an upgrade changes before anything is written.
	Preflight bool
	// ServerSideApply is enabled, disabled, auto, or empty where it is left out; see plan.MethodFor.
	ServerSideApply string
	// ProtectKinds are kinds, as Kind or Kind.group, whose objects a rollback does not delete, besides those it never
	// does.
	ProtectKinds []string
	// Health judges objects that are waited for; nil for the usual rules.
	Health *health.Rules
	// Whole is set when the user deletes the whole release: then an uninstall deletes what data of users may be in,
	// too.
	Whole bool
	// PruneKinds are kinds that hold data of users and are deleted all the same.
	PruneKinds []string
	// Kept are objects that earlier actions kept.
	Kept []v1beta1.KeptObject
}

// Action is one step of a plan with everything it needs.
type Action struct {
	Step plan.Step
	// Access says on which cluster and as whom.
	Access cluster.Access
	Target plan.Target
	// Owner is the HelmRelease that the action is done for, which the record names from then on; zero for a command.
	// Former is the owner that the record named when the action was decided on.
	Owner, Former plan.Owner
	// To is the revision that a Rollback goes back to, and Others are those to take when the cluster cannot take it any
	// more, best first.
	To     int
	Others []int
	// Approved is the digest of the plan that an Install or Upgrade has to keep to; empty for any.
	Approved string
	// Afresh has Foresee look at a release that is uninstalled before it is installed again.
	Afresh bool
	// Why is noted on the record, where the action leaves a note.
	Why string
	// Revision, Chart and Values are for Install, Upgrade and Resume. The engine may change Chart. Load returns it,
	// once it is the turn of the action: what waits for that has none in memory. Nil where Chart is set, or none is
	// needed.
	Revision v1beta1.ChartRevision
	Chart    *chart.Chart
	Load     func(context.Context) (*chart.Chart, error)
	Values   map[string]any
	// PostRenderers, PostRenderStrategy and CommonMetadata change what the chart renders; RenderDigest is their digest.
	PostRenderers      []v1beta1.PostRenderer
	PostRenderStrategy string
	CommonMetadata     *v1beta1.CommonMetadata
	RenderDigest       string
	Options            Options
	// Mask hides secrets in what the record says about a failure.
	Mask redact.Mask
	// Objects are those that Correct and Inspect look at; empty is all of the revision. DriftIgnore says what of them may
	// differ, nil nothing. Audit reports fields that were added, too.
	Objects     []v1beta1.ResourceRef
	DriftIgnore *drift.Rules
	Audit       bool
	// ListOnly has Inspect list the objects of the revision, and compare none.
	ListOnly bool
	// Overwritten has Inspect report only what an upgrade to Chart and Values would undo. Where that cannot be found
	// out, because the chart does not render for example, it is all that differs.
	Overwritten bool
	// Superseded is closed when the result is not wanted any more; a wait for readiness then ends early. Nil is never.
	Superseded <-chan struct{}
	// Cancelled is closed, before Superseded, when a user cancels the action: a wait for readiness or a hook then ends
	// early. Nil is never.
	Cancelled <-chan struct{}
}

// Result is what is in storage after an action, and why it failed if it did.
type Result struct {
	// Err is nil on success.
	Err error
	// Mask hides what the Mask of the action does, and the content of every Secret that the action read. It is set with
	// Err.
	Mask redact.Mask
	// Reached reports whether the action got as far as writing a release record.
	Reached bool
	// History of the release, newest first. It is nil with HistoryErr set when storage could not be read.
	History    []plan.Record
	HistoryErr error
	// Inventory of the newest revision, without hooks; empty after an uninstall. Of Correct and Inspect it is that of the
	// revision that is deployed. Ownership is that of the object as the action left it, or as Inspect found it,
	// drift.Absent where there is none; it is empty for objects that the action had nothing to do with: what was known of
	// them stands.
	Inventory []v1beta1.ResourceRef
	// Drift is how objects differed, before they were corrected if they were.
	Drift []drift.Object
	// Kept are objects that the action left although they are no longer wanted. StillKept are those that earlier
	// actions kept and that have no owner yet.
	Kept, StillKept []v1beta1.KeptObject
	// Dropped names the objects of which the API server did not keep all that the action wrote, with the fields.
	Dropped []string
	// Warned are objects that the API server took with warnings, each once for each input of the release, masked. It is
	// empty for actions that only correct, test or undo.
	Warned []warning.Object
}

// History reads the records of a release, newest first. None is no error. While nothing changes it costs no request.
func (e *Engine) History(ctx context.Context, access cluster.Access, target plan.Target) ([]plan.Record, error) {
	at, as, err := e.sites.Get(access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return nil, err
	}
	return at.records.History(ctx, reader(as, access, target), key(target))
}

// Namesake returns the Helm release of the same name in another namespace that has its records in the same storage
// namespace; nil when there is none.
func (e *Engine) Namesake(ctx context.Context, access cluster.Access, target plan.Target) (*plan.Namesake, error) {
	at, as, err := e.sites.Get(access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return nil, err
	}
	return at.records.Namesake(ctx, reader(as, access, target), key(target))
}

// Execute carries out an action and waits for its end, which can take as long as its timeouts allow. An action on a
// release that another action works on waits for that one first. It fails with ErrOwnerChanged when the release has
// another owner by then than was decided on. When ctx ends before the action does, it never returns: the process is
// stopping, and the release stays pending for the next one to finish.
func (e *Engine) Execute(ctx context.Context, a Action) Result {
	at, as, err := e.sites.Get(a.Access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return Result{Err: err, HistoryErr: err}
	}

	endTurn, err := e.turns.take(ctx, turn{at.cluster, a.Target.StorageNamespace, a.Target.Name}, a.Superseded)
	if err != nil {
		err = a.orCancelled(err)
		return Result{Err: err, HistoryErr: err}
	}

	defer endTurn()
	r := &run{Action: a, ctx: ctx, site: at, as: as, engine: e, reader: reader(as, a.Access, a.Target), key: key(a.Target)}
	before, err := at.records.History(ctx, r.reader, r.key)
	if err != nil {
		return Result{Err: err, HistoryErr: err}
	}
	if err := r.owned(before); err != nil {
		return Result{Err: err, HistoryErr: err}
	}

	end, err := r.begin()
	defer end()
	var loading *loadError
	if errors.As(err, &loading) {
		return Result{Err: loading.cause, HistoryErr: loading.cause}
	}
	if err == nil {
		err = guard.Do("running a Helm action", func() error { return r.step(before) })
	}
	if ctx.Err() != nil {
		guard.BlockUntilExit()
	}

	return r.result(before, r.orCancelled(err)) //nolint:contextcheck // the run carries it
}

// Equal reports whether the newest revision holds just what the chart and the values render, by any client.
func (e *Engine) Equal(ctx context.Context, a Action) (bool, error) {
	at, as, err := e.sites.Get(a.Access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return false, err
	}

	r := &run{Action: a, ctx: ctx, site: at, as: as, engine: e, reader: reader(as, a.Access, a.Target), key: key(a.Target)}
	var equal bool
	err = r.hold(func() (err error) {
		equal, err = r.equal()
		return err
	})
	return equal, err
}
