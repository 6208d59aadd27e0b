package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	helmstorage "helm.sh/helm/v3/pkg/storage"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/helmops/engine/crds"
	"fairlead.dev/fairlead/helmops/engine/helmtext"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/engine/resume"
	"fairlead.dev/fairlead/helmops/engine/storage"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/values"
)

// run is one action while it is carried out.
type run struct {
	Action
	ctx    context.Context //nolint:containedctx // a run lives no longer than the call it is made for
	engine *Engine
	site   *clusterState
	as     *cluster.Identity
	reader storage.Reader
	key    storage.Key
	client *kubeclient.Client
	// share of the processor that the run holds; it gives it back while it waits.
	share *fair.Slot
	// place among the actions that have a chart in memory and do not write yet.
	place *fair.Slot
	// method is how the action writes objects.
	method plan.ApplyMethod
	// backwards is set when the action goes back to an earlier revision, or finishes doing so.
	backwards bool
	// begun is when another process began the revision that the action finishes; zero for any other action.
	begun time.Time
	// uninstalls is set when the action finishes an uninstall.
	uninstalls bool
	// brings are the definitions of the chart, when some were written before it.
	brings []*unstructured.Unstructured
	// drifted and looked are what Correct and Inspect have found.
	drifted []drift.Object
	looked  *release.Release
	secrets found
}

// step carries out the step of the action.
func (r *run) step(before []plan.Record) error {
	work := map[plan.Step]func([]plan.Record) error{
		plan.Unlock:    r.abandon,
		plan.Resume:    r.resume,
		plan.Install:   r.rollout,
		plan.Upgrade:   r.rollout,
		plan.Rollback:  r.rollback,
		plan.Test:      r.test,
		plan.Uninstall: r.uninstall,
		plan.Correct:   r.drift,
		plan.Inspect:   r.drift,
		plan.Claim:     r.claim,
	}[r.Step]
	if work == nil {
		return fmt.Errorf("step %q is not an action", r.Step)
	}

	return work(before)
}

func (r *run) customResourceDefinitions() error {
	found := r.Chart.CRDObjects()
	policy := crds.Create
	if r.Options.CRDs != "" {
		policy = crds.Policy(r.Options.CRDs)
	}
	if len(found) == 0 || policy == crds.Skip {
		return nil
	}

	result, err := crds.Apply(r.ctx, r.as, found, policy)
	if err == nil && len(result.Created)+len(result.Replaced) > 0 {
		r.brings, err = crds.Objects(found)
	}
	if err != nil {
		return &crdsError{cause: err}
	}

	return nil
}

// rollout installs or upgrades, and prunes the history afterwards.
func (r *run) rollout(before []plan.Record) error {
	result, err := r.rollsOut(before)
	if err != nil {
		return err
	}

	chart := standInFor(r.Chart, result)
	r.method = r.methodFrom(before)
	cfg, err := r.configuration(before, chart)
	if err != nil {
		return err
	}

	if r.Step == plan.Install {
		helm := newInstall(cfg, r.Action, len(before) > 0)
		helm.PostRenderer = chart
		_, err = helm.Run(r.Chart, r.Values)
	} else {
		helm := newUpgrade(cfg, r.Action)
		helm.PostRenderer = chart
		_, err = helm.Run(r.Target.Name, r.Chart, r.Values)
	}
	if err != nil {
		r.pruneFailed(before)
		return err
	}

	return r.prune()
}

// rollsOut applies the definitions of the chart, and renders what is rolled out. A plan that has to be kept to is
// checked before that, so that nothing is changed when it is not.
func (r *run) rollsOut(before []plan.Record) (*rendering.Result, error) {
	if r.Approved == "" {
		if err := r.customResourceDefinitions(); err != nil {
			return nil, err
		}
		return r.rendered(newestOf(before), r.Step == plan.Install)
	}

	result, err := r.asApproved(before)
	if err != nil {
		return nil, err
	}

	return result, r.customResourceDefinitions()
}

// methodFrom chooses how the action writes objects, by the revision that it continues or goes back to.
func (r *run) methodFrom(before []plan.Record) plan.ApplyMethod {
	last := plan.Record{}
	switch r.Step {
	case plan.Upgrade:
		last = newestOf(before)
	case plan.Rollback:
		for _, record := range before {
			if record.Version == r.To {
				last = record
			}
		}
	default: // an install continues none
	}

	return plan.MethodFor(r.Options.ServerSideApply, last)
}

// newestOf returns the newest record, an empty one when there is none.
func newestOf(history []plan.Record) plan.Record {
	if len(history) == 0 {
		return plan.Record{}
	}
	return history[0]
}

// rollback goes back to an earlier revision. Where Helm fails without noting it on the record, that is made up for: the
// release would be locked otherwise.
func (r *run) rollback(before []plan.Record) error {
	to, err := r.usable()
	if err != nil {
		return err
	}

	r.To = to
	r.backwards = true
	r.method = r.methodFrom(before)
	cfg, err := r.configuration(before, nil)
	if err != nil {
		return err
	}

	err = rollback(cfg, r.Action)
	if err == nil {
		return r.prune()
	}

	now, historyErr := r.site.records.History(r.ctx, r.reader, r.key)
	if historyErr == nil && len(now) > 0 && now[0].Status == plan.StatusPendingRollback && now[0].Ours {
		historyErr = r.unlock(now, helmtext.OfRollback(r.Target.Name, err))
	}

	r.pruneFailed(before)
	return errors.Join(err, historyErr)
}

func (r *run) test(before []plan.Record) error {
	cfg, err := r.configuration(before, nil)
	if err != nil {
		return err
	}
	return test(cfg, r.Action)
}

func (r *run) uninstall(before []plan.Record) error {
	cfg, err := r.configuration(before, nil)
	if err != nil {
		return err
	}
	if err := uninstall(cfg, r.Action); err != nil {
		return errors.Join(r.client.Failure(), err)
	}
	r.site.followers.Forget(userOf(r.Owner, r.Target))
	return nil
}

func (r *run) prune() error {
	if r.Options.MaxHistory <= 0 {
		return nil
	}
	return r.site.records.Prune(r.ctx, r.reader, r.key, r.Options.MaxHistory, func(record plan.Record) bool {
		return record.Version == r.Options.Protect
	})
}

// pruneFailed prunes after a failure that has left a revision: attempts that are repeated for ever must not fill the
// cluster. Why the action failed is more important than that pruning failed, which the next attempt makes up for.
func (r *run) pruneFailed(before []plan.Record) {
	if now, err := r.site.records.History(r.ctx, r.reader, r.key); err == nil && grown(before, now) {
		_ = r.prune()
	}
}

// grown reports whether there is a revision that was not there before. Where there is none nothing may be pruned: a
// record that goes would look as if the action had reached the cluster.
func grown(before, after []plan.Record) bool {
	return len(after) > 0 && (len(before) == 0 || after[0].Version > before[0].Version)
}

// resume finishes what the newest record says was begun.
func (r *run) resume([]plan.Record) error {
	revisions, err := r.site.records.Revisions(r.ctx, r.reader, r.key)
	if err != nil {
		return err
	}
	if len(revisions) == 0 || !revisions[0].Pending() {
		return errors.New("no pending revision is left to finish")
	}

	store := r.driver(nil)
	store.Expect(revisions...)
	r.method = revisions[0].ApplyMethod
	r.backwards = r.backwards || revisions[0].Status == plan.StatusPendingRollback
	r.uninstalls = revisions[0].Status == plan.StatusUninstalling
	r.begun = revisions[0].LastDeployed
	if r.Chart == nil {
		r.Chart = revisions[0].Release.Chart
	}

	work := &resume.Work{
		Client: r.newClient(store, leftoversOf(revisions[1:])), Records: helmstorage.Init(store),
		Release: revisions[0].Release, Now: r.engine.now,
		Options: resume.Options{
			Timeout: r.Options.Timeout, DisableHooks: r.Options.DisableHooks, Force: r.Options.Force,
			KeepHistory: r.Options.KeepHistory,
			Propagation: metav1.DeletePropagationBackground,
		},
	}
	work.Options.Wait, work.Options.WaitForJobs = waits(r.Options)
	if r.uninstalls {
		return work.Uninstall()
	}

	former := ""
	for _, revision := range revisions[1:] {
		if revision.Status == plan.StatusDeployed {
			former = revision.Release.Manifest
			break
		}
	}

	if err := work.Rollout(former); err != nil {
		return err
	}

	return r.prune()
}

// configuration is made for each action: Helm's interfaces carry no context, and its storage is changed by actions.
// chart is what the action renders, nil when it renders nothing.
func (r *run) configuration(before []plan.Record, chart *standIn) (*action.Configuration, error) {
	leftovers, err := r.leftovers(before)
	if err != nil {
		return nil, err
	}

	capabilities, err := r.capabilities()
	if err != nil {
		return nil, err
	}

	store := r.driver(before)
	client := r.newClient(store, leftovers)
	records := r.beforeFirstRecord(store, before)
	if chart != nil {
		records = &completing{Driver: records, standIn: chart}
	}

	return &action.Configuration{
		RESTClientGetter: r.as.Getter(r.Target.Namespace),
		Releases:         helmstorage.Init(guardedDriver{records}),
		KubeClient:       guardedClient{client},
		Capabilities:     capabilities,
		Log:              func(string, ...any) {}, // Helm's debug output quotes manifests, and so secrets
		HookOutputFunc:   discardHookOutput,
	}, nil
}

func (r *run) capabilities() (*chartutil.Capabilities, error) {
	capabilities, err := r.site.cluster.Capabilities(r.ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the cluster for its APIs: %w", err)
	}
	return capabilities, nil
}

func (r *run) driver(before []plan.Record) *storage.Driver {
	note := storage.Note{
		ChartDigest: r.Revision.Digest, RenderDigest: r.RenderDigest,
		ConfigDigest: values.DigestWith(r.Values, r.Revision.ValuesDigest),
	}
	for _, record := range before {
		if r.Step == plan.Rollback && record.Version == r.To {
			note = storage.Note{
				ChartDigest: record.Chart.Digest, ConfigDigest: record.ConfigDigest, RenderDigest: record.RenderDigest,
			}
		}
	}

	note.Owner = r.Owner
	note.ApplyMethod = r.method
	store := r.site.records.Driver(r.ctx, r.reader, r.key, note)
	store.Conceal(r.redactCause)
	store.FailsAs(r.failsAs)
	return store
}

func (r *run) newClient(journal kubeclient.Journal, leftovers []string) *kubeclient.Client {
	options := kubeclient.Options{
		Release: r.Target.Name, Namespace: r.Target.Namespace, StorageNamespace: r.Target.StorageNamespace,
		Timeout: r.Options.Timeout,
		Owner:   userOf(r.Owner, r.Target), Superseded: r.Superseded, Cancelled: r.Cancelled,
		Leftovers: leftovers, KeepForeign: r.Options.DisableTakeOwnership, Journal: journal, Health: r.Options.Health,
		Now:    r.engine.now,
		Begun:  r.begun,
		Secret: r.secrets.add, Keep: r.keeps(), Uninstalls: r.Step == plan.Uninstall || r.uninstalls,
		ClientSide: r.method == plan.ClientSide,
	}
	if r.backwards {
		options.Rollback = &kubeclient.Rollback{Protect: r.Options.ProtectKinds}
	}

	r.client = kubeclient.NewClient(r.ctx, r.as, r.site.cluster.Mapper(), r.site.tracker, r.share, options)
	r.client.Defines(r.brings...)
	return r.client
}

// leftovers returns the manifests of the failed revisions after the last that was deployed, newest first, each once.
func (r *run) leftovers(before []plan.Record) ([]string, error) {
	if len(before) == 0 || before[0].Status != plan.StatusFailed {
		return nil, nil
	}
	revisions, err := r.site.records.Revisions(r.ctx, r.reader, r.key)
	return leftoversOf(revisions), err
}

func leftoversOf(revisions []storage.Revision) []string {
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
