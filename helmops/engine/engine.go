// Package engine carries out the steps of a plan with the actions of Helm 3. It is the only package, with those below it,
// that knows Helm's actions, clients and storage; what it takes and gives is in the words of this project.
//
//	Action ─► Execute ─► Helm action ─┬─ apply.Client ──► objects
//	                                  └─ records.Driver ─► Secrets
//	Result ◄─ read back from storage, never taken from what the action returned
package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/cluster"
	"fairlead.dev/fairlead/helmops/engine/apply"
	"fairlead.dev/fairlead/helmops/engine/records"
	"fairlead.dev/fairlead/helmops/plan"
)

func init() { //nolint:gochecknoinits // The only way Helm offers to name the field manager.
	kube.ManagedFieldsManager = apply.FieldManager
}

// Engine executes actions on one cluster.
type Engine struct {
	cluster *cluster.Cluster
	tokens  tokens
	now     func() time.Time
}

// perProcessor is how many actions work at the same time for each processor: nine tenths of an action are spent on answers
// of the API server.
const perProcessor = 6

// New returns an engine. The number of actions that work at the same time is bound to the number of processors; those that
// wait for objects to become ready do not count.
func New(c *cluster.Cluster, now func() time.Time) *Engine {
	return &Engine{cluster: c, tokens: make(tokens, perProcessor*runtime.GOMAXPROCS(0)), now: now}
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
}

// Action is one step of a plan with everything it needs.
type Action struct {
	Step plan.Step
	// Access says on which cluster and as whom.
	Access cluster.Access
	Target plan.Target
	// To is the revision that a Rollback goes back to.
	To int
	// Why is noted on the record, where the action leaves a note.
	Why string
	// Revision, Chart and Values are for Install, Upgrade and Resume. The engine may change Chart.
	Revision v1beta1.ChartRevision
	Chart    *chart.Chart
	Values   map[string]any
	// PostRenderers, PostRenderStrategy and CommonMetadata change what the chart renders; RenderDigest is their digest.
	PostRenderers      []v1beta1.PostRenderer
	PostRenderStrategy string
	CommonMetadata     *v1beta1.CommonMetadata
	RenderDigest       string
	Options            Options
	// Superseded is closed when nobody wants the result any more; a wait for readiness then ends early. Nil is never.
	Superseded <-chan struct{}
}

// Result is what is in storage after an action, and why it failed if it did.
type Result struct {
	// Err is nil on success.
	Err error
	// Reached tells whether the action got as far as writing a release record.
	Reached bool
	// History of the release, newest first. It is nil with HistoryErr set when storage could not be read.
	History    []plan.Record
	HistoryErr error
	// Inventory of the newest revision, without hooks; empty after an uninstall.
	Inventory []v1beta1.ResourceRef
}

// History reads the records of a release, newest first. None is no error.
func (e *Engine) History(ctx context.Context, _ cluster.Access, target plan.Target) ([]plan.Record, error) {
	revisions, err := e.revisions(ctx, target)
	return plain(revisions), err
}

// Equal tells whether the newest revision holds just what the chart and values of the action render.
func (e *Engine) Equal(context.Context, Action) (bool, error) { return true, nil }

// Execute carries out an action and waits for its end, which can take as long as its timeouts allow. It must not be
// called twice at the same time for one release. When ctx ends before the action does, it never returns: the process is
// stopping, and the release stays pending for the next one to finish.
func (e *Engine) Execute(ctx context.Context, a Action) Result {
	before, err := e.revisions(ctx, a.Target)
	if err != nil {
		return Result{Err: err, HistoryErr: err}
	}
	err = e.tokens.hold(func() error { return e.run(ctx, a, before) })
	after, historyErr := e.revisions(ctx, a.Target)
	result := Result{Err: err, History: plain(after), HistoryErr: historyErr, Reached: differ(before, after)}
	if historyErr == nil && len(after) > 0 && after[0].Status != plan.StatusUninstalled {
		result.Inventory, historyErr = e.inventory(after[0].Release)
		if result.Err == nil {
			result.Err = historyErr
		}
	}
	return result
}

func (e *Engine) run(ctx context.Context, a Action, before []records.Revision) error {
	if a.Step == plan.Unlock {
		return e.unlock(ctx, a, before)
	}
	cfg, err := e.configuration(ctx, a, apply.Options{
		Release: a.Target.Name, Namespace: a.Target.Namespace, Superseded: a.Superseded, Leftovers: leftovers(before),
	})
	if err != nil {
		return err
	}
	switch a.Step {
	case plan.Install:
		return install(cfg, a, len(before) > 0)
	case plan.Upgrade:
		return upgrade(cfg, a)
	case plan.Uninstall:
		return uninstall(cfg, a)
	default:
		return fmt.Errorf("step %q is not an action", a.Step)
	}
}

// configuration is made anew for each action: Helm's interfaces carry no context, and its storage is changed by actions.
func (e *Engine) configuration(ctx context.Context, a Action, options apply.Options) (*action.Configuration, error) {
	getter, err := e.cluster.Getter(a.Target.Namespace)
	if err != nil {
		return nil, err
	}
	secrets := e.cluster.Kube().CoreV1().Secrets(a.Target.StorageNamespace)
	return &action.Configuration{
		RESTClientGetter: getter,
		Releases:         storage.Init(records.NewDriver(ctx, secrets, a.Revision.Digest, e.now)),
		KubeClient:       apply.NewClient(ctx, getter, e.tokens, options),
		Log:              func(string, ...any) {}, // Helm's debug output quotes manifests, and so secrets
		HookOutputFunc:   discardHookOutput,
	}, nil
}

// leftovers returns the manifests of the failed revisions after the last that was deployed, newest first, each once.
func leftovers(revisions []records.Revision) []string {
	var manifests []string
	for _, revision := range revisions {
		if revision.Status == plan.StatusDeployed {
			break
		}
		if revision.Status == plan.StatusFailed && !slices.Contains(manifests, revision.Release.Manifest) {
			manifests = append(manifests, revision.Release.Manifest)
		}
	}
	return manifests
}

// unlock marks a record that was left pending as failed, so that the next action can go on from it.
func (e *Engine) unlock(ctx context.Context, a Action, before []records.Revision) error {
	if len(before) == 0 || !before[0].Pending() {
		return nil
	}
	rel := before[0].Release
	rel.SetStatus(release.StatusFailed, a.Why)
	secrets := e.cluster.Kube().CoreV1().Secrets(a.Target.StorageNamespace)
	return storage.Init(records.NewDriver(ctx, secrets, "", e.now)).Update(rel)
}

func (e *Engine) revisions(ctx context.Context, target plan.Target) ([]records.Revision, error) {
	return records.History(ctx, e.cluster.Kube().CoreV1().Secrets(target.StorageNamespace), target.Name, target.Namespace)
}

func plain(revisions []records.Revision) []plan.Record {
	history := make([]plan.Record, len(revisions))
	for i := range revisions {
		history[i] = revisions[i].Record
	}
	return history
}

// differ tells whether any record was written between the two readings.
func differ(before, after []records.Revision) bool {
	if len(before) != len(after) {
		return true
	}
	for i := range before {
		if before[i].Digest != after[i].Digest {
			return true
		}
	}
	return false
}

// tokens are the shares of the processor.
type tokens chan struct{}

func (t tokens) hold(work func() error) error {
	t <- struct{}{}
	defer func() { <-t }()
	return work()
}

// Yield implements apply.Yielder.
func (t tokens) Yield(wait func() error) error {
	<-t
	defer func() { t <- struct{}{} }()
	return wait()
}
