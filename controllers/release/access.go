package release

import (
	"context"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

// access finds out on which cluster and as whom the object is worked on.
func (g *gatherer) access(ctx context.Context, hr *v1beta1.HelmRelease) (cluster.Access, error) {
	return g.identities.Access(ctx, hr.Namespace, hr.GetServiceAccountName(g.defaultServiceAccount), hr.Spec.KubeConfig)
}

// unreadable words why the records of a release could not be read.
func unreadable(hr *v1beta1.HelmRelease, err error) error {
	return refs.Unreachable(err, hr.Namespace, hr.Spec.KubeConfig, hr.GetInterval())
}
