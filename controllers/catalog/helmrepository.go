package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/helmrepo"
	"fairlead.dev/fairlead/sources/store"
)

// pollHelmRepository looks at a Helm repository of either type.
func (c *Catalog) pollHelmRepository(ctx context.Context, source v1beta1.Source, choices []ChartRef) Polled {
	repository := source.(*v1beta1.HelmRepository)
	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	if repository.IsOCI() {
		return c.pollRegistry(ctx, repository, choices)
	}
	return c.pollIndex(ctx, repository, choices)
}

// pollIndex asks for the index, only if it has changed, and chooses from it.
func (c *Catalog) pollIndex(ctx context.Context, repository *v1beta1.HelmRepository, choices []ChartRef) Polled {
	key := keyOf(v1beta1.HelmRepositoryKind, repository)
	access := c.access(ctx, repository)
	remote, err := c.helmRepository(ctx, repository)
	if err != nil {
		return Polled{Err: err}
	}

	before := c.before(key, repository)
	s := newSourceCache(repository.Spec.URL)
	view := c.View(repository)
	have := before.Validators
	if isRequested(repository) || before.Digest == "" || !view.Has(before.Digest) {
		have = helmrepo.Validators{}
	}

	artifact, err := fetchIndex(ctx, view, remote, have, before.Digest, s)
	if err != nil {
		if !isRefusal(err) {
			c.restoreIndex(ctx, key, repository, before, choices)
		}
		return Polled{Err: err}
	}

	if err := c.prove(repository, access, artifact.Digest); err != nil {
		return Polled{Err: err}
	}

	index, release, err := c.index(ctx, repository, artifact.Digest)
	if err != nil {
		return Polled{Err: err}
	}

	defer release()
	var warnings []string
	for _, choice := range choices {
		if choice.lists() {
			s.Picks[choice.String()] = pickNames(index, choice)
			continue
		}

		had := before.Picks[choice.String()]
		found := c.pickChart(ctx, catalogued{repository, access, remote, index}, choice, had)
		found = c.signed(ctx, choice, found, had, func(keys trusted) (string, error) {
			return keys.provenance(ctx, remote, found)
		})
		found = c.valued(ctx, repository, choice, found, had).preventDowngrade(had)
		s.Picks[choice.String()], warnings = found, append(warnings, found.republished(had)...)
	}

	changed, err := c.put(ctx, key, repository, s, choices)
	if err != nil {
		return Polled{Err: err}
	}

	c.Notify(ctx, changed...)
	charts := index.Charts()
	message := "index with " + countCharts(len(charts)) + absent(choices, charts)
	return Polled{Artifact: artifact, Message: message, Warnings: warnings}
}

// isRequested reports whether a user asks for a poll that was not made yet. It does not rely on what upstream says of
// changes.
func isRequested(source v1beta1.Source) bool {
	request := source.GetAnnotations()[v1beta1.ReconcileRequestAnnotation]
	return request != "" && request != source.Request().LastHandledReconcileAt
}

// fetchIndex fills the cache with the index, from upstream or, when that has not changed since it had the validators,
// from the store, where it has the digest before.
func fetchIndex(
	ctx context.Context, view store.View, remote *helmrepo.Repository, have helmrepo.Validators, before string,
	s *sourceCache,
) (v1beta1.Artifact, error) {
	unchanged := false
	digest, size, err := view.Put(ctx, "", func(w io.Writer) (err error) {
		s.Validators, unchanged, err = remote.FetchIndex(ctx, have, w)
		return err
	})
	if err != nil {
		return v1beta1.Artifact{}, err
	}

	if unchanged {
		digest = before
		s.Validators = have
	}

	s.Digest = digest
	s.Revision = digest
	if unchanged {
		size, err = view.Size(digest)
	}

	return v1beta1.Artifact{Revision: digest, Digest: digest, Size: size}, err
}

// restoreIndex puts the index that an earlier process left in the store on the cache, so that choices can be answered
// from it while upstream is away.
func (c *Catalog) restoreIndex(
	ctx context.Context, key ChartRef, repository *v1beta1.HelmRepository, before *sourceCache, choices []ChartRef,
) {
	if _, inMemory := c.parsed(repository, before.Digest); inMemory || before.Digest == "" ||
		!c.proven(ctx, repository, before.Digest) {
		return
	}

	index, release, err := c.index(ctx, repository, before.Digest)
	if err != nil {
		return // it is gone; there is nothing to answer from until upstream is back
	}

	defer release()
	for _, choice := range choices {
		if _, known := before.Picks[choice.String()]; !known && choice.plain() {
			kube, err := c.cluster(ctx, choice)
			if err != nil {
				continue
			}

			before.Picks[choice.String()] = pickFromIndex(index, choice, kube)
		}
	}

	if _, err := c.put(ctx, key, repository, before, choices); err == nil {
		c.Notify(ctx, choices...)
	}
}

// catalogued is a Helm repository with its index, and the access that it has.
type catalogued struct {
	repository *v1beta1.HelmRepository
	access     store.Holder
	remote     *helmrepo.Repository
	index      *helmrepo.Index
}

// pickFromIndex chooses without a request. A chart whose digest the index does not give is left without one.
func pickFromIndex(index *helmrepo.Index, choice ChartRef, kube string) resolved {
	if choice.lists() {
		return pickNames(index, choice)
	}

	wanted, err := choice.wanted(kube)
	if err != nil {
		return resolved{err: err}
	}

	wanted.Skip = choice.skipsEntry(index)
	entry, err := index.Select(choice.Chart, wanted)
	if err != nil {
		return resolved{err: fmt.Errorf("%s: %w", choice, err)}
	}

	return resolved{
		Revision: v1beta1.ChartRevision{Name: entry.Name, Version: entry.Tag, Digest: entry.Digest},
		Archive:  entry.Digest, URL: entry.URL, Created: entry.Created,
	}.as(choice)
}

// pickIndexed chooses from an index; false when the index does not give a digest, or another than is wanted: a poll
// looks further. The caller holds the lock.
func (c *Catalog) pickIndexed(index *helmrepo.Index, choice ChartRef) (resolved, bool) {
	kube := c.kube
	if choice.elsewhere {
		kube = ""
	}
	found := pickFromIndex(index, choice, kube)
	if !choice.lists() && found.Revision.Digest == "" && (found.err == nil || choice.pin.Digest != "") {
		return resolved{}, false
	}
	return found, true
}

// pickChart chooses from an index. For a chart without a digest there, the archive is fetched once to know it.
func (c *Catalog) pickChart(ctx context.Context, from catalogued, choice ChartRef, before resolved) resolved {
	kube, err := c.cluster(ctx, choice)
	if err != nil {
		return resolved{err: err}.keep(before)
	}

	found := pickFromIndex(from.index, choice, kube)
	if found.err != nil || found.Revision.Digest != "" {
		return found.keep(before).orPinned(choice)
	}

	if had := before.upstream(); had.Revision.Version == found.Revision.Version && had.URL == found.URL &&
		had.Revision.Digest != "" {
		had.Created = found.Created
		had.withdrawn = nil
		return had
	}

	digest, size, err := c.View(from.repository).Put(ctx, "", func(w io.Writer) error {
		return from.remote.FetchChart(ctx, found.entry(), w)
	})
	if err == nil {
		err = c.prove(from.repository, from.access, digest)
	}
	if err != nil {
		return resolved{err: err}.keep(before)
	}

	found.Revision.Digest = digest
	found.Archive = digest
	found.Size = size
	return found.as(choice).keep(before).orPinned(choice)
}

func (c *Catalog) helmRepository(
	ctx context.Context, repository *v1beta1.HelmRepository,
) (*helmrepo.Repository, error) {
	secrets := c.secretsOf(repository)
	credentials, err := secrets.basic(ctx, repository.Spec.SecretRef)
	if err != nil {
		return nil, err
	}

	http, err := secrets.client(ctx, repository.Spec.CertSecretRef, nil)
	if err != nil {
		return nil, err
	}

	return helmrepo.New(helmrepo.Options{
		URL: repository.Spec.URL, Credentials: credentials, PassCredentials: repository.Spec.PassCredentials, HTTP: http,
	})
}

// pollRegistry looks at every chart that is asked of a registry: its tags, and the digest of the chosen one.
func (c *Catalog) pollRegistry(ctx context.Context, repository *v1beta1.HelmRepository, choices []ChartRef) Polled {
	key := keyOf(v1beta1.HelmRepositoryKind, repository)
	before := c.before(key, repository)
	s := newSourceCache(repository.Spec.URL)
	tags := map[string][]string{}
	var failed, missing error
	served := false
	warnings := make([]string, 0, len(choices))
	for _, choice := range choices {
		if choice.lists() {
			s.Picks[choice.String()] = unlisted(choice)
			continue
		}

		had := before.Picks[choice.String()]
		found := c.pickTag(ctx, repository, choice, tags, had)
		found = c.signed(ctx, choice, found, had, func(keys trusted) (string, error) {
			remote, err := c.registry(ctx, repository, choice.Chart)
			if err != nil {
				return "", err
			}
			return keys.artifact(ctx, remote, found.Revision.Digest)
		})
		found = c.valued(ctx, repository, choice, found, had)
		if found.err != nil && blocks(found.err) {
			failed = found.err
		}
		if sources.Reason(found.err) == v1beta1.NotFoundReason {
			missing = cmp.Or(missing, found.err)
		}

		found = found.preventDowngrade(had)
		served = served || found.Revision.Digest != ""
		s.Picks[choice.String()], warnings = found, append(warnings, found.republished(had)...)
	}

	artifact, err := catalogue(ctx, c.View(repository), s)
	if err != nil {
		return Polled{Err: err}
	}

	changed, err := c.put(ctx, key, repository, s, choices)
	if err != nil {
		return Polled{Err: err}
	}

	c.Notify(ctx, changed...)
	message := "registry with " + countCharts(len(tags)) + " in use"
	if len(choices) == 0 {
		message = "registry; it is asked when a release refers to it"
	}
	if failed == nil && missing != nil {
		message += absent(choices, slices.Collect(maps.Keys(tags)))
	}
	if failed == nil && !served {
		failed = missing // the registry has nothing of what is asked for, or does not show it with these credentials
	}

	return Polled{Artifact: artifact, Message: message, Err: failed, Warnings: warnings}
}

// maxAbsent is how many charts that upstream does not have a message names.
const maxAbsent = 3

// absent says which of the charts that are asked for upstream does not have; empty when it has all.
func absent(choices []ChartRef, has []string) string {
	var names []string
	for _, choice := range choices {
		if !choice.lists() && !slices.Contains(has, choice.Chart) {
			names = append(names, choice.Chart)
		}
	}

	if len(names) == 0 {
		return ""
	}

	slices.Sort(names)
	names = slices.Compact(names)
	text := "; it does not have " + strings.Join(names[:min(len(names), maxAbsent)], ", ")
	if more := len(names) - maxAbsent; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}

	return text + ", which releases ask for"
}

func countCharts(n int) string {
	if n == 1 {
		return "1 chart"
	}
	return fmt.Sprintf("%d charts", n)
}

// blocks reports whether an error is about the registry rather than about one chart or range in it.
func blocks(err error) bool {
	switch sources.Reason(err) {
	case v1beta1.NotFoundReason, v1beta1.NoMatchReason, v1beta1.InvalidContentReason, v1beta1.InvalidReferenceReason,
		v1beta1.VerificationFailedReason, v1beta1.DigestMismatchReason:
		return false
	}
	return true
}

// catalogue stores what was chosen as the artifact of a registry.
func catalogue(ctx context.Context, view store.View, s *sourceCache) (v1beta1.Artifact, error) {
	document, err := json.Marshal(s.Picks) // sorted by choice
	if err != nil {
		return v1beta1.Artifact{}, err
	}

	digest, size, err := view.Put(ctx, "", func(w io.Writer) error {
		_, err := w.Write(document)
		return err
	})
	s.Digest = digest
	s.Revision = digest
	return v1beta1.Artifact{Revision: digest, Digest: digest, Size: size}, err
}
