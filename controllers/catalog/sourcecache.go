package catalog

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/helmrepo"
	"fairlead.dev/fairlead/sources/oci"
	"fairlead.dev/fairlead/sources/store"
)

// resolved is the answer to one choice, as a poll found it.
type resolved struct {
	// Revision is the chart that was chosen; its digest is empty while there is none.
	Revision v1beta1.ChartRevision `json:"revision"`
	// Archive is the digest of the archive's bytes, by which the store knows it.
	Archive string `json:"archive,omitempty"`
	// Size of the archive, 0 when it is not known.
	Size int64 `json:"size,omitempty"`
	// URL of the archive in a Helm repository.
	URL string `json:"url,omitempty"`
	// Origin is the revision of a GitRepository that the chart was packed from.
	Origin string `json:"origin,omitempty"`
	// Created is when the version was published in a Helm repository.
	Created time.Time `json:"created,omitzero"`
	// KubeVersion is the range of clusters that a chart of a registry is made for.
	KubeVersion string `json:"kubeVersion,omitempty"`
	// Unfit are charts that were passed over because they do not fit the cluster: what each is made for, by its digest.
	Unfit map[string]string `json:"unfit,omitempty"`
	// SignedBy names the signer of the chart, where a signature is required, and Keys the Secret with the accepted keys.
	SignedBy string `json:"signedBy,omitempty"`
	Keys     string `json:"keys,omitempty"`
	// Names of charts, where the choice lists them.
	Names []string `json:"names,omitempty"`
	// Base is what upstream has, when the chart was made from it with other values.
	Base *resolved `json:"base,omitempty"`
	// needsReverify is set when the keys have changed that the signature was checked with; tried is the Secret that a
	// check has failed with.
	needsReverify bool
	tried         string
	// withdrawn is why upstream no longer offers a pinned chart, which is fetched from its origin then.
	withdrawn error
	// err is why the last poll found nothing. With a revision from an earlier poll it is only news.
	err error
}

// sourceCache is what the last poll of a source found.
type sourceCache struct {
	// URL of the source the cache was filled from. A cache of another URL is worthless.
	URL string `json:"url"`
	// Revision and Digest of the source's artifact.
	Revision string `json:"revision"`
	Digest   string `json:"digest"`
	// Validators of the index, to ask for news only.
	Validators helmrepo.Validators `json:"validators"`
	// Picks by choice, as text.
	Picks map[string]resolved `json:"picks"`

	holder store.Holder // the source
}

func newSourceCache(url string) *sourceCache {
	return &sourceCache{URL: url, Picks: map[string]resolved{}}
}

// copy returns a cache that can be read while the original is added to.
func (s *sourceCache) copy() *sourceCache {
	own := *s
	own.Picks = maps.Clone(s.Picks)
	return &own
}

// pick looks a choice up on the cache of its source. A chart that an index already names with its digest is chosen
// without a poll, while the source has access to the index. Objects that asked before there was an answer are
// woken by the first one.
func (c *Catalog) pick(ctx context.Context, choice ChartRef, source v1beta1.Source) (resolved, bool) {
	c.mu.Lock()
	found, ok := c.pickFrom(ctx, c.cacheOf(choice, source), choice, source)
	awaited := c.awaited[choice]
	if ok {
		delete(c.awaited, choice)
	} else {
		c.awaited[choice] = true
	}

	c.mu.Unlock()
	if ok && awaited {
		c.Notify(ctx, choice)
	}

	return found, ok
}

// pickFrom looks a choice up on a cache; nil is an empty one. The caller holds the lock.
func (c *Catalog) pickFrom(
	ctx context.Context, s *sourceCache, choice ChartRef, source v1beta1.Source,
) (resolved, bool) {
	if s == nil {
		return resolved{}, false
	}

	found, ok := s.Picks[choice.String()]
	if !ok {
		if found, ok = s.holding(choice); ok {
			s.Picks[choice.String()] = found
		}
	}

	if ok || !choice.plain() || c.kubeVersion != nil && c.kube == "" {
		// Other values and signatures need more than the index; a poll asks for the version of the cluster.
		return found, ok && !found.needsReverify
	}

	index, ok := c.parsed(source, s.Digest)
	if !ok || !c.proven(ctx, source, s.Digest) {
		return resolved{}, false
	}
	if found, ok = c.pickIndexed(index, choice); ok {
		s.Picks[choice.String()] = found
	}

	return found, ok
}

// entry rebuilds what the backend needs to fetch the archive of a pick.
func (p resolved) entry() helmrepo.Entry {
	return helmrepo.Entry{Name: p.Revision.Name, Digest: p.Revision.Digest, URL: p.URL}
}

func (p resolved) ociChart() oci.Chart {
	return oci.Chart{ChartRevision: p.Revision, Archive: p.Archive, Size: p.Size}
}

// upstream is the pick as upstream has it, without other values.
func (p resolved) upstream() resolved {
	if p.Base != nil {
		return *p.Base
	}
	return p
}

func sameAnswer(a, b resolved) bool {
	return a.Revision == b.Revision && slices.Equal(a.Names, b.Names) && a.needsReverify == b.needsReverify &&
		errorText(a.err) == errorText(b.err) && errorText(a.withdrawn) == errorText(b.withdrawn)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// keep takes over an earlier answer when the new poll could not give one: what runs is served further.
func (p resolved) keep(before resolved) resolved {
	if p.err != nil && p.Revision.Digest == "" && before.Revision.Digest != "" {
		before.err = p.err
		before.needsReverify = false
		return before
	}
	return p
}

// preventDowngrade keeps the version of before when upstream has withdrawn it and offers only an older one.
func (p resolved) preventDowngrade(before resolved) resolved {
	if p.err != nil || !sources.IsDowngrade(before.published(), p.published()) {
		return p
	}
	before.err = nil
	return before
}

// published is the chart of upstream that was chosen.
func (p resolved) published() sources.Published {
	return sources.Published{ChartRevision: p.Revision, Created: p.upstream().Created}
}

// republished returns what to warn of when a version is upstream with other content than before.
func (p resolved) republished(before resolved) []string {
	if warning := sources.RepublishedWarning(before.upstream().Revision, p.upstream().Revision); warning != "" {
		return []string{warning}
	}
	return nil
}

// pending says that an answer is on its way; who asked will be woken.
type pending struct{ what string }

// Error implements error.
func (p *pending) Error() string { return p.what }

// Pending implements what loop.Blocker looks for.
func (p *pending) Pending() bool { return true }

// IsPending reports whether an error only means that there is no answer yet. The catalog wakes the caller when there is
// one.
func IsPending(err error) bool {
	var p *pending
	return errors.As(err, &p)
}

// unavailable builds the error for a choice whose source cannot answer.
func unavailable(reason string, format string, args ...any) error {
	return sources.Fail(reason, nil, format, args...)
}

// address is what a cache is valid for: another address is another source.
func address(source v1beta1.Source) string {
	switch object := source.(type) {
	case *v1beta1.HelmRepository:
		return object.Spec.URL
	case *v1beta1.GitRepository:
		return object.Spec.URL
	case *v1beta1.OCIRepository:
		return object.Spec.URL
	case *v1beta1.Bucket:
		return object.Address()
	}
	return ""
}

// cacheName is the name under which the store keeps the cache of a source. Earlier versions called it a shelf.
func cacheName(source v1beta1.Source) string { return "shelf/" + string(source.GetUID()) }
