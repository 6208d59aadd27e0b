package main

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/plan"
)

// maxInspected bounds the remote clusters of an engine for one command, which uses none.
const maxInspected = 1

// inspector looks at Helm releases with the rights of the caller, and changes nothing.
type inspector interface {
	Drift(ctx context.Context, access cluster.Access, target plan.Target, rules *drift.Rules, audit bool) ([]drift.Object, error)
	DriftFrom(ctx context.Context, action engine.Action, revision int) (*engine.RevisionDrift, error)
	Stored(ctx context.Context, access cluster.Access, target plan.Target, version int) (*engine.Content, error)
	History(ctx context.Context, access cluster.Access, target plan.Target) ([]plan.Record, error)
	Render(ctx context.Context, action engine.Action) (*engine.Content, error)
	Foresee(ctx context.Context, action engine.Action) (*engine.Foresight, error)
	Retrace(ctx context.Context, action engine.Action, from, to int) (*engine.Retracing, error)
	PreviewKept(ctx context.Context, action engine.Action, from, to *engine.Content) ([]v1beta1.KeptObject, error)
	Data(
		ctx context.Context, access cluster.Access, target plan.Target, refs []v1beta1.ResourceRef,
	) ([]v1beta1.KeptObject, error)
}

// applyPreview finds out what applying a set of objects would do, and only tries.
type applyPreview func(ctx context.Context, set apply.Set, foresight apply.HandoverPreview) ([]apply.Previewed, error)

// applyForesight finds out what applying a set of objects would do as a plan, and only tries. mask hides secrets.
type applyForesight func(ctx context.Context, set apply.Set, mask func(string) string) (*apply.Foresight, error)

// previewOf tries sets of objects with the rights of the configuration. The reader finds out which Kustomizations there are.
func previewOf(config *rest.Config, reader client.Reader) applyPreview {
	return func(ctx context.Context, set apply.Set, foresight apply.HandoverPreview) ([]apply.Previewed, error) {
		to, err := cluster.New(config)
		if err != nil {
			return nil, err
		}

		defer to.Close()
		return apply.Preview(ctx, to.Self(), set, existsIn(reader), foresight)
	}
}

// foresightOf plans sets of objects as previewOf tries them.
func foresightOf(config *rest.Config, reader client.Reader) applyForesight {
	return func(ctx context.Context, set apply.Set, mask func(string) string) (*apply.Foresight, error) {
		to, err := cluster.New(config)
		if err != nil {
			return nil, err
		}

		defer to.Close()
		return apply.Foresee(ctx, to.Self(), set, existsIn(reader), mask)
	}
}

// existsIn reports whether there is a Kustomization. Where that may not be read, it is taken to be there, as its objects
// say.
func existsIn(reader client.Reader) func(context.Context, types.NamespacedName) bool {
	return func(ctx context.Context, owner types.NamespacedName) bool {
		return !apierrors.IsNotFound(reader.Get(ctx, owner, &v1beta1.Kustomization{}))
	}
}

// engineOf makes an engine with the rights of the configuration.
func engineOf(config *rest.Config) func(context.Context) (inspector, error) {
	return func(ctx context.Context) (inspector, error) {
		to, err := cluster.New(config)
		if err != nil {
			return nil, err
		}

		remote := cluster.NewPool(maxInspected, time.Minute, time.Now)
		pool := newPool()
		context.AfterFunc(ctx, func() {
			to.Close()
			remote.Close()
			pool.Close()
		})
		return engine.New(ctx, engine.Config{
			Local: to, Remote: remote, Pool: pool, Now: time.Now, OnRecordChanged: func(string, string, string) {},
		}), nil
	}
}
