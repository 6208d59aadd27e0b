package catalog

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/oci"
)

// pickTag chooses a tag of one chart. The tags of a chart are listed once per poll.
func (c *Catalog) pickTag(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, tags map[string][]string, before resolved,
) resolved {
	remote, err := c.registry(ctx, repository, choice.Chart)
	if err != nil {
		return resolved{err: err}.keep(before)
	}

	listed := tags[choice.Chart]
	if choice.pin.Digest != "" {
		tags[choice.Chart] = listed // the chart is in use
		return pinnedManifest(ctx, remote, choice, before)
	}

	if listed == nil {
		listed, err = remote.Tags(ctx)
		if sources.Reason(err) == v1beta1.NotFoundReason {
			err = sources.Fail(v1beta1.NotFoundReason, nil, "registry %s has no chart %s; check spec.chart and the credentials",
				remote.Host(), choice.Chart)
		}
		if err != nil {
			return resolved{err: err}.keep(before)
		}

		tags[choice.Chart] = listed
	}

	kube, err := c.cluster(ctx, choice)
	if err != nil {
		return resolved{err: err}.keep(before)
	}

	versions := sources.ParseChartTags(listed)
	return newestFit(ctx, remote, versions, choice, kube, before).keep(before)
}

// maxUnfit is how many versions are read to find one that fits the cluster: a registry reports that for each chart
// alone.
const maxUnfit = 10

// newestFit chooses the newest version that fits the cluster. What was passed over before is not read again.
func newestFit(
	ctx context.Context, remote *oci.Repository, versions []sources.Version, choice ChartRef, kube string, before resolved,
) resolved {
	unfit := map[string]string{}
	passed := map[string]string{}
	wanted, err := choice.wanted("") // a chart of a registry says itself which clusters it fits
	if err != nil {
		return resolved{err: err}
	}

	wanted.Skip = func(v sources.Version) (string, bool) {
		reason, is := passed[v.Tag]
		return reason, is
	}
	for {
		chosen, err := sources.Select(versions, wanted)
		if err != nil {
			return resolved{err: fmt.Errorf("%s: %w", choice, err)}
		}

		reason, skip, err := choice.skipsTag(ctx, remote, chosen.Tag)
		if err != nil {
			return resolved{err: err}
		}

		if skip {
			passed[chosen.Tag] = reason
			continue
		}

		found, madeFor := describe(ctx, remote, chosen.Tag, before)
		if found.err != nil || sources.FitsCluster(madeFor, kube) {
			found.Unfit = unfit
			return found
		}

		if len(unfit) == maxUnfit {
			return resolved{
				err: unavailable(v1beta1.NoMatchReason, "%s: none of the newest %d versions fits the cluster, %s %s", choice,
					maxUnfit, chosen.Tag, sources.UnfitReason(madeFor, kube)),
			}
		}

		unfit[found.upstream().Revision.Digest], passed[chosen.Tag] = madeFor, sources.UnfitReason(madeFor, kube)
	}
}

// describe resolves a tag, and which clusters its chart is made for. It does not read the chart of a known digest
// again.
func describe(
	ctx context.Context, remote *oci.Repository, tag string, before resolved,
) (found resolved, madeFor string) {
	digest, err := remote.Resolve(ctx, tag)
	if err != nil {
		return resolved{err: err}, ""
	}
	if madeFor, known := before.Unfit[digest]; known {
		return resolved{Revision: v1beta1.ChartRevision{Digest: digest}}, madeFor
	}

	if had := before.upstream(); digest == had.Revision.Digest {
		had.err = nil
		return had, had.KubeVersion
	}

	chart, err := remote.Chart(ctx, digest)
	if err != nil {
		return resolved{err: err}, ""
	}

	return resolved{
		Revision: chart.ChartRevision, Archive: chart.Archive, Size: chart.Size, KubeVersion: chart.KubeVersion,
	}, chart.KubeVersion
}

// registry opens the repository of one chart below the URL of a HelmRepository.
func (c *Catalog) registry(
	ctx context.Context, repository *v1beta1.HelmRepository, chart string,
) (*oci.Repository, error) {
	path := strings.TrimSuffix(strings.TrimPrefix(repository.Spec.URL, "oci://"), "/") + "/" + url.PathEscape(chart)
	secrets := c.secretsOf(repository)
	credentials, err := secrets.registry(ctx, repository.Spec.SecretRef, path)
	if err != nil {
		return nil, err
	}

	http, err := secrets.client(ctx, repository.Spec.CertSecretRef, nil)
	if err != nil {
		return nil, err
	}

	return oci.New(
		oci.Options{Repository: path, PlainHTTP: repository.Spec.Insecure, Credentials: credentials, HTTP: http})
}
