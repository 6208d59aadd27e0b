package pipeline

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/promotion"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=releasepipelines,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=fairlead.dev,resources=promotionapprovals,verbs=get;list;watch
// +kubebuilder:rbac:groups=fairlead.dev,resources=releasefreezes,verbs=get;list;watch
// +kubebuilder:rbac:groups=fairlead.dev,resources=releasepipelines/status;promotions/status,verbs=patch
// +kubebuilder:rbac:groups=fairlead.dev,resources=promotions,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=fairlead.dev,resources=ocirepositories,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=fairlead.dev,resources=helmreleases;helmrepositories,verbs=get;list;watch

// pipelineIndex is the field index of approvals and Promotions by the name of their pipeline, and of the sources of
// stages by its label.
const pipelineIndex = "fairlead.pipeline"

// valuesIndex is the field index of pipelines by the source of their shared values.
const valuesIndex = "fairlead.values"

// workersPer is how many workers pipelines have for each of another kind. Other kinds act in tasks of their own; the
// workers of pipelines write what was decided, and wait for the API server meanwhile.
const workersPer = 4

// Options of the controller.
type Options struct {
	// Concurrency is the number of workers of a kind; see workersPer.
	Concurrency int
	// Now is the clock.
	Now func() time.Time
	// Approvers says whether the API server checks who makes an approval.
	Approvers *refs.Approvers
	// NoFreezes leaves ReleaseFreezes out: a controller of some namespaces has no right to objects of the whole
	// cluster.
	NoFreezes bool
}

// Setup adds the controller of pipelines to the manager. The source controllers are set up before: they index choices.
func Setup(ctx context.Context, manager ctrl.Manager, c *catalog.Catalog, o Options) error {
	cached := manager.GetClient()
	if err := indexFields(ctx, manager.GetFieldIndexer()); err != nil {
		return err
	}
	if err := setupRequests(manager, o); err != nil {
		return err
	}

	waker := loop.NewWaker()
	checks, err := newChecks()
	if err != nil {
		return err
	}

	tasks := loop.NewTasks[[]signed](ctx, waker.Wake, o.Now)
	stamped := func(ctx context.Context) (bool, error) {
		return o.Approvers.Checked(ctx, refs.PromotionApprovals)
	}
	h := &handler{
		cached: cached, live: manager.GetAPIReader(), charts: c, stamped: stamped, now: o.Now,
		noFreezes: o.NoFreezes, checks: checks, signatures: newSignatures(c, tasks, o.Now),
		copies:       newCopies(ctx, c, waker.Wake, o.Now),
		attestations: newAttestations(ctx, c, waker.Wake, o.Now),
		files:        newSharedFiles(ctx, c, waker.Wake, o.Now),
		writer:       client.WithFieldValidation(client.WithFieldOwner(cached, fieldOwner), "Strict"),
		events:       manager.GetEventRecorder("fairlead"),
	}
	c.Subscribe(func(ctx context.Context, choice catalog.ChartRef) {
		for _, key := range catalog.PipelinesOf(ctx, cached, choice) {
			waker.Wake(key)
		}
	})
	return loop.Setup(manager, loop.Controller[*v1beta1.ReleasePipeline]{
		Name: v1beta1.ReleasePipelineKind, Empty: func() *v1beta1.ReleasePipeline { return &v1beta1.ReleasePipeline{} },
		Handler: h, Waker: waker, Concurrency: workersPer * o.Concurrency, Watches: watches(cached, o.NoFreezes),
	})
}

// indexFields makes approvals, Promotions and the sources of stages findable by their pipeline.
func indexFields(ctx context.Context, indexer client.FieldIndexer) error {
	if err := indexer.IndexField(ctx, &v1beta1.PromotionApproval{}, pipelineIndex, byPipeline); err != nil {
		return fmt.Errorf("indexing PromotionApprovals: %w", err)
	}
	if err := indexer.IndexField(ctx, &v1beta1.Promotion{}, pipelineIndex, byPipeline); err != nil {
		return fmt.Errorf("indexing Promotions: %w", err)
	}

	for _, source := range []client.Object{&v1beta1.OCIRepository{}, &v1beta1.HelmChart{}} {
		if err := indexer.IndexField(ctx, source, pipelineIndex, byLabel); err != nil {
			return fmt.Errorf("indexing the sources of stages: %w", err)
		}
	}

	if err := indexer.IndexField(ctx, &v1beta1.ReleasePipeline{}, valuesIndex, byValues); err != nil {
		return fmt.Errorf("indexing ReleasePipelines: %w", err)
	}

	return nil
}

func byValues(object client.Object) []string {
	choice := valuesChoice(object.(*v1beta1.ReleasePipeline))
	if choice == (catalog.ChartRef{}) {
		return nil
	}
	return []string{choice.String()}
}

// sharing are the pipelines whose shared values come from a source.
func sharing(cached client.Reader) catalog.Users {
	return func(ctx context.Context, choice catalog.ChartRef) []types.NamespacedName {
		list := &v1beta1.ReleasePipelineList{}
		if err := cached.List(ctx, list, client.MatchingFields{valuesIndex: choice.String()}); err != nil {
			return nil // the cache answers; it fails only while the process stops
		}

		keys := make([]types.NamespacedName, 0, len(list.Items))
		for i := range list.Items {
			keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
		}

		return keys
	}
}

func byPipeline(object client.Object) []string {
	if promotion, ok := object.(*v1beta1.Promotion); ok {
		return []string{promotion.Spec.Pipeline}
	}
	return []string{object.(*v1beta1.PromotionApproval).Spec.Pipeline}
}

func byLabel(object client.Object) []string {
	if pipeline := object.GetLabels()[v1beta1.PipelineLabel]; pipeline != "" {
		return []string{pipeline}
	}
	return nil
}

// watches are those of a pipeline: its subject, its own sources, and what decides about its stages.
func watches(cached client.Reader, noFreezes bool) []loop.Watch {
	all := catalog.Watches(func(ctx context.Context, choice catalog.ChartRef) []types.NamespacedName {
		return catalog.PipelinesOf(ctx, cached, choice)
	})
	all = append(all, catalog.WatchArtifacts(sharing(cached))...)
	all = append(all, loop.Watch{Object: &corev1.ConfigMap{}, MetadataOnly: true, Affects: ofOwner})
	all = append(all,
		// Most changes of these are writes of the controller itself.
		loop.Watch{Object: &v1beta1.OCIRepository{}, When: sourceChanged(), CanWait: always, Affects: ofOwner},
		loop.Watch{Object: &v1beta1.HelmChart{}, When: sourceChanged(), CanWait: always, Affects: ofOwner},
		loop.Watch{Object: &v1beta1.Promotion{}, When: isAskedOrGone(), Affects: ofPromotion},
		loop.Watch{
			Object: &v1beta1.HelmRelease{}, When: saysMore(), CanWait: hasNoVerdict, Affects: ofStage(cached),
		},
		loop.Watch{Object: &v1beta1.PromotionApproval{}, Affects: ofApproval},
		loop.Watch{Object: &v1beta1.ReleasePipeline{}, When: memberChanged(), Affects: ofOwner},
	)
	if noFreezes {
		return all
	}

	return append(all, loop.Watch{Object: &v1beta1.ReleaseFreeze{}, Affects: allPipelines(cached)})
}

// always lets the pipelines that an event affects wait for those that have something to deliver.
func always(_, _ client.Object) bool { return true }

// ofApproval is the pipeline that an approval is about.
func ofApproval(_ context.Context, o client.Object) []reconcile.Request {
	name := o.(*v1beta1.PromotionApproval).Spec.Pipeline
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}

// ofOwner is the pipeline that owns an object.
func ofOwner(_ context.Context, o client.Object) []reconcile.Request {
	owner := metav1.GetControllerOf(o)
	if owner == nil || owner.Kind != v1beta1.ReleasePipelineKind {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: owner.Name}}}
}

// ofStage is the pipeline that owns the source of a HelmRelease.
func ofStage(cached client.Reader) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		choice := catalog.ChoiceOfRelease(o.(*v1beta1.HelmRelease))
		if !slices.Contains(outletKinds, choice.Kind) {
			return nil
		}

		source := catalog.NewSource(choice.Kind)
		key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
		if err := cached.Get(ctx, key, source, client.UnsafeDisableDeepCopy); err != nil {
			return nil // it is not there; when it is, its pipeline is reconciled
		}

		return withParents(ctx, cached, ofOwner(ctx, source))
	}
}

// withParents adds the pipelines that made the pipelines of requests.
func withParents(ctx context.Context, cached client.Reader, requests []reconcile.Request) []reconcile.Request {
	for _, request := range slices.Clone(requests) {
		p := &v1beta1.ReleasePipeline{}
		if err := cached.Get(ctx, request.NamespacedName, p); err == nil {
			requests = append(requests, ofOwner(ctx, p)...)
		}
	}
	return requests
}

// saysMore lets the events through after which a HelmRelease has another verdict, or belongs to another stage.
func saysMore() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1beta1.HelmRelease)
		after, also := e.ObjectNew.(*v1beta1.HelmRelease)
		if !ok || !also {
			return false
		}

		return !reflect.DeepEqual(releaseOf(before), releaseOf(after)) ||
			!reflect.DeepEqual(before.Labels, after.Labels) ||
			catalog.ChoiceOfRelease(before) != catalog.ChoiceOfRelease(after) ||
			before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
	}, GenericFunc: func(event.GenericEvent) bool { return false }}
}

// hasNoVerdict reports whether a HelmRelease neither verifies nor rejects another chart than before, and belongs to the
// same stage. It shows its progress, and a pipeline that shows that can wait for those that have something to deliver.
// Whatever is decided meanwhile is decided with what the HelmRelease says now.
func hasNoVerdict(before, after client.Object) bool {
	old, ok := before.(*v1beta1.HelmRelease)
	hr, also := after.(*v1beta1.HelmRelease)
	if !ok || !also {
		return false
	}

	had := releaseOf(old)
	has := releaseOf(hr)
	return (has.ID == promotion.Identity{} || has.ID == had.ID) && reflect.DeepEqual(had.Bad, has.Bad) &&
		catalog.ChoiceOfRelease(old) == catalog.ChoiceOfRelease(hr) &&
		old.DeletionTimestamp.IsZero() == hr.DeletionTimestamp.IsZero()
}

// allPipelines are the pipelines that a freeze may be about, or was about before a change.
func allPipelines(cached client.Reader) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		list := &v1beta1.ReleasePipelineList{}
		if err := cached.List(ctx, list); err != nil {
			return nil // the cache answers; it fails only while the process stops
		}

		var found []reconcile.Request
		for i := range list.Items {
			if o.(*v1beta1.ReleaseFreeze).Covers(&list.Items[i]) {
				found = append(found, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
			}
		}

		return found
	}
}
