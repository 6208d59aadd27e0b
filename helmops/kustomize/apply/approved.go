package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
)

// PlanInputs are what the digest of a plan is made of. Neither the name of the revision is in it, because the commit
// that approves a plan often makes a new revision of the same source, nor how the objects are in the cluster, because
// drift is repaired while a plan waits.
type PlanInputs struct {
	// From identifies what is applied; empty for nothing.
	From string `json:"from,omitempty"`
	// Build is the digest of the objects of the set.
	Build string `json:"build"`
	// Prune is the digest of the names of the objects that the set no longer has, and of which of them stay; empty when
	// there are none.
	Prune string `json:"prune,omitempty"`
	// KubeVersion is the version of the API server.
	KubeVersion string `json:"kubeVersion"`
}

func (in PlanInputs) digest() string {
	encoded, _ := json.Marshal(in) //nolint:errchkjson // it consists of texts
	return digestOf(encoded)
}

// PlanChangedError says that applying a set would not do what the plan says that was approved. Nothing was changed.
type PlanChangedError struct {
	// Approved is the digest of the plan that was approved, and Now of what would be done.
	Approved, Now string
}

// Error implements error.
func (e *PlanChangedError) Error() string {
	return fmt.Sprintf("it would not do what plan %s says, but what is now plan %s; nothing was changed",
		v1beta1.ShortDigest(e.Approved), v1beta1.ShortDigest(e.Now))
}

// IsPlanChanged reports whether an error is a *PlanChangedError.
func IsPlanChanged(err error) bool {
	var changed *PlanChangedError
	return errors.As(err, &changed)
}

// asApproved refuses to do anything else than the plan that was approved. It comes after the trial of the objects,
// which finds out what is deleted, and before anything is written.
func (r *run) asApproved(ctx context.Context) error {
	if r.Approved == "" {
		return nil
	}

	inputs, err := r.planInputs(ctx)
	if err != nil {
		return err
	}
	if now := inputs.digest(); now != r.Approved {
		return &PlanChangedError{Approved: r.Approved, Now: now}
	}

	return nil
}

// planInputs are known once it is known what is pruned.
func (r *run) planInputs(ctx context.Context) (PlanInputs, error) {
	capabilities, err := r.site.cluster.Capabilities(ctx)
	if err != nil {
		return PlanInputs{}, fmt.Errorf("asking for the version of the API server: %w", err)
	}

	objects := make([]string, 0, len(r.items))
	for _, i := range r.items {
		sum := sha256.Sum256(i.body)
		objects = append(objects, i.id+" "+i.GroupVersionKind().Version+" "+hex.EncodeToString(sum[:]))
	}

	out := PlanInputs{From: r.From, Build: digestOfList(objects), KubeVersion: capabilities.KubeVersion.Version}
	if !r.Prune || len(r.gone) == 0 {
		return out, nil
	}

	gone := make([]string, 0, len(r.gone))
	for _, g := range r.gone {
		entry := g.ref.ID
		if g.spared || g.kept.Keep {
			entry += " kept"
		}
		gone = append(gone, entry)
	}

	out.Prune = digestOfList(gone)
	return out, nil
}

// isUnchanged reports whether every manifest of the set is the one that was applied, and none is gone.
func (r *run) isUnchanged() bool {
	changed := func(i *item) bool { return !i.unchanged() }
	return len(r.gone) == 0 && !slices.ContainsFunc(r.items, changed)
}

// leaveUntilApproved leaves an object as it is in a repair, because its manifest is not the one that was applied.
func (r *run) leaveUntilApproved(i *item) {
	if i.inPlace() {
		return
	}

	r.site.leave(r.Owner, i.id, i.state())
	r.keep(i.String() + ", because the manifest that was applied cannot be built any more; " +
		"applying the plan that waits corrects it")
}

// digestOfList does not depend on the order of the texts.
func digestOfList(texts []string) string {
	slices.Sort(texts)
	encoded, _ := json.Marshal(texts) //nolint:errchkjson // it consists of texts
	return digestOf(encoded)
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
