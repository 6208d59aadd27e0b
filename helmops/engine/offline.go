package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/values"
)

// DefaultKubeVersion is the version of Kubernetes that charts see without a cluster.
const DefaultKubeVersion = "v1.37.0"

// Offline renders what releases are made of without a cluster, as the engine renders it with one, except that the
// template function lookup finds nothing.
type Offline struct {
	pool         Pool
	capabilities *chartutil.Capabilities
}

// NewOffline returns what renders in the children of the pool. Charts see the version of Kubernetes, for example
// v1.35.2, and the API versions of Kubernetes itself with those that are named.
func NewOffline(pool Pool, kubeVersion string, apiVersions []string) (*Offline, error) {
	version, err := chartutil.ParseKubeVersion(kubeVersion)
	if err != nil {
		return nil, fmt.Errorf("%q is not a version of Kubernetes: %w", kubeVersion, err)
	}

	served := slices.Clone(chartutil.DefaultVersionSet)
	served = append(served, apiVersions...)
	return &Offline{pool: pool, capabilities: &chartutil.Capabilities{KubeVersion: *version, APIVersions: served}}, nil
}

// KubeVersion is the version of Kubernetes that charts see.
func (o *Offline) KubeVersion() string { return o.capabilities.KubeVersion.Version }

// Foresee finds out how what one action makes differs from what another one makes; from is nil for a release that is
// new, and to is nil for one that is removed. share is the share of the pool that is taken.
func (o *Offline) Foresee(ctx context.Context, share string, from, to *Action) (*Foresight, error) {
	out := &Foresight{From: &Content{}, To: &Content{}, Again: &Content{}, First: from == nil}
	var err error
	if from != nil {
		if out.From, err = o.render(ctx, share, from, to == nil); err != nil {
			return nil, fmt.Errorf("before the change: %w", err)
		}
	}
	if to == nil {
		out.Kept, err = keptByPolicy(out.From.Manifest, "")
		return out, err
	}
	if out.To, err = o.render(ctx, share, to, out.First); err != nil {
		return nil, err
	}
	if out.Again, err = o.render(ctx, share, to, out.First); err != nil {
		return nil, err
	}

	out.Inputs = preview.Inputs{
		Chart: to.Revision.Digest, Config: values.DigestWith(to.Values, to.Revision.ValuesDigest),
		Render: to.RenderDigest, KubeVersion: o.KubeVersion(),
	}
	out.Kept, err = keptByPolicy(out.From.Manifest, out.To.Manifest)
	return out, err
}

// render renders what an action makes. An upgrade is the second revision, on either side of a comparison.
func (o *Offline) render(ctx context.Context, share string, a *Action, first bool) (*Content, error) {
	request := a.firstRequest(o.capabilities)
	request.Offline = true
	if !first {
		request.Upgrade = true
		request.Revision = 2
	}

	result, err := rendering.Render(ctx, o.pool, share, request, a.Chart, nil)
	if err != nil {
		return nil, err
	}

	rel := &release.Release{Config: a.Values, Manifest: result.Manifest, Hooks: result.Hooks, Chart: a.Chart}
	return contentOf(rel), nil
}

// keptByPolicy are the objects that are no longer wanted, and that stay because their manifests say so.
func keptByPolicy(former, latter string) ([]v1beta1.KeptObject, error) {
	was, err := diff.Objects(former)
	if err != nil {
		return nil, fmt.Errorf("read what the chart made before: %w", err)
	}

	is, err := diff.Objects(latter)
	if err != nil {
		return nil, fmt.Errorf("read what the chart makes: %w", err)
	}

	wanted := map[v1beta1.KeptObject]bool{}
	for _, object := range is {
		wanted[keptOf(object)] = true
	}

	var out []v1beta1.KeptObject
	for _, object := range was {
		kept := keptOf(object)
		if policy := annotation(object, kube.ResourcePolicyAnno); policy != kube.KeepPolicy || wanted[kept] {
			continue
		}

		kept.Reason = "its annotation " + kube.ResourcePolicyAnno + " says so"
		out = append(out, kept)
	}

	return out, nil
}

// keptOf identifies an object of a manifest.
func keptOf(object map[string]any) v1beta1.KeptObject {
	version, _ := object["apiVersion"].(string)
	group, _, grouped := strings.Cut(version, "/")
	if !grouped {
		group = ""
	}

	metadata, _ := object["metadata"].(map[string]any)
	out := v1beta1.KeptObject{Group: group}
	out.Kind, _ = object["kind"].(string)
	out.Namespace, _ = metadata["namespace"].(string)
	out.Name, _ = metadata["name"].(string)
	return out
}

func annotation(object map[string]any, name string) string {
	metadata, _ := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	value, _ := annotations[name].(string)
	return strings.ToLower(strings.TrimSpace(value))
}

// KeepAll has all objects that are no longer wanted stay, for a reason.
func (f *Foresight) KeepAll(reason string) {
	objects, err := diff.Objects(f.From.Manifest)
	if err != nil {
		return // a preview reports it
	}

	f.Kept = nil
	for _, object := range objects {
		kept := keptOf(object)
		kept.Reason = reason
		f.Kept = append(f.Kept, kept)
	}
}
